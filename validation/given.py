"""How much of the scatter between networks a conditional prediction explains (docs/theory.md section 4.2).

Simulates the headline network at step exponent 0.4 and predicts each trial three times: from the setting
alone, given the realised first stage, and given both batches. Prints the standard deviations of observed
minus predicted and writes a figure. About three minutes on two cores.
"""

import argparse
import math

import matplotlib.pyplot as plt
import numpy as np

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


def predict(observation: rs.Observation) -> dict[str, list[rs.Prediction]]:
    """Predictions of each trial, by what they take as given (`GIVEN`)."""
    latent = [trial.latent for trial in observation.trials]
    alone = rs.predict(SETTING)
    lists = (
        [alone] * len(latent),
        [rs.predict(SETTING, given=each.first_stage()) for each in latent],
        [rs.predict(SETTING, given=each) for each in latent],
    )
    return dict(zip(GIVEN, lists, strict=True))


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


def main() -> None:
    """Print the table and write the figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--figure", default="given.svg")
    arguments = parser.parse_args()
    observation = rs.simulate(SETTING, trials=arguments.trials, seed=5, jobs=arguments.jobs)
    predictions = predict(observation)
    observed = np.array(
        [[*each.singular_values[:2], each.objective, each.train, each.test] for each in observation.trials]
    )
    predicted = np.array([[numbers(each) for each in found] for found in predictions.values()])
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
    with rs.plot.style():
        _, axes = plt.subplots(figsize=(6.5, 2.8), layout="constrained")
        rs.plot.save(rs.plot.given(observation, predictions, ax=axes), arguments.figure)


if __name__ == "__main__":
    main()
