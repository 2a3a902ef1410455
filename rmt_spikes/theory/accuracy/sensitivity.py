"""How far losses move when the proportions of a network move by one sample or one neuron."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache

from rmt_spikes.setting import Setting
from rmt_spikes.theory import formulas
from rmt_spikes.theory.bulk.equivalent import BulkEquivalent
from rmt_spikes.theory.population.labels import labels_of
from rmt_spikes.theory.results import LOSSES
from rmt_spikes.theory.ridgeless import positive_ridge

KEPT = 64
"""Settings whose sensitivities are kept: each loss of a prediction asks for its own."""

MOST = 10.0
"""Largest change of the logarithm of a loss that is told."""


@lru_cache(maxsize=KEPT)
def sensitivity(setting: Setting) -> dict[str, float]:
    """Relative change of each loss of untrained features by one sample, plus that by one neuron.

    What is left out of the resolvent is of the next order in ``1/n`` and ``1/N``, and losses answer to it as
    they do to a change of ``n_ridge`` or of ``width`` by one: for real Wishart matrices the mean trace of
    the inverse is exactly that of one dimension more. Next to interpolation they answer much.
    """
    bulk, moved = BulkEquivalent.of(setting), dict.fromkeys(LOSSES, 0.0)
    for samples, neurons in ((1.0 / setting.n_ridge, 0.0), (0.0, 1.0 / setting.width)):
        ends = [
            _untrained(
                setting,
                replace(
                    bulk,
                    ratio=bulk.ratio * math.exp(sign * (neurons - samples)),
                    gamma=bulk.gamma * math.exp(sign * neurons),
                ),
            )
            for sign in (-1.0, 1.0)
        ]
        for name, low, high in zip(LOSSES, *ends, strict=True):
            known = low > 0.0 and high > 0.0
            moved[name] += min(MOST, abs(math.log(high / low)) / 2.0) if known else MOST
    return moved


def untrained_losses(setting: Setting) -> dict[str, float]:
    """Losses of untrained features."""
    return dict(zip(LOSSES, _untrained(setting, BulkEquivalent.of(setting)), strict=True))


def _untrained(setting: Setting, bulk: BulkEquivalent) -> tuple[float, float, float]:
    """Losses of untrained features with some proportions."""
    labels, point = labels_of(setting), bulk.at_ridge(positive_ridge(setting))
    signal2 = labels.signal**2
    value = formulas.untrained_value(signal2, labels.energy, point.mu)
    loss = value - point.kappa * signal2 * point.mu_slope
    objective, train, test = formulas.losses(point.ridge, point.kappa, point.ridge_slope, value, loss)
    return float(objective), float(train), float(test)
