"""How much of the objective is left out."""

from __future__ import annotations

import math
from collections.abc import Callable

from rmt_spikes.setting import Setting
from rmt_spikes.theory.features import Rows
from rmt_spikes.theory.methods.uniform.pencil.rows import Terms

NEXT_ORDER, VANISHING = 0.2, 1e-12
"""Share of the terms of order ``1/d`` that those of the next order have without a step; coefficients below
which a function has no part of a degree."""


def neglected(setting: Setting, rows: Rows, change: Callable[..., float]) -> float:
    """Relative size of what is left out of the objective.

    Two parts: a share of what the kept terms of order ``1/d`` change, which grows with the step, for those of
    the next order; and the share ``6 n_ridge / d^3`` of a part of degree three that so many samples learn in
    so few dimensions. With rows to the first orders: what these change times `theta`, what a spread of the
    incoherent part of the gradient would change, and the share ``2 n_ridge / d^2`` of degree two. Not a
    proved bound: the tests hold it against simulations.

    Parameters
    ----------
    setting
        What is predicted.
    rows
        How the covariance of trained rows is treated.
    change
        Relative change of the objective with other `terms`, or another treatment of `rows`.
    """
    if rows is Rows.PENCIL:
        none = Terms(length=False, own=False, norm_mode=False, trace=False, degree_two=False)
        return _learnt_as_noise(setting, 3) + (NEXT_ORDER + setting.theta) * change(terms=none)
    few = _learnt_as_noise(setting, 2)
    if setting.theta == 0.0:
        return few
    return few + setting.theta * change(rows=Rows.ISOTROPIC) + change(rows=Rows.SPREAD)


def _learnt_as_noise(setting: Setting, degree: int) -> float:
    """Share of the labels' part of a degree that is learnt while the theory takes it for noise."""
    activation, target = setting.activation_expansion, setting.target_expansion
    both = activation.coefficients[degree] * target.coefficients[degree]
    share = math.factorial(degree) * setting.n_ridge / setting.d**degree
    return min(1.0, share) if abs(both) > VANISHING else 0.0
