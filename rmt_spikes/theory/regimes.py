"""Regimes of the step size, and the degrees that make spikes in each (docs/theory.md section 6)."""

from __future__ import annotations

import math
from typing import Any

from rmt_spikes.arguments import number
from rmt_spikes.setting import Setting
from rmt_spikes.theory.quadrature_rules import readout_law
from rmt_spikes.theory.results import Regime

MAXIMUM_DEGREE = 50
"""Largest degree of a regime: its Gram matrix is solved in about 50 more digits than asked for."""

LAST_EXPONENT = 0.49
"""Step exponent whose regime has degree 49, the last below `MAXIMUM_DEGREE`."""


def regime_degree(step_exponent: float) -> int | None:
    """Regime of a step exponent.

    Parameters
    ----------
    step_exponent
        ``alpha`` in ``step_size = n ** alpha``.

    Returns
    -------
    int or None
        ``l`` with ``(l - 1) / (2 l) < alpha <= l / (2 l + 2)``, 0 for ``alpha <= 0``, None from 1/2 on and
        for an exponent that is not defined (``nan``, a step size at ``n = 1``).

    Raises
    ------
    DomainError
        For what is no number.

    Notes
    -----
    docs/theory.md section 6. A bound that is met to 12 digits counts as met, so that ``n ** 0.4`` is in
    the regime of 0.4.
    """
    if not _is_nan(step_exponent):
        number("step_exponent", step_exponent, -math.inf, math.inf, "must be a number")
    if math.isnan(step_exponent) or step_exponent >= 0.5 - 1e-12:
        return None
    if step_exponent <= 1e-12:
        return 0
    return math.ceil(2.0 * step_exponent / (1.0 - 2.0 * step_exponent) - 1e-9)


def _is_nan(given: Any) -> bool:
    return isinstance(given, float) and math.isnan(given)


def spike_degrees(setting: Setting, degree: int) -> list[int]:
    """Degrees up to that of a regime whose monomials make a spike of their own as ``n`` grows.

    These are the ``k``, 0 included when the activation has a mean, for which ``c_k`` is not zero and
    ``alpha^k`` is linearly independent of the powers before it: a Rademacher readout has two, a constant one.
    """
    activation = setting.activation_expansion
    tiny = 1e-10 * math.sqrt(activation.second_moment)
    rank = readout_law(setting.readout).rank
    seen: set[int] = set()
    degrees = []
    for k in range(degree + 1):
        if abs(activation.coefficients[k]) * math.sqrt(math.factorial(k)) <= tiny:
            continue
        power = k if rank is None else k % rank
        if power not in seen:
            seen.add(power)
            degrees.append(k)
    return degrees


def regime(setting: Setting) -> Regime:
    """Regime of the step size of a setting."""
    degree = regime_degree(setting.exponent)
    known = degree is not None and degree < setting.activation_expansion.coefficients.size
    count = sum(k > 0 for k in spike_degrees(setting, degree)) if known and degree is not None else None
    return Regime(step_exponent=setting.exponent, degree=degree, spike_count=count)
