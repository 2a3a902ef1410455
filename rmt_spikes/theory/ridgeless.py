"""Vanishing ridges: their limit on both sides of interpolation, and features that lack rank.

docs/theory.md section 4.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rmt_spikes.errors import DomainError
from rmt_spikes.setting import Setting
from rmt_spikes.theory.results import Losses, SignError

RIDGELESS = 1e-60
"""Ridge that stands for zero. The equations scale with it: ``R`` grows like its inverse where there are more
samples than neurons, ``omega`` falls like it, and what it changes beside that is below rounding."""

LARGER = 0.01, 4
"""Least ridge at which losses are computed of features that lack rank, in their least nonzero eigenvalue, and
the number of its multiples that they are extrapolated from: what is left out is of the order 1e-7 of them."""


SOLVED = 1e-7
"""To what of the objective losses are solved for at these ridges, at worst: in few dimensions the degrees of
freedom settle to it."""


def positive_ridge(setting: Setting) -> float:
    """The ridge of a setting, or one that stands for zero."""
    return setting.ridge or RIDGELESS


def refuse_without_ridge(setting: Setting, purpose: str) -> None:
    """Refuse, with a `DomainError`, a ridge of zero."""
    if setting.ridge == 0.0:
        raise DomainError("ridge", f"must be above 0 for {purpose}", setting.ridge)


def require_finite_losses(setting: Setting) -> None:
    """Refuse settings without a ridge whose losses have no limit, or none that is known.

    Raises
    ------
    DomainError
        Where samples are as many as neurons, so that the test loss diverges, and where the features of a
        linear activation lack rank on both sides.
    """
    if setting.ridge > 0.0:
        return
    purpose = "losses"
    if setting.width == setting.n_ridge:
        purpose = "losses where width and n_ridge are equal: the test loss diverges"
    elif setting.activation_expansion.tail == 0.0 and setting.d <= min(setting.width, setting.n_ridge):
        purpose = "losses of a linear activation in dimensions of width and n_ridge at most"
    else:
        return
    refuse_without_ridge(setting, purpose)


def fits_all(setting: Setting) -> bool:
    """Whether every sample is fitted: there is no ridge, and there are more neurons than samples."""
    return setting.ridge == 0.0 and setting.width > setting.n_ridge


def in_the_limit(losses: Losses[float], setting: Setting) -> Losses[float]:
    """Losses, exact where the limit of a vanishing ridge is: nothing is left of samples that are fitted.

    With more samples than neurons the penalty vanishes, and the objective is the training loss.
    """
    if setting.ridge > 0.0:
        return losses
    fitted = 0.0 if fits_all(setting) else losses.objective
    return replace(losses, objective=fitted, train=fitted)


def least_eigenvalue(setting: Setting) -> float | None:
    """Lower bound on the nonzero eigenvalues of features that lack rank; None where they do not.

    A polynomial of degree one or two makes features of as few dimensions as there are monomials. Their
    covariances over samples and over neurons are Wishart matrices.
    """
    expansion, d = setting.activation_expansion, setting.d
    square = 2.0 * expansion.coefficients[2] ** 2
    if expansion.tail - square > 1e-13 * expansion.second_moment:
        return None
    energies = {d: expansion.linear**2, d * (d + 1) // 2 - 1: square if expansion.tail > 0.0 else 0.0}
    shares = {size: energy for size, energy in energies.items() if size > 0 and energy > 0.0}
    rank = sum(shares)
    if not shares or rank >= min(setting.width, setting.n_ridge):
        return None
    least = 1.0 if setting.inputs is None else float(np.min(setting.inputs.eigenvalues)) ** len(shares)
    gaps = [(1.0 - math.sqrt(rank / count)) ** 2 for count in (setting.width, setting.n_ridge)]
    return least * setting.width * min(energy / size for size, energy in shares.items()) * math.prod(gaps)


def larger_ridges(setting: Setting) -> tuple[float, ...]:
    """Ridges from which losses are extrapolated to a smaller one; none where they need not be.

    Features that lack rank leave eigenvalues of the size of the ridge beside others of their own: differences
    lose digits, as the square of the ratio. Below all of the others losses are analytic in the ridge.
    """
    least = least_eigenvalue(setting)
    share, count = LARGER
    if least is None or setting.ridge == 0.0 or setting.ridge >= share * least:
        return ()
    return tuple(share * least * k for k in range(1, count + 1))


def _weights(ridges: Sequence[float], ridge: float) -> list[float]:
    """Weights of values at some ridges in the polynomial through them, at another one."""
    return [math.prod((ridge - y) / (x - y) for y in ridges if y != x) for x in ridges]


def extrapolation_error(ridges: Sequence[float], ridge: float) -> float:
    """Error of extrapolated losses over the objective at the largest of the ridges."""
    return SOLVED * sum(map(abs, _weights(ridges, ridge)))


def extrapolated(losses: Sequence[Losses[float]], ridges: Sequence[float], ridge: float) -> Losses[float]:
    """Losses at a ridge, from those at larger ones, by the polynomial through them.

    It goes through the training loss, the test loss, classification errors and the squared norm of the
    weights: the objective is above the training loss by the ridge times that. Losses that vanish with the
    ridge come out as zero to 1e-7 of those at the larger ridges; below zero they are zero.
    """
    nodes, weights = np.asarray(ridges), _weights(ridges, ridge)

    def at(values: Sequence[float]) -> float:
        return float(np.dot(weights, values))

    train = max(0.0, at([each.train for each in losses]))
    norm = at([(each.objective - each.train) / x for each, x in zip(losses, nodes, strict=True)])
    signs = [each.sign_error for each in losses if each.sign_error is not None]
    return Losses(
        objective=train + ridge * norm,
        train=train,
        test=max(0.0, at([each.test for each in losses])),
        sign_error=None
        if not signs
        else SignError(train=at([each.train for each in signs]), test=at([each.test for each in signs])),
    )
