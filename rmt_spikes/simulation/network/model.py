"""What a trial needs of a setting, worked out once."""

import math
from dataclasses import dataclass
from typing import Literal, Protocol, Self

from rmt_spikes.errors import DomainError
from rmt_spikes.functions.scalar import ScalarFunction
from rmt_spikes.setting import Setting


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
    target : ScalarFunction
        Link function of the labels.
    slope : float
        ``c_1`` of the activation.
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
    target: ScalarFunction
    slope: float
    noise_std: float
    step: float
    ridge: float
    readout: Literal["gaussian", "rademacher", "constant"]
    output_factor: float
    second_batch: Literal["fresh", "same"]

    @classmethod
    def of(cls, setting: Setting) -> Self:
        """Work out what a setting says."""
        if setting.teacher.directions > 1 or setting.inputs is not None or setting.row_norm != 1:
            raise DomainError(
                "setting", "must have one direction, isotropic inputs and rows of norm 1", setting
            )
        same = ("n", "n_ridge", "d", "width", "noise_std", "step", "ridge", "readout", "second_batch")
        return cls(
            **{name: getattr(setting, name) for name in same},
            activation=setting.activation_function,
            target=setting.target_function,
            slope=float(setting.activation_expansion.coefficients[1]),
            output_factor=1.0 / math.sqrt(setting.width) if setting.output_scale == "mean_field" else 1.0,
        )
