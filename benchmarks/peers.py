"""Density of untrained non-linear features at 1000 points: this package, rmtool and freealg, timed in turn.

All three get the same law: ``F^T F / n`` with the population ``c_1^2 W W^T + c_{>1}^2`` and ``W W^T``
Marchenko-Pastur. rmtool works with its polynomial; freealg with atoms, here the Gauss quadrature of the
population: its difference has a part that is due to their number. The reference is this package's density,
whose mass on the same points is printed.
"""

import argparse
import statistics
import time
import warnings
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

import numpy as np

import rmt_spikes as rs
from rmt_spikes.theory.bulk.distribution import singular_value_bulk
from rmt_spikes.theory.methods.closed_form import ClosedForm

SETTING = rs.Setting(
    n=3000, d=1500, width=2000, activation="relu", target={"hermite": [0, 1, 0.5**0.5]},
    noise_std=0.5, step_size=0.0, ridge=0.01,
)  # fmt: skip
ATOMS = 30


def ours(points: np.ndarray) -> np.ndarray:
    """Density of eigenvalues, from that of singular values."""
    roots = np.sqrt(points)
    density: np.ndarray = singular_value_bulk(ClosedForm(SETTING).equivalent).density(roots) / (2 * roots)
    return density


def energies() -> tuple[float, float]:
    """``c_1^2`` and ``c_{>1}^2``."""
    expansion = SETTING.activation_expansion
    return expansion.linear**2, expansion.tail


def with_rmtool(points: np.ndarray) -> np.ndarray:
    """The largest imaginary part of the roots, as its documentation advises."""
    from rmtool import AtimesWish, Lmz2pdf, scaleA, shiftA, wishartpol
    from sympy import Rational

    linear, rest = (Rational(repr(round(value, 12))) for value in energies())
    population = shiftA(scaleA(wishartpol(Rational(SETTING.width, SETTING.d)), linear), rest)
    features = AtimesWish(population, Rational(SETTING.width, SETTING.n_ridge))
    density: np.ndarray = Lmz2pdf(features, points).best_density()
    return density


def atoms() -> tuple[np.ndarray, np.ndarray]:
    """Gauss quadrature of the population, by the Jacobi matrix of the Marchenko-Pastur law."""
    ratio = SETTING.width / SETTING.d
    # Constant but for its first entry: the recurrence of the law's orthogonal polynomials.
    off, diagonal = np.full(ATOMS - 1, ratio**0.5), np.full(ATOMS, 1 + ratio)
    diagonal[0] = 1.0
    values, vectors = np.linalg.eigh(np.diag(diagonal) + np.diag(off, 1) + np.diag(off, -1))
    linear, rest = energies()
    return linear * np.maximum(values, 0.0) + rest, vectors[0] ** 2


def with_freealg(points: np.ndarray) -> np.ndarray:
    """A compound free Poisson law at its defaults."""
    from freealg.distributions import CompoundFreePoisson

    places, masses = atoms()
    ratio = SETTING.width / SETTING.n_ridge
    # The law of `F F^T / n`, whose eigenvalues are those of the other side and zeros.
    law = CompoundFreePoisson(list(places), list(masses), ratio)
    density: np.ndarray = law.density(points) / ratio
    return density


def seconds(function: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    edges = singular_value_bulk(ClosedForm(SETTING).equivalent).edges[-1] ** 2
    points = np.linspace(edges[0], edges[1], 1002)[1:-1]
    reference = ours(points)
    mass = np.trapezoid(reference, points)
    print(f"bulk from {edges[0]:.4f} to {edges[1]:.4f}; mass of the reference {mass:.4f}")
    print(f"{'':<22}{'time over ours':>16}{'range':>20}{'largest difference':>20}{'mass':>8}")
    for name, function in (("rmtool", with_rmtool), ("freealg", with_freealg)):
        try:
            release = version(name)
        except PackageNotFoundError:
            print(f"{name:<22}not installed: pip install {name}")
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            density = function(points)
            pairs = [
                seconds(lambda function=function: function(points)) / seconds(lambda: ours(points))
                for _ in range(rounds)
            ]
        off = np.nanmax(np.abs(density - reference)) / reference.max()
        shown = f"{min(pairs):.1f} to {max(pairs):.1f}"
        print(
            f"{f'{name} {release}':<22}{statistics.median(pairs):>16.1f}{shown:>20}{off:>20.1e}"
            f"{np.trapezoid(np.nan_to_num(density), points):>8.4f}"
        )


if __name__ == "__main__":
    main()
