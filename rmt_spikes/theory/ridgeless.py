"""The limit of a vanishing ridge, on both sides of interpolation (docs/theory.md section 4)."""

from __future__ import annotations

from dataclasses import replace

from rmt_spikes.errors import DomainError
from rmt_spikes.setting import Setting
from rmt_spikes.theory.results import Losses

RIDGELESS = 1e-60
"""Ridge that stands for zero. The equations scale with it: ``R`` grows like its inverse where there are more
samples than neurons, ``omega`` falls like it, and what it changes beside that is below rounding."""


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
