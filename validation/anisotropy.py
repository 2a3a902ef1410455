"""What the direction of the growth of the rows is worth at a step of sqrt(N) (docs/theory.md section 4.1).

Two networks share every random number: the exact gradient step, and one whose rows move along ``beta``
and grow by the predicted factor in all directions alike. Their difference has a small error because the
pair shares its noise. Prints a table; about two minutes.
"""

import argparse
import math

import numpy as np

import rmt_spikes as rs

CASES = {
    "relu, rademacher": {"activation": "relu", "target": {"hermite": [0, 1, 0.6]}, "readout": "rademacher"},
    "relu, gaussian": {"activation": "relu", "target": {"hermite": [0, 1, 0.6]}},
    "gelu, mean target": {"activation": "gelu", "target": {"hermite": [-0.6, 1, 0.3]}},
    "tanh, gaussian": {"activation": "tanh", "target": {"hermite": [0, 1, 0, 0.2]}},
}


def objective(features: np.ndarray, labels: np.ndarray, ridge: float) -> float:
    """Minimum of the ridge objective, ``ridge y^T (F F^T / n + ridge)^{-1} y / n``."""
    n = labels.size
    gram = features @ features.T / n
    gram[np.diag_indices(n)] += ridge
    return ridge * float(labels @ np.linalg.solve(gram, labels)) / n


def paired(setting: rs.Setting, rng: np.random.Generator) -> tuple[float, float]:
    """Objectives of the exact and of the isotropic step, with the same random numbers."""
    n, d, width = setting.n, setting.d, setting.width
    activation, target = setting.activation_function, setting.target_function
    x, x_ridge = rng.standard_normal((n, d)), rng.standard_normal((setting.n_ridge, d))
    y = target(x[:, 0]) + setting.noise_std * rng.standard_normal(n)
    y_ridge = target(x_ridge[:, 0]) + setting.noise_std * rng.standard_normal(setting.n_ridge)
    w = rng.standard_normal((width, d))
    w /= np.linalg.norm(w, axis=1, keepdims=True)
    alpha = rng.standard_normal(width)
    if setting.readout == "rademacher":
        alpha = np.sign(alpha)
    step = setting.step / math.sqrt(width)
    initial = w @ x.T
    residual = y - activation(initial).T @ alpha / width
    exact = w + step * alpha[:, None] * ((activation.derivative(initial) * residual) @ x) / n
    beta = x.T @ residual / n
    latent = rs.predict(setting, method="closed_form").latent
    factor = np.sqrt((1 + latent.drift * alpha) ** 2 + latent.inflation * alpha**2)
    c_1 = setting.activation_expansion.coefficients[1]
    isotropic = factor[:, None] * w + step * c_1 * alpha[:, None] * beta
    return tuple(
        objective(activation(x_ridge @ rows.T), y_ridge, setting.ridge) for rows in (exact, isotropic)
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=16)
    parser.add_argument("--size", type=int, default=1200, help="n; d is half of it, the width two thirds")
    arguments = parser.parse_args()
    n = arguments.size
    print(
        f"objective at a step of sqrt(N), n = {n}, {arguments.trials} pairs; relative differences in per cent"
    )
    heads = (f"{'exact':>16}", f"{'isotropic - exact':>20}", f"{'predicted':>12}", f"{'theory - exact':>22}")
    print(f"{'case':<20}", *heads, f"{'neglected':>12}", sep="")
    for name, values in CASES.items():
        setting = rs.Setting(
            n=n,
            d=n // 2,
            width=2 * n // 3,
            noise_std=0.4,
            ridge=0.02,
            step_size=math.sqrt(2 * n // 3),
            **values,
        )
        rng = np.random.default_rng(3)
        table = np.array([paired(setting, rng) for _ in range(arguments.trials)])
        exact, difference = table[:, 0], 100 * (table[:, 1] - table[:, 0]) / table[:, 0].mean()
        root = math.sqrt(arguments.trials)
        prediction = rs.predict(setting)
        full = prediction.losses
        flat = rs.predict_losses(setting, features="isotropic")
        predicted = 100 * (flat.objective / full.objective - 1)
        rest = 100 * (full.objective / exact.mean() - 1)
        error = 100 * exact.std(ddof=1) / root / exact.mean()
        print(
            f"{name:<20}{exact.mean():>8.4f} ±{exact.std(ddof=1) / root:.4f}"
            f"{difference.mean():>12.2f} ±{difference.std(ddof=1) / root:.2f}"
            f"{predicted:>12.2f}{rest:>14.2f} ±{error:.2f}{100 * prediction.certificate.neglected:>12.2f}"
        )


if __name__ == "__main__":
    main()
