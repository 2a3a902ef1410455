"""Rates of one-sided tests on skewed trials, by direct simulation of known laws (docs/validation.md).

Prints, for the longer and the shorter tail, the rate over the level: of Student's t, and of the test that the
package uses. A million draws take several minutes of one core.
"""

import argparse

import numpy as np
from scipy.special import stdtr

from rmt_spikes.validation.verdicts.statistics import corrected, skewness_of

LAWS = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "lognormal, skewness 0.8": lambda rng, shape: np.exp(0.25 * rng.standard_normal(shape)) - np.exp(0.03125),
    "exponential, 2": lambda rng, shape: rng.exponential(size=shape) - 1.0,
    "square of a normal, 2.8": lambda rng, shape: rng.standard_normal(shape) ** 2 - 1.0,
}
"""Laws of mean zero; that of a positive skewness has its longer tail of t below."""

TRIALS, LEVELS, AT_ONCE = (12, 24, 30, 60, 100), (5e-2, 1e-2, 1e-3, 1e-4, 5e-5), 50_000


def rates(law: str, trials: int, draws: int) -> dict[str, list[float]]:
    """Rates over levels of both tests, in both tails."""
    rng, found = np.random.default_rng(trials), {}
    for _ in range(draws // AT_ONCE):
        x = LAWS[law](rng, (trials, AT_ONCE))
        t = x.mean(axis=0) / x.std(axis=0, ddof=1) * np.sqrt(trials)
        for tail, sign in (("longer", -1.0), ("shorter", 1.0)):
            tests = {"Student": sign * t, "corrected": corrected(sign * t, trials, sign * skewness_of(x))}
            for name, values in tests.items():
                hits = [np.count_nonzero(stdtr(trials - 1, -values) <= level) for level in LEVELS]
                found[name, tail] = found.get((name, tail), 0) + np.array(hits)
    total = draws // AT_ONCE * AT_ONCE
    return {f"{name}, {tail}": hits / total / LEVELS for (name, tail), hits in found.items()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=1_000_000)
    draws = parser.parse_args().draws
    print("| law | trials | test, tail | " + " | ".join(f"{level:g}" for level in LEVELS) + " |")
    print("|---" * (3 + len(LEVELS)) + "|")
    for law in LAWS:
        for trials in TRIALS:
            for name, values in rates(law, trials, draws).items():
                print(
                    f"| {law} | {trials} | {name} | " + " | ".join(f"{v:.2f}" for v in values) + " |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
