"""What a trial needs of a setting, worked out once."""

import math
from dataclasses import dataclass
from typing import Literal, Protocol, Self

from rmt_spikes.functions.scalar import ScalarFunction
from rmt_spikes.functions.teacher import Teacher
from rmt_spikes.setting import Setting
from rmt_spikes.simulation.network.inputs import InputSpace


class Regression(Protocol):
    """What a trial needs to know of its ridge regression: `Model` in part."""

    @property
    def n_ridge(self) -> int: ...  # noqa: D102

    @property
    def ridge(self) -> float: ...  # noqa: D102

    @property
    def readout(self) -> str: ...  # noqa: D102


@dataclass(frozen=True, kw_only=True)
class Model:
    """Sizes, functions and numbers of one network and its training (docs/theory.md section 1).

    The activation is centred if the setting says so; all that is not listed is named as in `Setting`.

    Attributes
    ----------
    teacher : Teacher
        Labels as a function of the directions.
    inputs : InputSpace
        Coordinates of the inputs.
    slope : float
        Mean slope of the activation of a neuron before the step.
    step : float
        Step size ``eta``.
    output_factor : float
        `varsigma`, the factor in front of the network output.
    """

    n: int
    n_ridge: int
    d: int
    width: int
    activation: ScalarFunction
    teacher: Teacher
    inputs: InputSpace
    slope: float
    noise_std: float
    step: float
    ridge: float
    readout: Literal["gaussian", "rademacher", "constant"]
    output_factor: float
    second_batch: Literal["fresh", "same"]
    row_norm: float
    sign_labels: bool

    @classmethod
    def of(cls, setting: Setting) -> Self:
        """Work out what a setting says."""
        numbers = ("n", "n_ridge", "d", "width", "noise_std", "step", "ridge", "row_norm")
        others = ("readout", "second_batch", "teacher", "sign_labels")
        return cls(
            **{name: getattr(setting, name) for name in (*numbers, *others)},
            activation=setting.neuron_function,
            inputs=InputSpace.of(setting),
            slope=float(setting.activation_expansion.coefficients[1]) / setting.row_norm,
            output_factor=1.0 / math.sqrt(setting.width) if setting.output_scale == "mean_field" else 1.0,
        )
