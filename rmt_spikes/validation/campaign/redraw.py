"""Synthetic observations with the scatter, skewness, tails and correlations of the trials of a case."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import comb, ndtr, ndtri

from rmt_spikes.validation.verdicts.statistics import skewness_of

Array = NDArray[np.float64]

FEWEST = 5
"""Trials from which L-moments have a jackknife error; fewer are redrawn as they are."""

NODES = ndtri((np.arange(1000) + 0.5) / 1000)
"""Quantiles of a normal variable by which the L-moments of its polynomials are found, to 0.002."""

MOST_BENT, FLATTEST, STEEPEST = 5.0, -0.08, 0.5
"""Bounds of the coefficients of a polynomial: L-skewness to 0.46, L-kurtosis from 0.01 to 0.37."""


class Shape(NamedTuple):
    """A variable ``z + bend (z^2 - 1) + cube z^3`` of a normal one (Fleishman's power method)."""

    bend: float
    cube: float

    @property
    def deviation(self) -> float:
        """Its standard deviation; the mean is zero."""
        return float(np.sqrt(1.0 + 2.0 * self.bend**2 + 6.0 * self.cube + 15.0 * self.cube**2))

    def __call__(self, z: Array) -> Array:
        """Return its values at those of the normal variable."""
        return z + self.bend * (z * z - 1.0) + self.cube * z**3


class Block(NamedTuple):
    """Rows that share their trials.

    Attributes
    ----------
    trials
        Their number.
    root
        Matrix that turns independent normal variables into those of the rows, of shape ``(k, rows)``.
    shapes
        Bend, cube and scale of each row, of shape ``(3, rows)``.
    steps
        Sorted values about their mean, by place, of rows that take few values: counts.
    """

    trials: int
    root: Array
    shapes: Array
    steps: dict[int, Array]

    def draw(self, rng: np.random.Generator) -> Array:
        """Differences of new trials, of shape ``(trials, rows)``, with true means of zero."""
        z = rng.standard_normal((self.trials, len(self.root))) @ self.root
        bend, cube, scale = self.shapes
        drawn = scale * (z + bend * (z * z - 1.0) + cube * z**3)
        for place, values in self.steps.items():
            drawn[:, place] = values[(ndtr(z[:, place]) * values.size).astype(int).clip(0, values.size - 1)]
        return np.asarray(drawn)


class Summary(NamedTuple):
    """Means of synthetic differences, their standard errors and sample skewness, over all rows."""

    mean: Array
    se: Array
    skewness: Array


def redrawn(
    points: Sequence[Sequence[Array]], kinds: Sequence[str], rng: np.random.Generator
) -> Iterator[Summary]:
    """Synthetic observations of all rows whose true differences are zero, without end.

    Parameters
    ----------
    points
        By points, the differences between observation and prediction of each row, trial by trial.
    kinds
        Of each row of the points after each other, what kind of number it is.
    rng
        What they are drawn with.

    Notes
    -----
    Rows of a point with as many trials are correlated as the normal scores of their ranks (a Gaussian
    copula). Each has the L-skewness and L-kurtosis of its values. Few trials tell these badly: they are
    drawn towards their mean over the rows of the kind, by as much as the jackknife says that they scatter by
    chance.
    """
    rows = [row for point in points for row in point]
    shapes: dict[int, Shape] = {}
    for kind in dict.fromkeys(kinds):
        places = [i for i, row in enumerate(rows) if kinds[i] == kind and not _in_steps(row)]
        if places:
            for i, ratios in zip(places, _shrunk([rows[i] for i in places]), strict=True):
                shapes[i] = shape_with(*ratios.tolist())
    blocks: list[tuple[list[int], Block]] = []
    start = 0
    for point in points:
        for count in dict.fromkeys(row.size for row in point):
            places = [start + i for i, row in enumerate(point) if row.size == count]
            blocks.append((places, _block([rows[i] for i in places], [shapes.get(i) for i in places])))
        start += len(point)
    while True:
        found = np.zeros((3, len(rows)))
        for places, block in blocks:
            drawn = block.draw(rng)
            se = drawn.std(axis=0, ddof=1) / np.sqrt(block.trials)
            found[:, places] = drawn.mean(axis=0), se, skewness_of(drawn)
        yield Summary(*found)


def _in_steps(values: Array) -> bool:
    """Whether there are too few values, or too few different ones, to tell a smooth shape."""
    return values.size < FEWEST or 2 * np.unique(values).size <= values.size


def _block(rows: list[Array], shapes: list[Shape | None]) -> Block:
    count = rows[0].size
    scores = np.stack(list(map(_scores, rows)), axis=1)
    norms = np.linalg.norm(scores, axis=0)
    # Rows without scatter have no scores.
    root = np.asarray(np.linalg.qr(scores / np.where(norms > 0.0, norms, 1.0), mode="r"))
    table, steps = np.zeros((3, len(rows))), {}
    for place, (row, shape) in enumerate(zip(rows, shapes, strict=True)):
        if shape is None:
            # Exactly zero where there is no scatter.
            steps[place] = np.sort(row) - row.mean() if np.ptp(row) > 0.0 else np.zeros(row.size)
        else:
            table[:, place] = shape.bend, shape.cube, row.std(ddof=1) / shape.deviation
    return Block(count, root, table, steps)


def _scores(row: Array) -> Array:
    """Normal scores of the ranks of values; those that are equal share theirs."""
    _, place, counts = np.unique(row, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - 0.5 * counts
    return np.asarray(ndtri(middle[place] / row.size))


def l_ratios(values: Array) -> Array:
    """L-skewness and L-kurtosis of a sample."""
    return next(_ratios(np.sort(values)))


def _ratios(ordered: Array, *, jackknife: bool = False) -> Iterator[Array]:
    """L-skewness and L-kurtosis of an ordered sample; then, of shape ``(2, n)``, without each value."""
    n, degrees = ordered.size, np.arange(4)[:, None]
    # Unbiased probability-weighted moments (Hosking 1990).
    weighted = comb(np.arange(n), degrees) * ordered
    yield _of_moments(weighted.sum(axis=1) / (n * comb(n - 1, degrees[:, 0])))
    if jackknife:
        above = np.zeros((4, n))
        above[:, 1:] = comb(np.arange(n - 1), degrees) * ordered[1:]
        left = np.cumsum(weighted, axis=1) - weighted
        right = above.sum(axis=1, keepdims=True) - np.cumsum(above, axis=1)
        yield _of_moments((left + right) / ((n - 1) * comb(n - 2, degrees)))


def _of_moments(b: Array) -> Array:
    second = 2.0 * b[1] - b[0]
    third, fourth = 6.0 * b[2] - 6.0 * b[1] + b[0], 20.0 * b[3] - 30.0 * b[2] + 12.0 * b[1] - b[0]
    return np.stack([third / second, fourth / second])


def _shrunk(rows: list[Array]) -> Array:
    """L-skewness and L-kurtosis of rows of a kind, of shape ``(rows, 2)``, each drawn towards the mean."""
    ratios, errors = [], []
    for row in rows:
        whole, without = _ratios(np.sort(row), jackknife=True)
        ratios.append(whole)
        errors.append((row.size - 1) * without.var(axis=1))
    found = np.array(ratios)
    noise, mean = np.mean(errors, axis=0), found.mean(axis=0)
    real = np.maximum(0.0, found.var(axis=0, ddof=min(1, len(rows) - 1)) - noise)
    share = np.divide(real, real + noise, out=np.zeros(2), where=real > 0.0)
    return np.asarray(mean + share * (found - mean))


def shape_with(skewness: float, kurtosis: float) -> Shape:
    """Shape with an L-skewness and L-kurtosis, or the nearest to them."""
    from scipy.optimize import least_squares

    def miss(coefficients: Array) -> Array:
        return l_ratios(Shape(*coefficients)(NODES)) - [abs(skewness), kurtosis]

    start = [min(2.0 * abs(skewness), 1.0), 0.0]
    bounds = ([0.0, FLATTEST], [MOST_BENT, STEEPEST])
    bend, cube = least_squares(miss, start, bounds=bounds, diff_step=1e-4, xtol=1e-6, ftol=1e-8).x
    return Shape(float(np.copysign(bend, skewness)), float(cube))
