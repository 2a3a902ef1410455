"""What the direction of the growth of the rows is worth at a step of sqrt(N) (docs/theory.md section 4.1).

Two networks share every random number: the exact gradient step, and one whose rows move along ``beta``
and grow by the predicted factor in all directions alike. Their difference has a small error because the
pair shares its noise. Prints a table of the objective and the test loss; about three minutes.
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
    "tanh, constant": {"activation": "tanh", "target": "tanh", "readout": "constant", "few": True},
}
FRESH = 4000


def losses(train: tuple, test: tuple, ridge: float) -> tuple[float, float]:
    """Minimum of the ridge objective and mean squared test error, from pairs of features and labels."""
    features, labels = train
    gram = features.T @ features / labels.size
    gram[np.diag_indices_from(gram)] += ridge
    weights = np.linalg.solve(gram, features.T @ labels / labels.size)
    objective = np.mean((labels - features @ weights) ** 2) + ridge * weights @ weights
    return float(objective), float(np.mean((test[1] - test[0] @ weights) ** 2))


def paired(setting: rs.Setting, rng: np.random.Generator) -> tuple[float, ...]:
    """Objective and test loss of the exact, then of the isotropic step, with the same random numbers."""
    n, d, width = setting.n, setting.d, setting.width
    activation, target = setting.activation_function, setting.target_function
    x, x_ridge, x_test = (rng.standard_normal((size, d)) for size in (n, setting.n_ridge, FRESH))
    y, y_ridge, y_test = (
        target(z[:, 0]) + setting.noise_std * rng.standard_normal(z.shape[0]) for z in (x, x_ridge, x_test)
    )
    w = rng.standard_normal((width, d))
    w /= np.linalg.norm(w, axis=1, keepdims=True)
    alpha = rng.standard_normal(width)
    if setting.readout == "rademacher":
        alpha = np.sign(alpha)
    elif setting.readout == "constant":
        alpha = np.ones(width)
    step = setting.step / math.sqrt(width)
    initial = w @ x.T
    residual = y - activation(initial).T @ alpha / width
    exact = w + step * alpha[:, None] * ((activation.derivative(initial) * residual) @ x) / n
    beta = x.T @ residual / n
    latent = rs.predict(setting, method="closed_form").latent
    factor = np.sqrt((1 + latent.drift * alpha) ** 2 + latent.inflation * alpha**2)
    c_1 = setting.activation_expansion.coefficients[1]
    isotropic = factor[:, None] * w + step * c_1 * alpha[:, None] * beta
    found = []
    for rows in (exact, isotropic):
        train, test = (activation(x_ridge @ rows.T), y_ridge), (activation(x_test @ rows.T), y_test)
        found += losses(train, test, setting.ridge)
    return tuple(found)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=16)
    parser.add_argument("--size", type=int, default=1200, help="n; d is half of it, the width two thirds")
    arguments = parser.parse_args()
    n = arguments.size
    print(f"at a step of sqrt(N), n = {n}, {arguments.trials} pairs; relative differences in per cent")
    heads = (f"{'exact':>16}", f"{'isotropic - exact':>20}", f"{'predicted':>12}", f"{'theory - exact':>22}")
    print(f"{'case':<26}", *heads, f"{'error bar':>12}", sep="")
    root = math.sqrt(arguments.trials)
    for name, given in CASES.items():
        values = dict(given)
        few = values.pop("few", False)
        d, width = (n, n) if few else (n // 2, 2 * n // 3)
        setting = rs.Setting(
            n=n // 2 if few else n,
            d=d,
            width=width,
            n_ridge=n,
            noise_std=0.0 if few else 0.4,
            ridge=0.02,
            step_size=math.sqrt(width),
            **values,
        )
        rng = np.random.default_rng(3)
        table = np.array([paired(setting, rng) for _ in range(arguments.trials)])
        prediction = rs.predict(setting)
        flat = rs.predict_losses(setting, features="isotropic")
        for k, quantity in enumerate(("objective", "test")):
            exact = table[:, k]
            difference = 100 * (table[:, 2 + k] - exact) / exact.mean()
            full = getattr(prediction.losses, quantity)
            predicted = 100 * (getattr(flat, quantity) / full - 1)
            bar = getattr(prediction.losses.error, quantity) / full
            rest, error = 100 * (full / exact.mean() - 1), 100 * exact.std(ddof=1) / root / exact.mean()
            print(
                f"{name + ', ' + quantity:<26}{exact.mean():>8.4f} ±{exact.std(ddof=1) / root:.4f}"
                f"{difference.mean():>12.2f} ±{difference.std(ddof=1) / root:.2f}"
                f"{predicted:>12.2f}{rest:>14.2f} ±{error:.2f}{100 * bar:>12.2f}"
            )


if __name__ == "__main__":
    main()
