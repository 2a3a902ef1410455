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
        for name in ("moments", "frame", "coherent", "_weighted"):
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
        batch, sight = self.batch, self._of_all(self.batch.sight)
        h = batch.whole.mean(batch.whole.r[:, None, None] * self.moments[1])
        steps = (batch.curvature * batch.law.nodes)[:, None, None]
        growth = np.diag(np.sqrt(self._of_all(batch.seen)))
        growth = growth + steps * (sight[:, None] * h * np.sqrt(self.levels))
        return np.asarray(self.frame.T @ growth @ self.frame)

    def growth(self, state: LevelState) -> Values:
        """``X_V`` where a pencil is, shape ``(A n_v, A n_v)``, node before direction."""
        pencil, m, levels = state.pencil, state.m, self.levels
        a = pencil.nodes
        n_v = levels.size
        x = np.diag(np.tile(self._of_all(self.batch.seen), a)).astype(m.dtype)
        if not pencil.blocks:
            return x
        batch, n_b, (weights, first, second) = self.batch, pencil.blocks * a, self._weighted
        om = state.whole.reshape(weights.size, -1).T
        av = np.swapaxes((om @ second).reshape(n_b, n_b, n_v, n_v), 1, 2)
        c = np.swapaxes((om @ first).reshape(n_b, n_b, n_v), 1, 2).reshape(n_b * n_v, n_b)
        square = (om @ weights).reshape(n_b, n_b)
        middle = batch.phi * m @ np.linalg.inv(batch.energy * np.eye(n_b) - batch.phi * square @ m)
        # A response is symmetric.
        av = av + (c @ middle @ c.T).reshape(n_b, n_v, n_b, n_v)
        av = av.reshape(pencil.blocks, a * n_v, pencil.blocks, a * n_v)
        scale = np.tile(self._of_all(batch.sight), a)
        x = x + scale[:, None] * av[0, :, 0] * scale
        if pencil.blocks == 2:
            root = np.sqrt(np.tile(levels, a))
            e = root[:, None] * av[1, :, 1] * root - np.eye(scale.size)
            left = scale[:, None] * av[0, :, 1] * root
            x = x - left @ np.linalg.solve(e, root[:, None] * av[1, :, 0] * scale)
        return np.asarray(x)

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

    def response(self, state: LevelState) -> Values:
        """``D^T Y_V D`` along the frame on the nodes of a pencil, shape ``(1 + r, A, 1 + r, A)``."""
        x = self.growth(state)
        pushed = (state.k @ x.reshape(state.pencil.nodes, -1)).reshape(x.shape)
        return self._along_frame(x @ np.linalg.inv(np.eye(x.shape[0]) + pushed))

    def _along_frame(self, y: Values) -> Values:
        """Matrix between nodes and directions along the frame, from ``(A n_v,) * 2`` to that shape."""
        n_v, frame = self.levels.size, self.frame
        a = y.shape[0] // n_v
        right = (y.reshape(-1, n_v) @ frame).reshape(a, n_v, -1)
        return np.asarray((frame.T @ right).reshape(a, frame.shape[1], a, -1).transpose(1, 0, 3, 2))

    @cached_property
    def free_response(self) -> Array:
        """`response` on all nodes without coupling."""
        return self._along_frame(self.free_growth)

    @cached_property
    def pencil(self) -> Pencil:
        """The pencil on all nodes."""
        return Pencil(self.batch)

    @cached_property
    def own_growth(self) -> Array:
        """``D^T X_V D`` of each neuron without coupling, shape ``(n_a, 1 + r, 1 + r)``."""
        a, n_v = self.batch.law.nodes.size, self.levels.size
        growth = self.free_growth.reshape(a, n_v, a, n_v)
        return np.asarray(np.einsum("vi,avaw,wj->aij", self.frame, growth, self.frame))

    @cached_property
    def free_growth(self) -> Array:
        """`growth` on all nodes without coupling."""
        return np.asarray(self.growth(self.pencil.uncoupled))
