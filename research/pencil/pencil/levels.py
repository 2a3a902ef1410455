"""The first batch as a pencil linear in its samples: levels of the bulk and of the special directions.

theory2.md section 11. The covariance of a trained row with readout weight ``a`` is
``C_a = S (1 + k a S H S)^2 S + t^2 a^2 S^2 G S^2``; neurons couple through ``K``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pencil.labels import ResidualLaw
from pencil.model import Model
from rmt_spikes.theory.quadrature_rules import gauss_rule

Array = NDArray[np.float64]
Values = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Levels:
    """Everything about the pencil at one pair ``(K, Nu)``.

    Attributes
    ----------
    x, y, p
        ``X_l``, ``Y_l = X (1 + K X)^-1`` and ``P_l = (1 + K X)^-1``, shape ``(n_l, A, A)``.
    k
        ``K`` on the pencil's nodes.
    m, green, source
        ``M``; Green's functions ``G_l`` scaled by powers of ``l``; ``[P; -E^-1 B' P]`` scaled alike.
    om, nu
        ``Om(r)`` at ``M``, shape ``(n_r, B, B)``, and its mean: the next ``Nu``.
    """

    x: Values
    y: Values
    p: Values
    k: Values
    m: Values
    green: Values
    source: Values
    om: Values
    nu: Values


@dataclass(frozen=True, eq=False)
class Pencil:
    """The pencil of one model.

    Parameters
    ----------
    model
        The setting.
    residuals
        Law of the residuals of its first batch that form the bulk.
    everything
        That of all residuals, single samples with large labels included; the same by default.
    """

    model: Model
    residuals: ResidualLaw
    everything: ResidualLaw | None = None
    rank: int | None = None

    @cached_property
    def reduction(self) -> tuple[Array, Array]:
        """Readout nodes of the pencil, and the isometry from them to those of the model.

        With `rank` the pencil sees the functions of the readout weight that are polynomials of lower degree
        than that (times ``sqrt(omega) / tau``): those are the Gauss rule of ``rank`` nodes. On the rest rows
        grow as they do without coupling.
        """
        law = self.model.law
        if self.rank is None or self.rank >= law.nodes.size:
            return law.nodes, np.eye(law.nodes.size)
        rule = gauss_rule(law.nodes, self.rank, law.weights)
        wide = rule.polynomials(law.nodes) * np.sqrt(law.weights)
        narrow = rule.polynomials(rule.nodes) * np.sqrt(rule.weights)
        return rule.nodes, wide.T @ narrow

    @property
    def reduced(self) -> bool:
        """Whether the pencil has fewer nodes than the model."""
        return self.alpha.size < self.model.law.nodes.size

    @property
    def alpha(self) -> Array:
        """Readout nodes of the pencil."""
        return self.reduction[0]

    @cached_property
    def free(self) -> Pencil:
        """The same pencil on all nodes."""
        return Pencil(self.model, self.whole)

    @cached_property
    def uncoupled(self) -> tuple[Levels, Values]:
        """The pencil at ``K = 0`` and ``X_V`` there."""
        start = self.at(np.zeros((self.nodes, self.nodes)), self.start(), lifted=False)
        return start, self.direction_growth(start)

    @cached_property
    def free_response(self) -> tuple[Array, Array, Array, Array]:
        """``X_l`` and ``D' X_V D`` at ``K = 0`` on all nodes, and on those of the pencil."""
        parts = []
        for pencil in (self.free, Pencil(self.model, self.whole, None, self.rank)):
            a, frame = pencil.nodes, self.frame[0]
            start, x = pencil.uncoupled
            x = x.reshape(a, frame.shape[0], a, frame.shape[0])
            form = np.einsum("vi,avbw,wj->iajb", frame, x, frame, optimize=True)
            parts += [start.x, form]
        return parts[0], parts[1], parts[2], parts[3]

    def lift(self, y: Values) -> Values:
        """``sum_l p_l Y_l`` on all nodes from that on the pencil's."""
        if not self.reduced:
            return y
        v, (wide, narrow) = self.reduction[1], self._free_means
        return wide + v @ (y - narrow) @ v.T

    @cached_property
    def _free_means(self) -> tuple[Array, Array]:
        shares, parts = self.model.proportions, self.free_response
        return np.tensordot(shares, parts[0], axes=1), np.tensordot(shares, parts[2], axes=1)

    @property
    def whole(self) -> ResidualLaw:
        """Law of all residuals."""
        return self.everything or self.residuals

    @property
    def nodes(self) -> int:
        """``A``, the number of readout nodes."""
        return self.alpha.size

    @property
    def blocks(self) -> int:
        """Number of blocks of the pencil: none without a step, two when the step has a coherent part."""
        if self.model.theta == 0.0:
            return 0
        return 2 if abs(self.model.curvature) > 1e-13 else 1

    @cached_property
    def letters(self) -> Array:
        """``T(r)`` of the bulk's residuals, shape ``(n_r, B, B)``."""
        return self.letters_of(self.residuals.r)

    def letters_of(self, r: Array) -> Array:
        """``T(r)`` at any residuals."""
        alpha = np.diag(self.alpha)
        k, t2 = self.model.curvature, self.model.incoherent
        size = self.blocks * self.nodes
        letters = np.zeros((r.size, size, size))
        if not size:
            return letters
        a = self.nodes
        letters[:, :a, :a] = r[:, None, None] ** 2 * t2 * alpha**2
        if self.blocks == 2:
            letters[:, :a, :a] += 2.0 * k * r[:, None, None] * alpha
            letters[:, :a, a:] = letters[:, a:, :a] = k * r[:, None, None] * alpha
        return letters

    @cached_property
    def scales(self) -> Array:
        """Powers of the levels at the blocks: ``l`` for the first, ``sqrt l`` for the second."""
        levels = self.model.eigenvalues
        parts = [levels, np.sqrt(levels)][: self.blocks]
        return np.repeat(np.array(parts).T, self.nodes, axis=1).reshape(levels.size, -1)

    @cached_property
    def _start(self) -> Array:
        """``Nu`` at ``K = 0``, exactly."""
        size, a = self.blocks * self.nodes, self.nodes
        if not size:
            return np.zeros((0, 0))
        m = np.zeros((size, size))
        if self.blocks == 2:
            m[a:, a:] = -np.eye(a)
        om = self._letters_at(m)
        return self.residuals.mean(om)

    def start(self) -> Array:
        """``Nu`` at ``K = 0``, exactly."""
        return self._start

    def _letters_at(self, m: Values, letters: Array | None = None) -> Values:
        """``T (1 + phi M T)^-1``."""
        letters = self.letters if letters is None else letters
        return np.linalg.solve(np.eye(m.shape[0]) + self.model.phi * letters @ m, letters.astype(m.dtype))

    def at(self, k: Values, nu: Values, *, lifted: bool = True) -> Levels:
        """Evaluate the pencil.

        Parameters
        ----------
        k
            ``K``, shape ``(A, A)``.
        nu
            ``Nu``, shape ``(B, B)``.
        """
        a, levels = self.nodes, self.model.eigenvalues
        if lifted and self.reduced:
            k = self.reduction[1].T @ k @ self.reduction[1]
        eye = np.eye(a)
        dtype = np.result_type(k, nu)
        x = levels[:, None, None] * eye.astype(dtype)
        size = self.blocks * a
        if size:
            scaled = self.scales[:, :, None] * nu * self.scales[:, None, :]
            x = x + scaled[:, :a, :a]
        if self.blocks == 2:
            inverse = np.linalg.inv(scaled[:, a:, a:] - eye)
            left = scaled[:, :a, a:] @ inverse
            x = x - left @ scaled[:, a:, :a]
        p = np.linalg.inv(eye + k @ x)
        y = x @ p
        source = np.zeros((levels.size, size, a), dtype=dtype)
        green = np.zeros((levels.size, size, size), dtype=dtype)
        if size:
            source[:, :a] = p
        if self.blocks == 2:
            source[:, a:] = -np.swapaxes(left, 1, 2) @ p
            green[:, a:, a:] = inverse
        if size:
            # G = source K source'' with source'' = [1; -E^-1 B'].
            right = np.zeros((levels.size, a, size), dtype=dtype)
            right[:, :, :a] = eye
            if self.blocks == 2:
                right[:, :, a:] = -left
            green += source @ k @ right
            green = self.scales[:, :, None] * green * self.scales[:, None, :]
            source = self.scales[:, :, None] * source
        m = np.tensordot(self.model.proportions, green, axes=1)
        om = self._letters_at(m) if size else np.zeros((self.residuals.r.size, 0, 0))
        nu_next = np.tensordot(self.residuals.weights, om, axes=(0, 0))
        return Levels(x, y, p, k, m, green, source, om, nu_next)

    def critical(self, m: Array) -> tuple[float, float]:
        """Residuals nearest to zero of either sign at which ``det(1 + phi M T(r)) = 0``; infinite if none.

        A sample of the first batch with a residual beyond these has left the bulk.
        """
        if not self.blocks:
            return -np.inf, np.inf
        odd, even = self.letters_of(np.array([1.0, -1.0]))
        first, second = 0.5 * self.model.phi * m @ (odd - even), 0.5 * self.model.phi * m @ (odd + even)
        size = m.shape[0]
        companion = np.block([[-first, -second], [np.eye(size), np.zeros((size, size))]])
        inverse = np.linalg.eigvals(companion)
        inverse = inverse[np.abs(inverse.imag) < 1e-8 * np.abs(inverse)].real
        with np.errstate(divide="ignore"):
            low = 1.0 / np.min(np.append(inverse[inverse < 0.0], -1e-300))
            high = 1.0 / np.max(np.append(inverse[inverse > 0.0], 1e-300))
        return float(low), float(high)

    def slope(self, at: Levels, dk: Array, dnu: Array) -> tuple[Array, Array]:
        """Derivatives of ``sum_l p_l Y_l`` and of the next ``Nu`` along ``(dK, dNu)``."""
        shares, v = self.model.proportions, self.reduction[1]
        if self.reduced:
            dk = v.T @ dk @ v
        dy = -at.y @ dk @ at.y
        if not self.blocks:
            return self._raise(np.tensordot(shares, dy, axes=1)), 0.0 * dnu
        scaled = self.scales[:, :, None] * dnu * self.scales[:, None, :]
        # dX = [1, -B E^-1] dNu [1, -B E^-1]'; with P that is source'.
        unscaled = at.source / self.scales[:, :, None]
        dy = dy + np.swapaxes(unscaled, 1, 2) @ scaled @ unscaled
        dm = at.source @ dk @ np.swapaxes(at.source, 1, 2) - at.green @ dnu @ at.green
        dm = np.tensordot(shares, dm, axes=1)
        weighted = self.residuals.weights[:, None, None] * at.om
        change = -self.model.phi * np.sum(weighted @ (dm @ at.om), axis=0)
        return self._raise(np.tensordot(shares, dy, axes=1)), change

    def _raise(self, change: Values) -> Values:
        v = self.reduction[1]
        return v @ change @ v.T if self.reduced else change

    # --- special directions -------------------------------------------------------------------------

    @cached_property
    def energy(self) -> float:
        """``E r^2``."""
        return float(self.whole.mean(self.whole.r**2))

    @cached_property
    def direction_levels(self) -> Array:
        """Eigenvalue of the input covariance at each of ``V = (e_kl, n_l)``, shape ``(n_v,)``."""
        return np.tile(self.model.eigenvalues, self.model.directions + 1)

    @cached_property
    def direction_moments(self) -> tuple[Array, Array]:
        """``E[v | r]`` and ``E[v v' | r]``, shapes ``(n_r, n_v)`` and ``(n_r, n_v, n_v)``."""
        model, law = self.model, self.whole
        chi, levels, r = model.chi, model.eigenvalues.size, law.r
        nu = np.sqrt(model.phi * model.proportions / self.energy)
        count = model.directions
        first = np.concatenate([(law.u[:, :, None] * chi).reshape(r.size, -1), r[:, None] * nu], axis=1)
        second = np.zeros((r.size, count + 1, levels, count + 1, levels))
        rest = np.eye(levels) - np.outer(chi, chi)
        for i in range(count):
            second[:, i, :, i, :] += rest
            for j in range(count):
                second[:, i, :, j, :] += law.uu[:, i, j][:, None, None] * np.outer(chi, chi)
            cross = (r * law.u[:, i])[:, None, None] * np.outer(chi, nu)
            second[:, i, :, count, :] = cross
            second[:, count, :, i, :] = np.swapaxes(cross, 1, 2)
        second[:, count, :, count, :] = np.eye(levels) + r[:, None, None] ** 2 * np.outer(nu, nu)
        size = (count + 1) * levels
        return first, second.reshape(r.size, size, size)

    @cached_property
    def frame(self) -> tuple[Array, Array, float]:
        """Orthonormal directions of ``q, t_1 .. t_r`` in ``V``, how they make the teacher's, and ``B_q``.

        Returns
        -------
        frame
            Shape ``(n_v, 1 + r)``.
        mix
            ``u_k = mix_k (q, t_1 .. t_r)``, shape ``(r, 1 + r)``.
        norm2
            ``B_q``.
        """
        model, law = self.model, self.whole
        chi, levels, count = model.chi, model.eigenvalues, model.directions
        learnt = np.array([float(law.mean(law.r * law.u[:, k])) for k in range(count)])
        noise = np.sqrt(model.phi * model.proportions * self.energy)
        q = np.concatenate([(learnt[:, None] * (chi * levels)).ravel(), levels * noise])
        norm2 = float(q @ q)
        teacher = np.zeros((q.size, count))
        for k in range(count):
            teacher[k * levels.size : (k + 1) * levels.size, k] = chi
        size = np.linalg.norm(learnt)
        rotation = np.eye(count)
        if size > 1e-12 and count > 1:
            basis = np.column_stack([learnt / size, np.eye(count)])
            rotation = np.linalg.qr(basis)[0][:, :count]
            rotation[:, 0] *= np.sign(rotation[:, 0] @ learnt)
        columns = [q / np.sqrt(norm2)]
        for k in range(count):
            vector = teacher @ rotation[:, k]
            for _ in range(2):
                for column in columns:
                    vector = vector - column * (column @ vector)
            columns.append(vector / np.linalg.norm(vector))
        frame = np.column_stack(columns)
        return frame, teacher.T @ frame, norm2

    def direction_growth(self, at: Levels) -> Values:
        """``X_V``, shape ``(A, n_v, A, n_v)``."""
        a, levels = self.nodes, self.direction_levels
        n_v = levels.size
        dtype = at.m.dtype
        size = a * n_v
        x = np.diag(np.tile(levels, a)).astype(dtype)
        if not self.blocks:
            return x
        law, phi = self.whole, self.model.phi
        first, second = self.direction_moments
        n_b = self.blocks * a
        values = at.om if self.everything is None else self._letters_at(at.m, self.letters_of(law.r))
        om = values.reshape(law.r.size, -1)
        av = (om.T @ (law.weights[:, None] * second.reshape(law.r.size, -1))).reshape(n_b, n_b, n_v, n_v)
        c = (om.T @ ((law.weights * law.r)[:, None] * first)).reshape(n_b, n_b, n_v)
        square = law.mean(law.r[:, None, None] ** 2 * values)
        middle = phi * at.m @ np.linalg.inv(self.energy * np.eye(n_b) - phi * square @ at.m)
        av = av + np.einsum("ijv,jk,lkw->ilvw", c, middle, c, optimize=True)
        av = np.swapaxes(av, 1, 2).reshape(self.blocks, a * n_v, self.blocks, a * n_v)
        scale = np.tile(levels, a)
        x = x + scale[:, None] * av[0, :, 0] * scale
        if self.blocks == 2:
            root = np.sqrt(scale)
            e = root[:, None] * av[1, :, 1] * root - np.eye(size)
            left = scale[:, None] * av[0, :, 1] * root
            x = x - left @ np.linalg.solve(e, root[:, None] * av[1, :, 0] * scale)
        return x

    def direction_response(self, at: Levels) -> Values:
        """``D_V' Y_V D_V`` on all nodes, shape ``((1 + r) A, (1 + r) A)``, direction before node."""
        k = at.k
        frame = self.frame[0]
        x = self.direction_growth(at)
        n_v = self.direction_levels.size
        coupling = np.kron(k, np.eye(n_v))
        y = x @ np.linalg.inv(np.eye(x.shape[0]) + coupling @ x)
        y = y.reshape(self.nodes, n_v, self.nodes, n_v)
        response = np.einsum("vi,avbw,wj->iajb", frame, y, frame, optimize=True)
        if self.reduced:
            v = self.reduction[1]
            _, wide, _, narrow = self.free_response
            response = wide + np.einsum("ax,ixjy,by->iajb", v, response - narrow, v, optimize=True)
        size = frame.shape[1] * self.model.law.nodes.size
        return response.reshape(size, size)
