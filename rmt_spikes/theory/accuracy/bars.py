"""Parts of a prediction with their error bars."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from scipy.special import ndtri

from rmt_spikes.errors import warn_of_accuracy
from rmt_spikes.theory.accuracy.concentration import concentration
from rmt_spikes.theory.accuracy.left_out import LEFT_OUT
from rmt_spikes.theory.accuracy.sensitivity import untrained_losses
from rmt_spikes.theory.features import Features
from rmt_spikes.theory.methods.base import Method
from rmt_spikes.theory.results import LOSSES, LossErrors, Losses, SignErrorBars, Spike
from rmt_spikes.theory.ridgeless import extrapolation_error, require_finite_losses

LARGE = 0.05
"""Relative error bar from which a prediction warns: margins of most comparisons are as wide."""

EDGE_SHARE = 0.5
"""Share of the fluctuations of the edge, over the distance from it in their unit, that moves a spike."""

SIGN_SHARE = 2.0
"""Relative error of the mean of a score in units of its standard deviation, over that of the loss: half of
the loss over the variance of the score if all the error is in that. Set by simulation (docs/accuracy.md)."""

VECTOR_SHARE = 0.125
"""Relative error of a spike over its concentration on few samples and neurons: the mean of a root is below
the root of the mean by an eighth of its relative variance."""

EDGE = "it is next to the edge of the bulk"


def losses_of(method: Method) -> Losses[Any]:
    """Losses with their error bars.

    Raises
    ------
    DomainError
        Without a ridge where they have no limit.
    """
    require_finite_losses(method.setting)
    return with_bars(method, method.all_losses())


def with_bars(method: Method, losses: Losses[Any]) -> Losses[Any]:
    """Losses that a method predicts, or that are interpolated, with their error bars."""
    if method.features is not Features.CORRECTED:
        return losses
    sizes = {name: sum(each.values()) for name, each in _sizes_of_losses(method, losses).items()}
    floor = floor_of_losses(method)
    shown = {name: sizes[name] * float(getattr(losses, name)) + floor for name in LOSSES}
    signs = losses.sign_error
    if signs is not None:
        bars = {name: of_sign_error(getattr(signs, name), sizes[name]) for name in ("train", "test")}
        signs = replace(signs, error=SignErrorBars(**bars))
    return replace(losses, error=LossErrors(**shown), sign_error=signs)


def floor_of_losses(method: Method) -> float:
    """Absolute error of losses that are extrapolated from larger ridges, as far as these are solved for.

    Of the objective at the largest of them, which is at most that of untrained features. Losses that vanish
    with the ridge are not known better.
    """
    ridges = [each.setting.ridge for each in method.at_larger_ridges]
    if not ridges:
        return 0.0
    highest = untrained_losses(method.at_larger_ridges[-1].setting)["objective"]
    return extrapolation_error(ridges, method.setting.ridge) * highest


def of_sign_error(share: float, relative: float) -> float:
    """Error bar of a classification error from the relative one of the loss of the same samples.

    A label is missed with the probability ``Phi(-x)``, ``x`` the mean of its score in units of the standard
    deviation: an error of ``x`` moves that by ``phi(x)`` times it. One ``x`` stands for all samples.

    Where nothing is learnt ``x`` is zero, not its error: the loss of labels -1 and 1 is then ``1 + v`` with
    the variance ``v`` of the score, and if all of its error is in the mean, ``x`` is off by
    ``(1 + v) / (2 sqrt(v))`` times the relative one, which is at least once that.
    """
    x = float(ndtri(share)) if share > 0.0 else 0.0
    density = math.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi)
    return max(SIGN_SHARE * abs(x), 1.0) * relative * density if share > 0.0 else 0.0


def of_train(losses: Losses[Any]) -> float:
    """Factor from the relative error of the objective to that of the training loss.

    One where they are the same, two where the training loss is far smaller: measured, as in
    `validation/reports/error_bars.md`.
    """
    return 2.0 - float(losses.train) / float(losses.objective) if losses.objective > 0.0 else 1.0


def spikes_of(method: Method) -> tuple[Spike[Any], ...]:
    """Spikes with the error bars of their singular values."""
    spikes, size = method.spikes()[: method.most_spikes], relative(method, "spikes")
    if size is None:
        return spikes
    return tuple(replace(spike, error=_of_spike(method, spike, size)) for spike in spikes)


def _of_spike(method: Method, spike: Spike[Any], size: float) -> float:
    """Error bar of a spike: what all have in common, what few samples and neurons do to it, and the edge."""
    size += VECTOR_SHARE * of_vectors(method, spike)
    return size * float(spike.singular_value) + EDGE_SHARE * of_edge(method, spike)


def of_vectors(method: Method, spike: Spike[Any]) -> float:
    """How few samples and neurons carry a spike."""
    return concentration(method.setting, spike.feature, spike.right_feature)


def of_edge(method: Method, spike: Spike[Any]) -> float:
    """How far the edge pushes a spike: like its own fluctuations squared over the distance."""
    return method.upper_edge()[1] / float(spike.distance)


def bulk_of(method: Method) -> Any:
    """Bulk with the error bar of its quantiles."""
    return replace(method.bulk, error=relative(method, "bulk"))


def relative(method: Method, kind: str) -> float | None:
    """Relative error bar of spikes or of the bulk; None for features that leave something out on purpose."""
    if method.features is not Features.CORRECTED:
        return None
    return sum(_sizes(method, kind).values())


def _sizes(method: Method, kind: str) -> dict[str, float]:
    """Contributions to the relative error of a kind of number, by their reasons, which several may share."""
    sizes: dict[str, float] = {}
    for each in LEFT_OUT:
        share, own = float(getattr(each, kind)), kind == "losses" and each.of_losses is not None
        if share > 0.0 and not own:
            sizes[each.reason] = sizes.get(each.reason, 0.0) + share * each.size(method)
    return sizes


def _sizes_of_losses(method: Method, losses: Losses[Any]) -> dict[str, dict[str, float]]:
    """The same for each loss: some differ between losses, of the others the training loss shows more."""
    common = _sizes(method, "losses")
    found = {name: dict(common) for name in LOSSES}
    found["train"] = {reason: of_train(losses) * size for reason, size in common.items()}
    for each in LEFT_OUT:
        if each.of_losses is not None:
            for name, size in each.of_losses(method).items():
                found[name][each.reason] = found[name].get(each.reason, 0.0) + each.losses * size
    return found


def warn_if_large(method: Method, part: str, value: Any) -> None:
    """Warn if an error bar of a part exceeds 5 % of its number.

    Warns
    -----
    AccuracyWarning
        With the largest contribution.
    """
    bars = _relative_bars(part, value)
    name = max(bars, key=lambda each: bars[each], default="")
    if not name or bars[name] <= LARGE:
        return
    own = part == "losses" and method.features is Features.CORRECTED
    sizes = _sizes_of_losses(method, value)[name.split()[0]] if own else _sizes(method, part)
    near = part == "spikes" and bars[name] > 2.0 * sum(sizes.values())
    reason = EDGE if near else max(sizes, key=lambda each: sizes[each])
    warn_of_accuracy(f"error bar above {100 * LARGE:.0f} % of {name}: {reason}")


def _relative_bars(part: str, value: Any) -> dict[str, float]:
    """Error bars of a part in units of their numbers, by name."""
    if part == "bulk":
        return {} if value.error is None else {"bulk": value.error}
    if part == "spikes":
        known = [(k, spike) for k, spike in enumerate(value, 1) if spike.error is not None]
        return {f"spike {k}": spike.error / float(spike.singular_value) for k, spike in known}
    if value.error is None:
        return {}
    numbers = ((f"{name} loss", float(getattr(value, name)), getattr(value.error, name)) for name in LOSSES)
    return {name: error / number for name, number, error in numbers if number > 0.0}
