"""Degree one with rows that a step moves along the learnt direction alone, as those of linear networks.

Without noise in the features the coupling grows like the inverse of the ridge, and ``Y`` times it loses as
many digits. Rows that do not grow are alike for all neurons, so the product is known on the side of the
samples, ``Y h = l h (1 + gamma l R h^T h)^{-1}`` averaged over the levels ``l`` of the inputs, where it loses
none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.theory.methods.uniform.channels import Response
from rmt_spikes.theory.methods.uniform.pencil.channel import PencilChannel
from rmt_spikes.theory.methods.uniform.pencil.levels import Pencil

Array = NDArray[np.float64]
Values = NDArray[Any]


@dataclass(frozen=True, eq=False)
class _StillResponse(Response):
    """The channel at one state, with ``w R`` and ``Y h``, shapes ``(n_q,)`` and ``(n_a, n_q)``."""

    samples: Values = field(kw_only=True)
    yh: Values = field(kw_only=True)

    @cached_property
    def hy(self) -> Values:
        return np.asarray(self.h * self.yh)


@dataclass(frozen=True, eq=False)
class StillChannel(PencilChannel):
    """The channel of degree one, with rows that no sample of the first batch makes grow."""

    def response(  # noqa: D102
        self, samples: Values, root: Values, previous: Response | None = None, *, fresh: bool = True
    ) -> Response:
        part = super().response(samples, root, previous, fresh=fresh)
        # Couplings are large at a small ridge, where all unknowns are positive.
        positive = np.isrealobj(part.k) and samples.min() > 0.0
        return self._on_samples(part, samples) if positive else part

    def _on_samples(self, part: Response, samples: Values) -> Response:
        h, batch = part.h, self.pencil.batch
        levels = batch.seen[:, None, None]
        inner = np.eye(samples.size) + levels * ((self.gamma * samples)[:, None] * (h.T @ h))
        rows = np.linalg.solve(np.swapaxes(inner, 1, 2), np.broadcast_to(h.T, (levels.size, *h.T.shape)))
        yh = np.tensordot(batch.proportions * batch.seen, rows, axes=1).T
        return _StillResponse(part.root, h, part.k, part.y, part.detail, part.defect, samples=samples, yh=yh)

    def of_neurons(self, part: Response) -> Values:  # noqa: D102
        if not isinstance(part, _StillResponse):
            return super().of_neurons(part)
        return np.asarray(np.sum(self.functions * part.samples * part.yh, axis=1) / part.root)


def degree_one(functions: Array, gamma: float, pencil: Pencil) -> PencilChannel:
    """The channel of degree one of a pencil; with one neuron nothing is lost in a product."""
    kind = PencilChannel if pencil.grows or functions.shape[0] == 1 else StillChannel
    return kind(functions, gamma, pencil)
