"""Special directions of the pencil: the learnt one and the teacher's, along which rows grow otherwise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.theory.methods.uniform.pencil.batch import FirstBatch, ResidualLaw
from rmt_spikes.theory.methods.uniform.pencil.levels import LevelState, Pencil

Array = NDArray[np.float64]
Values = NDArray[Any]


@dataclass(frozen=True, eq=False)
class SpecialDirections:
    """Directions of ``q`` and of the rest of the teacher, ``t_1 .. t_r``, in ``V``.

    ``V`` is spanned by ``e_kl`` and ``n_l``: on the eigenspace of each level of the inputs, each of the
    teacher's directions, and what of the learnt one is orthogonal to them.

    Parameters
    ----------
    batch
        The first batch.
    """

    batch: FirstBatch

    def with_rest(self, rest: ResidualLaw) -> SpecialDirections:
        """The same directions with only some samples in the bulk."""
        other = SpecialDirections(replace(self.batch, residuals=rest))
        for name in ("moments", "frame", "coherent", "_weighted", "_moments"):
            other.__dict__[name] = getattr(self, name)
        return other

    @cached_property
    def levels(self) -> Array:
        """Eigenvalue of the covariance of the inputs at each direction of ``V``, shape ``(n_v,)``."""
        return self._of_all(self.batch.eigenvalues)

    def _of_all(self, levels: Array) -> Array:
        """What belongs to the levels, at each direction of ``V``."""
        return np.tile(levels, self.batch.directions + 1)

    @cached_property
    def moments(self) -> tuple[Array, Array]:
        """``E[v | r]`` and ``E[v v^T | r]`` of a sample: shapes ``(n_r, n_v)`` and ``(n_r, n_v, n_v)``."""
        batch, law = self.batch, self.batch.whole
        chi, levels, r = batch.chi, batch.eigenvalues.size, law.r
        nu = np.sqrt(batch.phi * batch.proportions / batch.energy)
        count = batch.directions
        first = np.concatenate([(law.u[:, :, None] * chi).reshape(r.size, -1), r[:, None] * nu], axis=1)
        second = np.zeros((r.size, count + 1, levels, count + 1, levels))
        teacher, mixed = np.outer(chi, chi), np.outer(chi, nu)
        for i in range(count):
            second[:, i, :, i, :] += np.eye(levels) - teacher
            for j in range(count):
                second[:, i, :, j, :] += law.uu[:, i, j][:, None, None] * teacher
            cross = (r * law.u[:, i])[:, None, None] * mixed
            second[:, i, :, count, :] = cross
            second[:, count, :, i, :] = np.swapaxes(cross, 1, 2)
        second[:, count, :, count, :] = np.eye(levels) + r[:, None, None] ** 2 * np.outer(nu, nu)
        size = (count + 1) * levels
        return first, second.reshape(r.size, size, size)

    @cached_property
    def frame(self) -> Array:
        """Orthonormal directions of ``q, t_1 .. t_r`` in ``V``, shape ``(n_v, 1 + r)``."""
        batch = self.batch
        chi, sight, count = batch.chi, batch.sight, batch.directions
        noise = np.sqrt(batch.proportions * batch.noise_energy)
        q = np.concatenate([(batch.learnt[:, None] * (chi * sight)).ravel(), sight * noise])
        teacher = np.kron(np.eye(count + 1)[:, :count], batch.teacher[:, None])
        columns = [q / np.linalg.norm(q)]
        for k in range(count):
            vector = teacher[:, k]
            for _ in range(2):
                for column in columns:
                    vector = vector - column * (column @ vector)
            columns.append(vector / max(float(np.linalg.norm(vector)), 1e-150))
        return np.column_stack(columns)

    @cached_property
    def coherent(self) -> Array:
        """Coherent growth along the frame, ``D^T (S + k a S^2 H S) D``: shape ``(n_a, 1 + r, 1 + r)``."""
        return np.asarray(self.frame.T @ self.coherent_growth @ self.frame)

    @cached_property
    def coherent_growth(self) -> Array:
        """That in ``V``, ``S + k a S^2 H S``: shape ``(n_a, n_v, n_v)``."""
        batch, sight = self.batch, self._of_all(self.batch.sight)
        h = batch.whole.mean(batch.whole.r[:, None, None] * self.moments[1])
        steps = (batch.curvature * batch.law.nodes)[:, None, None]
        growth = np.diag(np.sqrt(self._of_all(batch.seen)))
        return np.asarray(growth + steps * (sight[:, None] * h * np.sqrt(self.levels)))

    def growth(self, state: LevelState) -> Growth:
        """``X_V`` where a pencil is."""
        pencil = state.pencil
        return Growth(self, state, *self._grown(state.m, state.whole, pencil.nodes, pencil.blocks))

    def _grown(self, m: Values, whole: Values, a: int, blocks: int) -> tuple[Values, ...]:
        """What `Growth` has, for groups of `a` neurons each along leading axes."""
        n_v, n_b, lead = self.levels.size, m.shape[-1], m.shape[:-2]
        x = np.diag(np.tile(self._of_all(self.batch.seen), a)).astype(m.dtype)
        if not blocks:
            return np.broadcast_to(x, (*lead, *x.shape)), *[x[:0]] * 4
        batch, (weights, first, second) = self.batch, self._weighted
        om = whole.reshape(weights.size, -1).T
        av = np.swapaxes((om @ second).reshape(*lead, n_b, n_b, n_v, n_v), -3, -2)
        c = np.swapaxes((om @ first).reshape(*lead, n_b, n_b, n_v), -2, -1).reshape(*lead, n_b * n_v, n_b)
        square = batch.phi * (om @ weights).reshape(m.shape)
        middle = batch.phi * np.linalg.inv(batch.energy * np.eye(n_b) - square @ m)
        # A response is symmetric.
        av = av + (c @ (m @ middle) @ np.swapaxes(c, -2, -1)).reshape(av.shape)
        av = av.reshape(*lead, blocks, a * n_v, blocks, a * n_v)
        scale = np.tile(self._of_all(batch.sight), a)
        x = x + scale[:, None] * av[..., 0, :, 0, :] * scale
        back = x[..., :0, :]
        if blocks == 2:
            root = np.sqrt(np.tile(self.levels, a))
            e = root[:, None] * av[..., 1, :, 1, :] * root - np.eye(scale.size)
            right = root[:, None] * av[..., 1, :, 0, :] * scale
            back = np.linalg.solve(e, right)
            x = x - np.swapaxes(right, -2, -1) @ back
            back = root[:, None] * back
        return x, scale, back, c, middle

    @cached_property
    def _weighted(self) -> tuple[Array, Array, Array]:
        """``r^2``, ``r E[v | r]`` and ``E[v v^T | r]``, flat and times the weights of the residuals."""
        law, (first, second) = self.batch.whole, self.moments
        weights = law.weights[:, None]
        return (
            law.weights * law.r**2,
            weights * law.r[:, None] * first,
            weights * second.reshape(law.r.size, -1),
        )

    @cached_property
    def _moments(self) -> Array:
        """Moments of ``v`` and ``r`` times the weights of the residuals, ``(n_r, n_v + 1, n_v + 1)``."""
        square, first, second = self._weighted
        size = first.shape[1]
        found = np.empty((square.size, size + 1, size + 1))
        found[:, :size, :size] = second.reshape(-1, size, size)
        found[:, :size, size] = found[:, size, :size] = first
        found[:, size, size] = square
        return found

    def response(self, state: LevelState) -> Values:
        """``D^T Y_V D`` along the frame on the nodes of a pencil, shape ``(1 + r, A, 1 + r, A)``."""
        return self.growth(state).response

    def along_frame(self, y: Values) -> Values:
        """Matrix between nodes and directions along the frame, from ``(A n_v,) * 2`` to that shape."""
        n_v, frame = self.levels.size, self.frame
        a = y.shape[0] // n_v
        right = (y.reshape(-1, n_v) @ frame).reshape(a, n_v, -1)
        return np.asarray((frame.T @ right).reshape(a, frame.shape[1], a, -1).transpose(1, 0, 3, 2))

    @cached_property
    def pencil(self) -> Pencil:
        """The pencil on all nodes."""
        return Pencil(self.batch)

    @cached_property
    def own_growth(self) -> Array:
        """``D^T X_V D`` of each neuron without coupling, shape ``(n_a, 1 + r, 1 + r)``."""
        return np.asarray(self.frame.T @ self.free_growth @ self.frame)

    @cached_property
    def free_growth(self) -> Array:
        """``X_V`` of each neuron without coupling, shape ``(n_a, n_v, n_v)``."""
        return self._free_growth(self.pencil)

    def _free_growth(self, pencil: Pencil) -> Array:
        apart = pencil.apart
        return np.asarray(self._grown(apart.m, apart.whole, 1, pencil.blocks)[0])

    def free_response(self, pencil: Pencil) -> Array:
        """`response` on the nodes of a pencil without coupling."""
        own = self.own_growth
        if pencil is not self.pencil:
            own = self.frame.T @ self._free_growth(pencil) @ self.frame
        a, count = own.shape[:2]
        found, nodes = np.zeros((count, a, count, a)), np.arange(a)
        found[:, nodes, :, nodes] = own
        return found


@dataclass(frozen=True, eq=False)
class Growth:
    """How rows grow along ``V`` where a pencil is.

    Attributes
    ----------
    special, state
        The directions, and where the pencil is.
    x
        ``X_V``, shape ``(A n_v, A n_v)``, node before direction.
    scale, back
        What takes a vector to the blocks of the pencil: to the first one, and minus to the second.
    first
        ``E[Om r v]`` over the samples, shape ``(B n_v, B)``, and a matrix of their response along the learnt
    middle
        direction.
    """

    special: SpecialDirections
    state: LevelState
    x: Values
    scale: Values
    back: Values
    first: Values
    middle: Values

    @cached_property
    def _rest(self) -> Values:
        """``(1 + K X_V)^{-1}``."""
        x = self.x
        pushed = (self.state.k @ x.reshape(self.state.pencil.nodes, -1)).reshape(x.shape)
        return np.asarray(np.linalg.inv(np.eye(x.shape[0]) + pushed))

    @cached_property
    def response(self) -> Values:
        """``D^T Y_V D`` along the frame on the nodes of a pencil, shape ``(1 + r, A, 1 + r, A)``."""
        return self.special.along_frame(self.x @ self._rest)

    def gradient(self, vector: Array) -> tuple[Array, Array]:
        """Derivatives of the quadratic form of a vector in the response, in ``K`` and in ``Nu``.

        The vector has shape ``(1 + r, A)``.
        """
        special, state, batch = self.special, self.state, self.special.batch
        pencil, a, n_v = state.pencil, state.pencil.nodes, special.levels.size
        through = self._rest @ (vector.T @ special.frame.T).ravel()
        image = (self.x @ through).reshape(a, n_v)
        by_coupling = -image @ image.T
        if not pencil.blocks:
            return by_coupling, np.zeros_like(state.m)
        # On the blocks, and how the learnt direction adds to it.
        seen = np.concatenate([self.scale * through, -self.back @ through]).reshape(-1, n_v)
        learnt = self.middle @ (self.first.T @ seen.ravel())
        both = np.column_stack([seen, state.m @ learnt])
        by_sample = state.whole @ both
        by_m = np.tensordot(by_sample @ special._moments, by_sample, axes=((0, 2), (0, 2)))
        by_m = batch.energy / batch.phi * np.outer(learnt, learnt) - batch.phi * by_m
        source, green = state.source, state.green
        by_coupling = by_coupling + pencil.mean(np.swapaxes(source, 1, 2) @ by_m @ source)
        return by_coupling, -pencil.mean(np.swapaxes(green, 1, 2) @ by_m @ green)
