"""How much of the scatter between networks a conditional prediction explains (docs/theory.md section 4.2).

Simulates the headline network at step exponent 0.4 and predicts each trial three times: from the setting
alone, given the realised first stage, and given both batches. Prints the standard deviations of observed
minus predicted and writes a figure. About three minutes on two cores.
"""

import argparse
import math

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import rmt_spikes as rs

SETTING = rs.Setting(
    n=3000, d=1500, width=2000, activation="relu", target={"hermite": [0, 1, 0.5**0.5]},
    noise_std=0.5, step_exponent=0.4, ridge=0.01,
)  # fmt: skip
NAMES = ("spike 1", "spike 2", "objective", "train", "test")
GIVEN = ("nothing given", "first stage given", "both batches given")


def numbers(prediction: rs.Prediction) -> list[float]:
    """Predicted counterparts of `NAMES`."""
    losses = prediction.losses
    spikes = [spike.singular_value for spike in prediction.spikes[:2]]
    return [*spikes, losses.objective, losses.train, losses.test]


def measure(trials: int, jobs: int) -> tuple[np.ndarray, np.ndarray]:
    """Observed values ``(trials, 5)`` and predictions ``(3, trials, 5)``."""
    observation = rs.simulate(SETTING, trials=trials, seed=5, jobs=jobs)
    observed, predicted = [], []
    alone = numbers(rs.predict(SETTING))
    for trial in observation.trials:
        observed.append([*trial.singular_values[:2], trial.objective, trial.train, trial.test])
        first = numbers(rs.predict(SETTING, given=trial.latent.first_stage()))
        both = numbers(rs.predict(SETTING, given=trial.latent))
        predicted.append([alone, first, both])
    return np.array(observed), np.swapaxes(np.array(predicted), 0, 1)


def floor(trials: int) -> tuple[float, float]:
    """Standard deviations of the objective: all redrawn, and with ``q, t``, labels and readout kept.

    A network of half the size whose rows grow alike in all directions: what no conditioning can explain.
    """
    setting = SETTING.replace(n=1500, n_ridge=1500, d=750, width=1000)
    n, d, width = setting.n, setting.d, setting.width
    latent = rs.predict(setting, method="closed_form").latent
    sine = math.sqrt(1 - latent.beta_cosine**2)
    rng = np.random.default_rng(0)

    def latents() -> tuple[np.ndarray, ...]:
        q, t = rng.standard_normal((2, n))
        labels = setting.target_function(latent.beta_cosine * q + sine * t)
        return q, t, labels + setting.noise_std * rng.standard_normal(n), rng.standard_normal(width)

    def objective(q: np.ndarray, t: np.ndarray, labels: np.ndarray, alpha: np.ndarray) -> float:
        x = rng.standard_normal((n, d))
        x[:, 0], x[:, 1] = q, t
        w = rng.standard_normal((width, d))
        w /= np.linalg.norm(w, axis=1, keepdims=True)
        scale = np.sqrt(1 + latent.inflation * alpha**2)
        features = setting.activation_function(scale * (x @ w.T) + latent.shift * q[:, None] * alpha)
        gram = features @ features.T / n
        gram[np.diag_indices(n)] += setting.ridge
        return setting.ridge * float(labels @ np.linalg.solve(gram, labels)) / n

    kept = latents()
    redrawn = [objective(*latents()) for _ in range(trials)]
    fixed = [objective(*kept) for _ in range(trials)]
    return float(np.std(redrawn, ddof=1)), float(np.std(fixed, ddof=1))


def draw(observed: np.ndarray, predicted: np.ndarray, path: str) -> None:
    """Observed minus predicted of every trial, in units of the unconditional standard deviation."""
    figure = Figure(figsize=(6.5, 2.8), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    residuals = observed - predicted
    scale = residuals[0].std(axis=0, ddof=1)
    for k, (name, colour, marker) in enumerate(
        zip(GIVEN, ("#767676", "#c55a11", "#1f5fa8"), "osD", strict=True)
    ):
        for j in range(len(NAMES)):
            x = j + 0.24 * (k - 1) + np.linspace(-0.07, 0.07, len(observed))
            axes.plot(
                x, residuals[k, :, j] / scale[j], marker, ms=3, color=colour, mew=0,
                label=name if j == 0 else None,
            )  # fmt: skip
    axes.axhline(0.0, color="black", lw=0.6)
    axes.set_xticks(range(len(NAMES)), NAMES)
    axes.set_ylabel("(observed \N{MINUS SIGN} predicted) / s.d.")
    axes.legend(loc="upper right", fontsize=7, ncols=3, frameon=False, bbox_to_anchor=(1.0, 1.14))
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Date": None} if path.endswith(".svg") else None)


def main() -> None:
    """Print the table and write the figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--figure", default="given.svg")
    arguments = parser.parse_args()
    observed, predicted = measure(arguments.trials, arguments.jobs)
    residuals = observed - predicted
    spread = residuals.std(axis=1, ddof=1)
    error = 1 / np.sqrt(2 * (arguments.trials - 1))
    print(f"standard deviation of observed minus predicted, {arguments.trials} trials (known to {error:.0%})")
    print(f"{'':<20}" + "".join(f"{name:>12}" for name in NAMES))
    for name, row in zip(GIVEN, spread, strict=True):
        print(f"{name:<20}" + "".join(f"{value:>12.4f}" for value in row))
    print("ratio to nothing given")
    for name, row in zip(GIVEN[1:], spread[0] / spread[1:], strict=True):
        print(f"{name:<20}" + "".join(f"{value:>12.2f}" for value in row))
    print("mean of observed minus predicted, in standard errors")
    for name, row in zip(GIVEN, residuals.mean(axis=1) / spread * np.sqrt(arguments.trials), strict=True):
        print(f"{name:<20}" + "".join(f"{value:>12.2f}" for value in row))
    free, fixed = floor(arguments.trials)
    print(f"objective at n = 1500: s.d. {free:.4f}; with q, t, labels and readout kept {fixed:.4f}")
    draw(observed, predicted, arguments.figure)


if __name__ == "__main__":
    main()
