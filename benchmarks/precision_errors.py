"""What single precision costs the losses: relative differences from double, over seeds (docs/large.md)."""

import argparse

import numpy as np

import rmt_spikes as rs

LOSSES = ("objective", "train", "test")


def differences(
    n_ridge: int, width: int, ridge: float, activation: str, seeds: int
) -> tuple[list[float], float]:
    """Largest relative differences of the losses, and the largest residual that a trial reports."""
    setting = rs.Setting(
        n=300, d=150, width=width, n_ridge=n_ridge, activation=activation, target={"hermite": [0, 1, 0.7]},
        noise_std=0.5, ridge=ridge, step_exponent=0.4,
    )  # fmt: skip
    found, residual = np.zeros(len(LOSSES)), 0.0
    for seed in range(seeds):
        (double,) = rs.simulate(setting, trials=1, seed=seed).trials
        (single,) = rs.simulate(setting, trials=1, seed=seed, precision="single").trials
        ratios = [getattr(single, name) / getattr(double, name) for name in LOSSES]
        found = np.maximum(found, np.abs(np.array(ratios) - 1))
        residual = max(residual, single.residual)
    return list(found), residual


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=12)
    arguments = parser.parse_args()
    print("n = 300, d = 150, width = 200")
    print(f"{'n_ridge':>8}{'ridge':>8} {'':10}" + "".join(f"{name:>10}" for name in (*LOSSES, "residual")))
    for n_ridge in (300, 210, 200):
        for ridge in (1e-2, 1e-4, 1e-6):
            for activation in ("relu", "tanh"):
                found, residual = differences(n_ridge, 200, ridge, activation, arguments.seeds)
                figures = "".join(f"{value:>10.0e}" for value in (*found, residual))
                print(f"{n_ridge:>8}{ridge:>8.0e} {activation:10}{figures}")


if __name__ == "__main__":
    main()
