"""A user's own inputs and labels, in place of the random ones."""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from rmt_spikes.arguments import boolean, integer, number, real_array
from rmt_spikes.errors import DomainError, Word
from rmt_spikes.setting import Setting
from rmt_spikes.simulation.network.inputs import scaled
from rmt_spikes.simulation.network.layer import FirstLayer
from rmt_spikes.simulation.network.model import Model
from rmt_spikes.simulation.network.sampling import BLOCK_ROWS, Array, Block, Draws, blocks
from rmt_spikes.simulation.test_loss.estimate import (
    UNKNOWN,
    LossEstimate,
    mean_square,
    share_with_error,
    wrong_signs,
)
from rmt_spikes.values import Value


@dataclass(frozen=True, eq=False, repr=False)
class Data(Value):
    """Inputs and labels of the gradient step, of the ridge regression, and of the test.

    Arrays are those of numpy, or anything with ``__array__``. Samples that are not given for the ridge
    regression or the test are split off from the others, drawn without replacement.

    Parameters
    ----------
    X, y : arrays of shape (n, d) and (n,)
        First batch, or all samples where others are split off.
    X_ridge, y_ridge : arrays of shape (n_ridge, d) and (n_ridge,), optional
        Second batch.
    X_test, y_test : arrays of shape (m, d) and (m,), optional
        Samples of the test loss. Without them, and without `test_fraction`, it is NaN.
    ridge_fraction, test_fraction : float, optional
        Shares of the samples of `X` that become the second batch and the test, where these are not given.
    seed : int
        Seed of the split.
    standardise : bool
        Whether the columns of all inputs are shifted and scaled by the means and standard deviations of the
        first batch, as the theory has them; columns that are constant there become zero. Labels stay.

    Raises
    ------
    DomainError
        When an argument is no array of finite real numbers, shapes do not fit, a second batch is missing, or
        the split leaves a batch empty.

    Notes
    -----
    The attributes `X`, `y` and so on are the batches after the split and the standardisation.
    """

    X: Any
    y: Any
    X_ridge: Any = None
    y_ridge: Any = None
    X_test: Any = None
    y_test: Any = None
    ridge_fraction: float | None = field(default=None, kw_only=True)
    test_fraction: float | None = field(default=None, kw_only=True)
    seed: int = field(default=0, kw_only=True)
    standardise: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        first = _batch("", self.X, self.y, "d")
        d = first[0].shape[1]
        given = {name: self._given(name, d) for name in ("ridge", "test")}
        if given["ridge"] is None and self.ridge_fraction is None:
            advice = "or set ridge_fraction to split it off"
            raise DomainError("X_ridge", "must be given", None, advice)
        order = np.random.default_rng(integer("seed", self.seed, 0)).permutation(len(first[0]))
        for name in given:
            share = getattr(self, f"{name}_fraction")
            if share is None:
                continue
            count = round(share * len(first[0]))
            if not 0 < count < len(order):
                raise DomainError(f"{name}_fraction", "must leave a sample in every batch", share)
            given[name] = first[0][order[:count]], first[1][order[:count]]
            order = order[count:]
        if len(order) < len(first[0]):
            order = np.sort(order)
            first = first[0][order], first[1][order]
        shift, scale = np.zeros(d), np.ones(d)
        if boolean("standardise", self.standardise):
            shift, scale = first[0].mean(axis=0), first[0].std(axis=0)
            # A constant column has a deviation of rounding.
            scale[scale <= 1e-12 * np.abs(shift)] = math.inf
        for name, batch in (("", first), *((f"_{name}", batch) for name, batch in given.items())):
            if batch is not None:
                object.__setattr__(self, f"X{name}", np.ascontiguousarray((batch[0] - shift) / scale))
                object.__setattr__(self, f"y{name}", batch[1])

    def _given(self, name: str, d: int) -> tuple[Array, Array] | None:
        inputs, labels = getattr(self, f"X_{name}"), getattr(self, f"y_{name}")
        share = getattr(self, f"{name}_fraction")
        if share is not None:
            required = "must be a number between 0 and 1"
            number(f"{name}_fraction", share, math.ulp(0.0), math.nextafter(1.0, 0.0), required)
        if (inputs is None) != (labels is None):
            missing, there = ("X", "y") if inputs is None else ("y", "X")
            raise DomainError(f"{missing}_{name}", f"must be given together with {there}_{name}", None)
        if inputs is None:
            return None
        if share is not None:
            raise DomainError(f"{name}_fraction", f"must be left out with X_{name}", share)
        return _batch(f"_{name}", inputs, labels, d)

    def fitted(self, setting: Setting) -> Setting:
        """Return a setting with the sizes of the arrays."""
        pairs = (self.X, self.X_ridge), (self.y, self.y_ridge)
        if setting.second_batch == "same" and not all(np.array_equal(*pair) for pair in pairs):
            came = Word("others")
            raise DomainError("X_ridge", "must be the samples of X when second_batch is 'same'", came)
        n, d = self.X.shape
        return setting.replace(n=n, d=d, n_ridge=len(self.X_ridge))

    def described(self) -> str:
        """Sizes, standardisation and a digest of the batches."""
        digest = hashlib.sha256()
        for name in ("X", "y", "X_ridge", "y_ridge", "X_test", "y_test"):
            if getattr(self, name) is not None:
                digest.update(getattr(self, name).tobytes())
        sizes = [0 if x is None else len(x) for x in (self.X, self.X_ridge, self.X_test)]
        how = "standardised" if self.standardise else "as given"
        return f"{sizes[0]} + {sizes[1]} + {sizes[2]} samples, {how}, sha256 {digest.hexdigest()[:16]}"

    def draws(self, model: Model, seed: int, index: int) -> Draws:
        """Draw the network of a trial; the batches are those given."""
        return FixedBatches(model, seed, index, self)

    def learnt(self, beta: Array) -> tuple[Array, Array]:
        """Return ``beta`` scaled by the second batch, and the covariance of ``<beta, x>`` with the inputs."""
        return scaled("X_ridge", beta, self.X_ridge)

    def loss(self, model: Model, weights: Array, coefficients: Array) -> LossEstimate:
        """Mean squared error on the test samples, with its standard error; NaN without any."""
        if self.X_test is None:
            return UNKNOWN
        return mean_square(self.misfits(model, weights, coefficients))

    def sign_error(self, model: Model, weights: Array, coefficients: Array) -> tuple[float, float]:
        """Share of wrong signs on the test samples, with its standard error; NaN without any."""
        if self.X_test is None:
            return math.nan, math.nan
        misfits = self.misfits(model, weights, coefficients)
        return share_with_error(wrong_signs(self.y_test, misfits), misfits.size)

    def misfits(self, model: Model, weights: Array, coefficients: Array) -> Array:
        """Labels of the test samples less what a network makes of them."""
        layer, misfits = FirstLayer(model.activation, weights), np.empty(len(self.y_test))
        for rows in blocks(misfits.size):
            misfits[rows] = self.y_test[rows] - layer.features(self.X_test[rows]) @ coefficients
        return misfits

    @property
    def sign_labels(self) -> bool:
        """Whether all labels are -1 or 1."""
        known = (y for y in (self.y, self.y_ridge, self.y_test) if y is not None)
        return all(bool(np.all(np.abs(y) == 1.0)) for y in known)

    @classmethod
    def checked(cls, given: Any) -> Self:
        """Refuse what is no `Data`."""
        if not isinstance(given, cls):
            raise DomainError("data", "must be a Data", Word(type(given).__name__))
        return given


class FixedBatches(Draws):
    """The random draws of a trial but for the batches, which are given."""

    def __init__(self, model: Model, seed: int, index: int, data: Data) -> None:
        super().__init__(model, seed, index)
        self._data = data

    def first_batch(self, longest: int) -> Iterator[Block]:
        """Cut the first batch into blocks."""
        return _cut(self._data.X, self._data.y, longest)

    def second_batch(self, longest: int) -> Iterator[Block]:
        """Cut the second batch into blocks."""
        return _cut(self._data.X_ridge, self._data.y_ridge, longest)


def _batch(name: str, inputs: Any, labels: Any, d: int | str) -> tuple[Array, Array]:
    x = real_array(f"X{name}", inputs, ("samples", d))
    return x, real_array(f"y{name}", labels, (len(x),))


def _cut(inputs: Array, labels: Array, longest: int = BLOCK_ROWS) -> Iterator[Block]:
    return (Block(rows, inputs[rows], labels[rows]) for rows in blocks(len(inputs), longest))
