"""What is being predicted: a network, a gradient step and a ridge regression (docs/theory.md section 1)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from pydantic import (
    ValidationError,
    ValidationInfo,
    field_serializer,
    field_validator,
    model_serializer,
    model_validator,
)

from rmt_spikes.arguments import instance
from rmt_spikes.console.documents import name_of, parse_override, reason_in_toml
from rmt_spikes.console.documents import read_toml as read_toml
from rmt_spikes.errors import CaseError, DomainError, Word, shorten
from rmt_spikes.functions.callables import refuse_to_write, with_derivative
from rmt_spikes.functions.hermite import HermiteExpansion, expand
from rmt_spikes.functions.scalar import (
    FunctionSpecification,
    ScalarFunction,
    Specification,
)
from rmt_spikes.functions.teacher import Teacher
from rmt_spikes.setting.covariance import Covariance, Inputs, inputs_of
from rmt_spikes.setting.functions import built, check_activation, check_target, expansion_of, teacher_of
from rmt_spikes.setting.keys import Keys, checked, domain_error

WRITTEN_IF_CHANGED = ("second_batch", "row_norm")
"""Keys that documents have only where they are not the default: stored trials are known by their settings."""


class Setting(Keys):
    """One network, one gradient step and one ridge regression (docs/theory.md section 1).

    Keyword arguments are the keys of the TOML; the fields declare their domains. Settings are
    immutable, comparable, hashable and picklable.

    Parameters
    ----------
    n, d, width : int
        Samples of the first batch, input dimension, neurons.
    n_ridge : int, optional
        Samples of the second batch; `n` when not given.
    activation, target : str or mapping
        A name, ``{"hermite": [c_0, c_1, ...]}`` (probabilists', not normalised) or
        ``{"expression": "tanh(z) + z**2/10"}``; in Python also a function of arrays, or a `Function`.
        A target of several orthonormal directions is an expression in ``z1`` to ``z5``.
    derivative : callable, optional
        Derivative of an activation that is a Python function; differences take its place.
    center : bool
        Whether ``E activation(Z)`` is subtracted.
    noise_std : float
        Standard deviation of the label noise.
    ridge : float
        Ridge penalty.
    step_size, step_exponent : float
        Exactly one of them; ``step_size = n ** step_exponent``.
    readout : {"gaussian", "rademacher", "constant"}
        Distribution of the readout weights.
    output_scale : {"mean_field", "standard"}
        ``varsigma = 1/sqrt(width)`` or 1.
    second_batch : {"fresh", "same"}
        Whether the ridge regression takes new samples, or those of the gradient step (`n_ridge` is `n` then).
    row_norm : float
        Norm of the rows of the first layer before the step.
    covariance : mapping or Covariance, optional
        Covariance of the inputs, of mean eigenvalue 1 (`Covariance`); the identity by default.

    Raises
    ------
    DomainError
        When a value is outside its domain; the error names the field.

    Examples
    --------
    >>> setting = Setting(n=100, d=50, width=80, activation="relu", target="identity", ridge=0.1, step_size=0)
    >>> setting.n_ridge, setting.phi
    (100, 0.5)
    """

    def __init__(self, /, **values: Any) -> None:
        if values.get("n_ridge") is None and "n" in values:
            values["n_ridge"] = values["n"]
        for name in ("step_size", "step_exponent", "covariance"):
            if name in values and values[name] is None:
                del values[name]
        try:
            super().__init__(**with_derivative(values))
        except ValidationError as error:
            raise domain_error(error) from None

    @field_validator("*", mode="before")
    @classmethod
    def _check_value(cls, given: Any, info: ValidationInfo) -> Any:
        assert info.field_name is not None
        return checked(info.field_name, given)

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if (self.step_size is None) == (self.step_exponent is None):
            given = Word("neither" if self.step_size is None else "both")
            required = "must come alone or as step_exponent, exactly one of the two"
            raise DomainError("step_size", required, given)
        limit = 10 * math.sqrt(self.width) * self.row_norm**2
        if self.step > limit:
            field = "step_size" if self.step_exponent is None else "step_exponent"
            name = "10 sqrt(width)" if self.row_norm == 1 else "10 sqrt(width) row_norm**2"
            given = getattr(self, field)
            raise DomainError(field, f"must give a step of at most {name} = {limit:.6g}", given)
        if self.second_batch == "same" and self.n_ridge != self.n:
            raise DomainError("n_ridge", f"must be n = {self.n} when second_batch is 'same'", self.n_ridge)
        check_activation(self.activation, self.center, self.step, self.row_norm)
        check_target(self.target, self.d, self.step, self.noise_std, self.inputs)
        return self

    def __hash__(self) -> int:
        return hash(tuple(getattr(self, name) for name in type(self).model_fields))

    @classmethod
    def from_toml(cls, path: str | Path, overrides: Sequence[str] = ()) -> Self:
        """Read a setting from a TOML file.

        Parameters
        ----------
        path : str or Path
            A file with the keys at top level, or under ``[setting]``; ``"-"`` is standard input.
        overrides : sequence of str
            ``"key=value"`` with TOML values; a bare word is taken as text. Giving one step key drops the
            other.

        Raises
        ------
        CaseError
            When the file cannot be read or a value is outside its domain; names the file and the key.
        """
        document = read_toml(path)
        prefix = "setting." if "setting" in document else ""
        values = document["setting"] if prefix else document
        if not isinstance(values, Mapping):
            raise CaseError(name_of(path), "setting", f"must be a table of parameters, got {shorten(values)}")
        changes = dict(parse_override(override) for override in overrides)
        try:
            return cls(**_merged(values, changes))
        except DomainError as error:
            reason = reason_in_toml(error)
            if error.field in changes:
                raise CaseError(None, error.field, reason) from None
            raise CaseError(name_of(path), prefix + error.field, reason) from None

    def replace(self, /, **changes: Any) -> Self:
        """Return a setting with some values changed, checked again.

        Parameters
        ----------
        **changes : object
            New values. Giving one step key drops the other. A second batch of the size of the first keeps
            that size when only `n` is given.

        Raises
        ------
        DomainError
            When a value is outside its domain.
        """
        values = {str(key): value for key, value in self.__repr_args__()}
        if self.n_ridge == self.n:
            del values["n_ridge"]
        return type(self)(**_merged(values, changes))

    def to_dict(self) -> dict[str, Any]:
        """Return the keys of the TOML, ready for JSON, with the one step key that was given."""
        for key in ("activation", "target"):
            refuse_to_write(key, getattr(self, key))
        return self.model_dump(exclude_none=True)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """Return the setting that `to_dict` wrote.

        Raises
        ------
        DomainError
            If it is no dictionary, or a key is wrong.
        """
        if not isinstance(document, Mapping):
            raise DomainError("document", "must be a dictionary", Word(type(document).__name__))
        return cls(**document)

    @model_serializer(mode="wrap")
    def _changed(self, write: Any) -> dict[str, Any]:
        fields = type(self).model_fields
        unchanged = {n for n in WRITTEN_IF_CHANGED if getattr(self, n) == fields[n].default}
        return {name: value for name, value in write(self).items() if name not in unchanged}

    @field_serializer("covariance")
    def _plain_covariance(self, given: Covariance | None) -> dict[str, Any] | None:
        return None if given is None else given.to_dict()

    @field_serializer("activation", "target")
    def _plain(self, given: Specification) -> str | dict[str, Any]:
        return given.to_dict() if isinstance(given, FunctionSpecification) else str(given)

    def __setattr__(self, name: str, value: Any) -> None:
        self.__delattr__(name)

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{name}: settings do not change; setting.replace(...) returns another one")

    def __dir__(self) -> list[str]:
        """Keys, and what the class itself defines: not what it inherits."""
        own = {name for name in vars(type(self)) if not name.startswith("_") and name != "model_config"}
        return sorted(own | set(type(self).model_fields))

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        values = [(name, getattr(self, name)) for name in type(self).model_fields]
        return [(name, value) for name, value in values if value is not None]

    @property
    def step(self) -> float:
        """Step size ``eta``."""
        if self.step_size is not None:
            return self.step_size
        assert self.step_exponent is not None
        return float(self.n**self.step_exponent)

    @property
    def exponent(self) -> float:
        """Step exponent ``log(eta)/log(n)``; ``-inf`` at step 0, and ``nan`` at ``n = 1``."""
        if self.step_exponent is not None:
            return self.step_exponent
        if self.step == 0:
            return -math.inf
        return math.log(self.step) / math.log(self.n) if self.n > 1 else math.nan

    @property
    def theta(self) -> float:
        """``eta / (row_norm^2 sqrt(N))``: the step of rows of norm 1 with the same features."""
        return self.step / math.sqrt(self.width) / self.row_norm**2

    @property
    def phi(self) -> float:
        """``d / n``."""
        return self.d / self.n

    @property
    def psi(self) -> float:
        """``d / N``."""
        return self.d / self.width

    @property
    def gamma(self) -> float:
        """``N / d``."""
        return self.width / self.d

    @property
    def ridge_ratio(self) -> float:
        """``N / n~``."""
        return self.width / self.n_ridge

    @property
    def activation_function(self) -> ScalarFunction:
        """The activation of a row of norm 1, ``sigma(row_norm z)``, minus its mean when `center` is true."""
        return built(self.activation, "activation", self.center, self.row_norm)

    @property
    def neuron_function(self) -> ScalarFunction:
        """The activation as a function of what a neuron sees, minus the same mean."""
        plain = built(self.activation, "activation", False)
        if not self.center:
            return plain
        return plain.shifted(expansion_of(self.activation, "activation", False, self.row_norm).mean)

    @property
    def teacher(self) -> Teacher:
        """The target as a function of its directions, with its moments."""
        return teacher_of(self.target)

    @property
    def sign_labels(self) -> bool:
        """Whether labels are -1 and 1 only."""
        return self.noise_std == 0 and self.teacher.signs

    @property
    def target_function(self) -> Any:
        """The link function of the target: a `ScalarFunction`, or a function of several directions."""
        return self.teacher.function

    @property
    def inputs(self) -> Inputs | None:
        """Eigenspaces of the covariance of the inputs; None where all eigenvalues are 1."""
        return inputs_of(self.covariance, self.d)

    @property
    def activation_expansion(self) -> HermiteExpansion:
        """Hermite expansion of `activation_function`."""
        return expand(self.activation_function)

    @property
    def target_expansion(self) -> HermiteExpansion:
        """Hermite expansion of `target_function`, of a target with one direction."""
        return expansion_of(self.target, "target", False)

    @property
    def label_energy(self) -> float:
        """``E y^2 = c_*^2 + sigma_eps^2``."""
        return self.teacher.moments.second + self.noise_std**2


def require_setting(given: Any) -> None:
    """Refuse what is no setting."""
    instance("setting", given, Setting, "make one with Setting(...) or Setting.from_toml")


def _merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Apply changes; a new step key takes the place of the other one."""
    merged = dict(values)
    steps = {"step_size", "step_exponent"}
    if steps & set(changes):
        merged = {key: value for key, value in merged.items() if key not in steps}
    return {**merged, **changes}
