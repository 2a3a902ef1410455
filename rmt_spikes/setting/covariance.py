"""Covariance of the inputs: its eigenspaces, and what share of the teacher lies in each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.arguments import number, real_array, vector
from rmt_spikes.errors import DomainError, Word
from rmt_spikes.setting.estimation import population

Array = NDArray[np.float64]

FORMS = "{eigenvalues, proportions, teacher}, {power, teacher_power} or {spikes = [{strength, overlap}]}"
"""Ways of saying what the covariance of the inputs is."""

ADDS_UP = 1e-6
"""Distance from 1 of a sum of proportions that is rounding of decimals in a file."""

ISOTROPIC = 1e-12
"""Distance from 1 of an eigenvalue that is rounding."""

FEWEST_SAMPLES = 20
"""Samples below which nothing is said of a covariance."""

MOST_LEVELS = 10_000
"""Bounds the work: eigenvalues in a list."""

LARGEST = 1e6
"""Largest eigenvalue, strength or power of ten that is accepted."""

_KEYS = {
    "eigenvalues": ("eigenvalues", "proportions", "teacher"),
    "power": ("power", "teacher_power"),
    "spikes": ("spikes",),
}
"""Keys of each form, by the one that must be there."""


@dataclass(frozen=True, eq=False)
class Inputs:
    """Eigenspaces of the covariance in a dimension, in the order in which they were given.

    Attributes
    ----------
    eigenvalues, proportions, teacher : ndarray of shape (levels,)
        Eigenvalues ``l``, shares ``p_l`` of the dimensions, and shares ``w_l`` of the energy of each teacher
        direction; ``sum p l = 1``.
    multiplicities : ndarray of int, shape (levels,)
        Dimensions of the eigenspaces; their sum is `d`.
    """

    eigenvalues: Array
    multiplicities: NDArray[np.int64]
    teacher: Array

    @property
    def proportions(self) -> Array:
        """Shares of the dimensions."""
        return np.asarray(self.multiplicities / self.multiplicities.sum())

    @property
    def signal(self) -> float:
        """``s_1 = sum w_l l``: variance of the inputs along a teacher direction."""
        return float(self.teacher @ self.eigenvalues)


@dataclass(frozen=True, repr=False)
class Covariance:
    """Covariance of inputs ``N(0, Sigma)`` with mean eigenvalue 1 (docs/conventions.md).

    One of three forms, as in a file: `eigenvalues` with their `proportions` among the dimensions; a `power`
    law; or the identity with `spikes`.

    Parameters
    ----------
    eigenvalues, proportions : sequences of float
        Eigenvalues, not negative, and shares that add up to 1; the mean eigenvalue must be 1.
    teacher : sequence of float, optional
        Shares of the energy of each teacher direction in the eigenspaces; `proportions` by default.
    power, teacher_power : float
        The ``i``-th eigenvalue is proportional to ``i ** -power``, the share of the teacher's energy along it
        to ``i ** -teacher_power``, which is 0 by default.
    spikes : sequence of mappings
        Each with `strength` and `overlap`: the covariance is proportional to ``1 + sum strength v v'`` for
        orthonormal ``v``, and the cosine of ``v`` with each teacher direction is `overlap`, 0 by default.

    Raises
    ------
    DomainError
        About ``covariance``, with the key.
    """

    eigenvalues: Any = None
    proportions: Any = None
    teacher: Any = None
    power: Any = None
    teacher_power: Any = None
    spikes: Any = None
    _form: str = field(default="", init=False, repr=False)

    def __post_init__(self) -> None:
        given = {name: getattr(self, name) for names in _KEYS.values() for name in names}
        present = [name for name, value in given.items() if value is not None]
        forms = [form for form, names in _KEYS.items() if form in present and set(present) <= set(names)]
        if not forms:
            raise DomainError("covariance", f"must have the keys of one form: {FORMS}", present)
        (form,) = forms
        object.__setattr__(self, "_form", form)
        checked = {
            "eigenvalues": self._check_levels,
            "power": self._check_power,
            "spikes": self._check_spikes,
        }
        for name, value in checked[form]().items():
            object.__setattr__(self, name, value)

    @classmethod
    def of(cls, given: Any) -> Covariance:
        """Return the covariance of a mapping, with the keys of a file, or one that is one already."""
        if isinstance(given, cls):
            return given
        if not isinstance(given, Mapping):
            raise DomainError("covariance", f"must be {FORMS}", given)
        known = [name for names in _KEYS.values() for name in names]
        for name in given:
            if name not in known:
                raise DomainError("covariance", f"must have keys among {' '.join(known)}", name)
        return cls(**given)

    @classmethod
    def from_data(cls, X: Any, y: Any) -> Covariance:  # noqa: N803
        """Estimate the covariance of inputs, and the teacher's shares, from samples.

        The eigenvalues are those of the population, not of the sample covariance, which are spread out by
        ``sqrt(d/n)``: the Marchenko-Pastur equation is solved for their distribution (El Karoui 2008). The
        shares follow from the resolvent of the sample covariance between covariances with the labels.
        Inputs and labels are centred, and inputs scaled to the mean eigenvalue 1.

        Parameters
        ----------
        X, y : arrays of shape (n, d) and (n,)
            Inputs and labels, of numpy or anything with ``__array__``; at least 20 samples.

        Notes
        -----
        Second and third moments of the eigenvalues scatter by 1 % on Gaussian data of two or three known
        eigenvalues with ``n >= 2 d``, by 1 and 2.5 % at ``n = .75 d``. The share of the teacher in the upper
        half scatters by 0.09 at ``n = 7 d``, 0.13 to 0.18 at ``2 d`` and 0.32 at ``.75 d``. Eigenvalues
        within a ratio of 1.4 are taken for one. Theory then takes the inputs for Gaussian (docs/own.md).
        """
        inputs = real_array("X", X, ("samples", "d"))
        labels = real_array("y", y, (len(inputs),))
        if len(inputs) < FEWEST_SAMPLES:
            required = f"must have at least {FEWEST_SAMPLES} samples"
            raise DomainError("X", required, Word(str(len(inputs))))
        inputs, labels = inputs - inputs.mean(axis=0), labels - labels.mean()
        mean = float(np.mean(inputs**2))
        if not mean > 0.0 or not np.any(labels):
            raise DomainError("X" if mean == 0.0 else "y", "must not be constant", Word("a constant"))
        n = len(inputs)
        values, vectors = np.linalg.eigh(inputs.T @ inputs / (n * mean))
        overlaps = (vectors.T @ (inputs.T @ labels)) ** 2 / (n**2 * mean)
        levels, shares, teacher = population(np.maximum(values, 0.0), overlaps, n, float(labels @ labels) / n)
        return cls((levels / (shares @ levels)).tolist(), shares.tolist(), teacher.tolist())

    def __repr__(self) -> str:
        """The keys that were given."""
        return f"Covariance({', '.join(f'{name}={value}' for name, value in self.to_dict().items())})"

    def to_dict(self) -> dict[str, Any]:
        """Return the keys of a file, those that were given."""
        plain: dict[str, Any] = {}
        for name in _KEYS[self._form]:
            value = getattr(self, name)
            if name == "spikes":
                value = [{"strength": strength, "overlap": overlap} for strength, overlap in value]
            if value is not None:
                plain[name] = list(value) if isinstance(value, tuple) else value
        return plain

    def in_dimension(self, d: int) -> Inputs:
        """Eigenspaces in a dimension.

        Multiplicities are the proportions of `d`, rounded down, each at least 1; what is left goes to those
        that lost most. The eigenvalues are then scaled to the mean 1.

        Raises
        ------
        DomainError
            When there are more eigenvalues than dimensions.
        """
        if self._form == "power":
            ranks = np.arange(1.0, d + 1)
            values, counts = ranks**-self.power, np.ones(d, dtype=np.int64)
            shares = ranks ** -(self.teacher_power or 0.0)
        elif self._form == "spikes":
            strengths, overlaps = np.array(self.spikes, dtype=float).T
            self._check_room(strengths.size + 1, d)
            values = np.append(1.0, 1.0 + strengths)
            counts = np.append(d - strengths.size, np.ones(strengths.size, dtype=np.int64)).astype(np.int64)
            shares = np.append(max(0.0, 1.0 - float(overlaps @ overlaps)), overlaps**2)
        else:
            values = np.array(self.eigenvalues)
            self._check_room(values.size, d)
            counts = _rounded(np.array(self.proportions), d)
            shares = np.array(self.proportions if self.teacher is None else self.teacher)
        values = values * (d / float(counts @ values))
        return Inputs(values, counts, shares / shares.sum())

    @staticmethod
    def _check_room(levels: int, d: int) -> None:
        if levels > d:
            raise DomainError("covariance", f"must have at most d = {d} eigenvalues", Word(str(levels)))

    def _check_levels(self) -> dict[str, Any]:
        values = _vector("eigenvalues", self.eigenvalues)
        if self.proportions is None:
            raise DomainError("covariance", "must have proportions with its eigenvalues", Word("none"))
        shares = _shares("proportions", self.proportions, len(values))
        if min(values) < 0.0 or not max(values) > 0.0:
            raise DomainError("covariance", "eigenvalues must be >= 0, one of them above 0", list(values))
        if min(shares) == 0.0:
            raise DomainError("covariance", "proportions must be above 0", list(shares))
        mean = math.fsum(p * value for p, value in zip(shares, values, strict=True))
        if abs(mean - 1.0) > ADDS_UP:
            scaled = f"divide the eigenvalues by {mean:.6g}"
            raise DomainError("covariance", "must have the mean eigenvalue 1", Word(f"{mean:.6g}"), scaled)
        teacher = None if self.teacher is None else _shares("teacher", self.teacher, len(values))
        signal = math.fsum(w * value for w, value in zip(teacher or shares, values, strict=True))
        if not signal > 0.0:
            raise DomainError(
                "covariance", "teacher must not lie where all eigenvalues are 0", list(teacher or ())
            )
        return {"eigenvalues": values, "proportions": shares, "teacher": teacher}

    def _check_power(self) -> dict[str, Any]:
        required = "{} must be a number from 0 to 10"
        powers = {"power": self.power, "teacher_power": self.teacher_power}
        return {
            name: number("covariance", value, 0.0, 10.0, required.format(name))
            for name, value in powers.items()
            if value is not None
        }

    def _check_spikes(self) -> dict[str, Any]:
        given = self.spikes
        if not isinstance(given, list | tuple) or not 1 <= len(given) <= MOST_LEVELS:
            raise DomainError("covariance", "spikes must be a list of {strength, overlap}", given)
        pairs = []
        for k, each in enumerate(given):
            at = f"spikes[{k}]"
            if isinstance(each, Mapping):
                if not {"strength"} <= set(each) <= {"strength", "overlap"}:
                    raise DomainError("covariance", f"{at} must have strength and overlap", list(each))
                each = (each["strength"], each.get("overlap", 0.0))
            if not isinstance(each, tuple) or len(each) != 2:
                raise DomainError("covariance", f"{at} must have strength and overlap", each)
            strength = number("covariance", each[0], -1.0, LARGEST, f"{at}.strength must be from -1 to 1e6")
            overlap = number("covariance", each[1], -1.0, 1.0, f"{at}.overlap must be from -1 to 1")
            pairs.append((strength, overlap))
        energy = math.fsum(overlap**2 for _, overlap in pairs)
        if energy > 1.0 + ADDS_UP:
            came = Word(f"{energy:.6g}")
            raise DomainError("covariance", "squares of overlaps must add up to at most 1", came)
        signal = max(0.0, 1.0 - energy) + math.fsum(c**2 * (1.0 + strength) for strength, c in pairs)
        if not signal > 0.0:
            required = "spikes must leave the teacher an eigenvalue above 0"
            raise DomainError("covariance", required, given, "a strength of -1 makes an eigenvalue 0")
        return {"spikes": tuple(pairs)}


def _vector(name: str, given: Any) -> tuple[float, ...]:
    try:
        values = vector("covariance", given)
    except DomainError:
        raise DomainError("covariance", f"{name} must be a list of numbers", given) from None
    if values.size > MOST_LEVELS or np.any(np.abs(values) > LARGEST):
        required = f"{name} must be at most {MOST_LEVELS} numbers, of size at most 1e6"
        raise DomainError("covariance", required, given)
    return tuple(values.tolist())


def _shares(name: str, given: Any, size: int) -> tuple[float, ...]:
    """Shares, which are scaled to add up to 1 where they do so but for the rounding of decimals."""
    values = _vector(name, given)
    if len(values) != size:
        raise DomainError("covariance", f"{name} must have one entry an eigenvalue, {size}", list(values))
    total = math.fsum(values)
    if min(values) < 0.0 or abs(total - 1.0) > ADDS_UP:
        came = Word(f"{list(values)}, with the sum {total:.6g}")
        raise DomainError("covariance", f"{name} must be >= 0 and add up to 1", came)
    return values


def _rounded(shares: Array, d: int) -> NDArray[np.int64]:
    """Whole numbers next to ``d`` times the shares, each at least 1, with the sum `d`."""
    exact = shares / shares.sum() * d
    # Products such as .3 * 500 are whole numbers but for rounding.
    counts: NDArray[np.int64] = np.maximum(np.floor(exact + 1e-9 * d).astype(np.int64), 1)
    while counts.sum() < d:
        counts[np.argmax(exact - counts)] += 1
    while counts.sum() > d:
        counts[np.argmin(np.where(counts > 1, exact - counts, math.inf))] -= 1
    return counts


@lru_cache(maxsize=64)
def inputs_of(covariance: Covariance | None, d: int) -> Inputs | None:
    """Eigenspaces of inputs in a dimension; None where all eigenvalues are 1."""
    inputs = None if covariance is None else covariance.in_dimension(d)
    if inputs is None or np.all(np.abs(inputs.eigenvalues - 1.0) < ISOTROPIC):
        return None
    return inputs
