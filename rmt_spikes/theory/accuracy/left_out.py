"""What the equations leave out, one row each: how its size scales, and how much of it a number shows."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from rmt_spikes.setting import Setting
from rmt_spikes.theory.accuracy.sensitivity import sensitivity
from rmt_spikes.theory.features import Features
from rmt_spikes.theory.latent import latent
from rmt_spikes.theory.limits import limit_losses
from rmt_spikes.theory.methods.base import Method
from rmt_spikes.theory.methods.closed_form import ClosedForm
from rmt_spikes.theory.methods.limit import Limit
from rmt_spikes.theory.methods.one_batch.solution import OneBatch
from rmt_spikes.theory.methods.uniform.solution import Uniform
from rmt_spikes.theory.population.coverage import is_plain
from rmt_spikes.theory.population.labels import labels_of
from rmt_spikes.theory.population.levels import levels_of
from rmt_spikes.theory.quadrature_rules import gaussian_draws
from rmt_spikes.theory.results import LOSSES

NODES = 64
"""Of the rule for moments: a kurtosis to a few per cent, also with a corner."""

KEPT = 64
"""Settings whose moments are kept: each kind of number of a prediction asks for them."""

PRESENT = 1e-6
"""Share of the energy of a function above which it has a part of a degree."""


@dataclass(frozen=True)
class LeftOut:
    """Something that the equations leave out.

    Parameters
    ----------
    reason
        What it is, as the end of a sentence.
    name
        In a word or two, for the table of `tests/theory/error_bars.py`.
    size
        Its scale in a setting that a method predicts, zero where there is nothing to leave out.
    losses, spikes, bulk
        Relative error of losses, of singular values of spikes and of quantiles per unit of `size`.
    of_losses
        Its scale in each loss, where that is not `size`.
    apart
        Whether it is apart from that table: left out by other methods than the uniform one, or of teachers
        with several directions and inputs with a covariance.
    """

    reason: str
    name: str
    size: Callable[[Method], float]
    losses: float
    spikes: float
    bulk: float
    apart: bool = False
    of_losses: Callable[[Method], dict[str, float]] | None = None


def _always(method: Method) -> float:
    return 1.0


def _few_entries(method: Method) -> float:
    """Kurtosis of the features over the number of rows or columns, whichever is smaller."""
    return _kurtosis_over_size(method.setting, method.features)


@lru_cache(maxsize=KEPT)
def _kurtosis_over_size(setting: Setting, features: Features) -> float:
    variables = latent(setting, features)
    nodes, weights = gaussian_draws(setting.n_ridge * setting.width, NODES)
    scale = math.sqrt(1.0 + variables.inflation + variables.shift**2)
    values = setting.activation_function(scale * nodes)
    values = values - weights @ values
    kurtosis = float(weights @ values**4 / (weights @ values**2) ** 2)
    return kurtosis / min(setting.n_ridge, setting.width)


def _answers_to_large_entries(method: Method) -> dict[str, float]:
    """What each loss answers to features with more kurtosis than Gaussian ones have."""
    kurtosis = _few_entries(method) * min(method.setting.n_ridge, method.setting.width)
    excess = max(0.0, kurtosis / 3.0 - 1.0)
    return {name: excess * size for name, size in _answers(method).items()}


def _nothing(method: Method) -> float:
    return 0.0


def _answers(method: Method) -> dict[str, float]:
    """Change of each loss by one sample and one neuron."""
    return sensitivity(method.setting)


def _few_labels(method: Method) -> float:
    """Kurtosis of the labels over the number of samples."""
    return _labels_over_size(method.setting)


@lru_cache(maxsize=KEPT)
def _labels_over_size(setting: Setting) -> float:
    teacher, noise = labels_of(setting), setting.noise_std**2
    nodes, weights = gaussian_draws(setting.n, NODES)
    nodes, weights = (nodes[None], weights) if teacher.directions == 1 else teacher.points
    values = teacher(nodes)
    second, fourth = weights @ values**2, weights @ values**4
    fourth += 6.0 * noise * second + 3.0 * noise**2
    return float(fourth / (second + noise) ** 2 / min(setting.n, setting.n_ridge))


def _dimensions(method: Method) -> float:
    """Dimensions in which norms of isotropic inputs would fluctuate as much."""
    return method.setting.d / levels_of(method.setting).power(2.0)


def _higher_degrees(method: Method) -> float:
    return 1.0 / _dimensions(method) ** 2


def _degree_three(method: Method) -> float:
    return 0.0 if is_plain(method.setting) else _higher_degrees(method)


def _linear_norms(method: Method) -> float:
    if is_plain(method.setting):
        return 0.0
    return method.setting.theta * (1.0 + method.setting.theta) / _dimensions(method) ** 2


def _initial_output(method: Method) -> float:
    theta = method.setting.theta
    return theta * (1.0 + theta) if method.setting.output_scale == "standard" else 0.0


def _follows_the_step(method: Method) -> bool:
    """Whether the bulk of a method is that of the trained features."""
    return isinstance(method, Uniform | OneBatch)


def _untrained_bulk(method: Method) -> float:
    if _follows_the_step(method):
        return 0.0
    return min(1.0, abs(latent(method.setting, method.features).shift))


def _quadratic_rows(method: Method) -> float:
    quadratic = _share(method.setting, "activation") > PRESENT
    return _untrained_bulk(method) if quadratic and method.setting.readout != "gaussian" else 0.0


def _degree_two(method: Method) -> float:
    return 0.0 if _follows_the_step(method) else math.sqrt(_noise_of_degree_two(method))


def _noise_of_degree_two(method: Method) -> float:
    """Samples for each function of degree two, up to one, where activation and target have that degree."""
    setting = method.setting
    if min(_share(setting, "activation"), _share(setting, "target")) < PRESENT:
        return 0.0
    return min(1.0, 2.0 * setting.n_ridge / setting.d**2)


def _one_batch(method: Method) -> float:
    return 1.0 / method.setting.n if isinstance(method, OneBatch) and method.setting.theta > 0.0 else 0.0


def _one_batch_degree_two(method: Method) -> float:
    return _noise_of_degree_two(method) if isinstance(method, OneBatch) else 0.0


def _one_batch_labels(method: Method) -> float:
    """Kurtosis of the labels over the number of samples, times the share of the step in a pre-activation."""
    if not isinstance(method, OneBatch):
        return 0.0
    inflation = latent(method.setting, method.features).inflation
    return _labels_over_size(method.setting) * inflation / (1.0 + inflation)


def _few_nodes(method: Method) -> float:
    return method.spectrum.lost_coupling if isinstance(method, Uniform) else 0.0


def _share(setting: Setting, name: str) -> float:
    """Share of degree two in the energy of a function of a setting."""
    expansion = getattr(setting, f"{name}_expansion")
    return float(2.0 * expansion.coefficients[2] ** 2 / expansion.second_moment)


def _finite_size(method: Method) -> float:
    if not isinstance(method, Limit):
        return 0.0
    here = ClosedForm(method.setting, method.features).losses()
    limit = limit_losses(method.setting, method.features.limit)
    pairs = ((float(getattr(here, name)), float(getattr(limit, name))) for name in LOSSES)
    return max(abs(one / other - 1.0) for one, other in pairs if other > 0.0)


LEFT_OUT = (
    LeftOut("terms of higher order", "always", _always, 0.0023, 0.0044, 0.0),
    LeftOut(
        "few samples or neurons have large features",
        "few_entries",
        _few_entries,
        0.36,
        0.9,
        0.39,
        of_losses=_answers_to_large_entries,
    ),
    LeftOut(
        "losses answer much to single samples and neurons",
        "proportions",
        _nothing,
        0.66,
        0.0,
        0.0,
        of_losses=_answers,
    ),
    LeftOut("few samples have large labels", "few_labels", _few_labels, 0.46, 0.0, 0.26),
    LeftOut("higher degrees are learnt in few dimensions", "higher_degrees", _higher_degrees, 7.7, 0.0, 14.0),
    LeftOut(
        "the initial output is kept to first orders", "initial_output", _initial_output, 0.093, 0.0, 0.098
    ),
    LeftOut("degree three is taken for noise", "degree_three", _degree_three, 24.0, 0.0, 14.0, True),
    LeftOut("norms are linearised in few dimensions", "linear_norms", _linear_norms, 20.0, 7.0, 20.0, True),
    LeftOut("the bulk is that of untrained features", "untrained_bulk", _untrained_bulk, 0.2, 0.1, 0.3, True),
    LeftOut("rows grow more in some directions", "quadratic_rows", _quadratic_rows, 0.4, 0.1, 0.3, True),
    LeftOut("degree two is taken for noise", "degree_two", _degree_two, 0.5, 0.1, 0.1, True),
    LeftOut("step and regression share few samples", "one_batch", _one_batch, 10.0, 10.0, 6.0, True),
    LeftOut(
        "degree two of the step is taken for noise",
        "one_batch_two",
        _one_batch_degree_two,
        0.04,
        0.1,
        0.1,
        True,
    ),
    LeftOut(
        "few labels make up most of the step", "one_batch_labels", _one_batch_labels, 5.0, 0.0, 0.0, True
    ),
    LeftOut("the density has few readout nodes", "few_nodes", _few_nodes, 0.0, 0.0, 3.0, True),
    LeftOut("the size is finite", "finite_size", _finite_size, 1.0, 0.0, 0.0, True),
)
"""What is left out. Coefficients of the uniform method are those of `tests/theory/error_bars.py --fit`, two
digits rounded up; those of other methods were set by comparison with it, over the same settings, and that of
several directions and covariances by 20 simulated settings in 30 to 500 dimensions."""
