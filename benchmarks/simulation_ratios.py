"""Time of one simulated trial as ratios to its unavoidable work and to an obvious script, in the same run.

Unavoidable are the matrix products (preactivations of both batches, gradient, Gram matrices of the features
and, for the test loss, of the rows) and one symmetric eigenproblem, each by the fastest routine that numpy
and scipy offer, with its result allocated before. The obvious script works in float64, decomposes the
features by `numpy.linalg.svd` and takes 20,000 fresh samples for the test loss. All are timed in turn.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
from scipy.linalg import blas
from threadpoolctl import threadpool_info

import rmt_spikes as rs
from rmt_spikes.simulation.network.model import Model
from rmt_spikes.simulation.network.sampling import draw_readout, draw_weights, open_streams

TEST_SAMPLES = 20_000
PAUSE = 0.2
ROWS = "Gram matrix of the rows"


def headline(n: int) -> rs.Setting:
    """The setting of section 9 of the theory at another size."""
    return rs.Setting(
        n=n, d=n // 2, width=2 * n // 3, activation="relu", target={"hermite": [0, 1, 0.5**0.5]},
        noise_std=0.5, step_exponent=0.4, ridge=0.01,
    )  # fmt: skip


def seconds(function: Callable[[], object], clock: Callable[[], float]) -> float:
    """Time of one call, after a pause in which idle threads of another BLAS give the processors back."""
    time.sleep(PAUSE)
    start = clock()
    function()
    return clock() - start


def unavoidable(setting: rs.Setting) -> dict[str, Callable[[], object]]:
    """The parts of the work that no exact simulation can leave out."""
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((setting.n, setting.d))
    weights = rng.standard_normal((setting.width, setting.d)) / setting.d**0.5
    pre = inputs @ weights.T
    gradient = np.empty_like(weights)
    gram = pre.T @ pre / setting.n
    rows = np.zeros_like(gram, order="F")
    return {
        "preactivations, twice": lambda: [np.matmul(inputs, weights.T, out=pre) for _ in range(2)],
        "gradient": lambda: np.matmul(pre.T, inputs, out=gradient),
        "Gram matrix of the features": lambda: blas.dsyrk(1.0, pre.T, c=rows, lower=1, overwrite_c=1),
        ROWS: lambda: blas.dsyrk(1.0, weights.T, trans=1, c=rows, lower=1, overwrite_c=1),
        "eigenvalues": lambda: np.linalg.eigvalsh(gram),
    }


def obvious(setting: rs.Setting) -> dict[str, float]:
    """The trial as one would write it down, on the same random numbers; test samples apart."""
    streams = open_streams(0, 0)
    n, d, m = setting.n, setting.d, setting.n_ridge
    activation, target = setting.activation_function, setting.target_function
    model = Model.of(setting)
    weights, alpha = draw_weights(model, streams.weights), draw_readout(model, streams.readout)
    a = alpha / setting.width**0.5
    x = streams.first_inputs.standard_normal((n, d))
    y = target(x[:, 0]) + setting.noise_std * streams.first_noise.standard_normal(n)
    pre = x @ weights.T
    residual = y - activation(pre) @ a / setting.width**0.5
    weights = (
        weights + setting.step * a[:, None] * ((activation.derivative(pre) * residual[:, None]).T @ x) / n
    )
    x2 = streams.second_inputs.standard_normal((m, d))
    y2 = target(x2[:, 0]) + setting.noise_std * streams.second_noise.standard_normal(m)
    features = activation(x2 @ weights.T)
    _left, values, _right = np.linalg.svd(features / m**0.5, full_matrices=False)
    gram = features.T @ features / m + setting.ridge * np.eye(setting.width)
    fitted = np.linalg.solve(gram, features.T @ y2 / m)
    train = float(np.mean((y2 - features @ fitted) ** 2))
    x3 = np.random.default_rng(1).standard_normal((TEST_SAMPLES, d))
    errors = (target(x3[:, 0]) - activation(x3 @ weights.T) @ fitted) ** 2 + setting.noise_std**2
    return {
        "objective": train + setting.ridge * float(fitted @ fitted),
        "train": train,
        "singular value 1": float(values[0]),
        "singular value 2": float(values[1]),
        "median singular value": float(np.median(values)),
        "test": float(errors.mean()),
        "test_error": float(errors.std() / TEST_SAMPLES**0.5),
    }


def figures(trial: rs.Trial) -> dict[str, float]:
    """The same of a trial."""
    return {
        "objective": trial.objective,
        "train": trial.train,
        "singular value 1": float(trial.singular_values[0]),
        "singular value 2": float(trial.singular_values[1]),
        "median singular value": float(np.median(trial.singular_values)),
    }


def describe(values: list[float]) -> str:
    """Median and range."""
    return f"{statistics.median(values):7.2f}   ({min(values):.2f} to {max(values):.2f})"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-script", action="store_true", help="leave the obvious script out")
    arguments = parser.parse_args()
    setting = headline(arguments.n)
    kernels = {pool["architecture"] for pool in threadpool_info() if pool["user_api"] == "blas"}
    threads = max(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")
    # With one thread the time of the processor is what counts, and other programs do not add to it.
    clock, unit = (time.process_time, "processor") if threads == 1 else (time.perf_counter, "wall clock")
    print(f"n = n_ridge = {setting.n}, d = {setting.d}, width = {setting.width}, {arguments.rounds} rounds")
    print(f"BLAS kernel {', '.join(sorted(kernels))}, threads: {threads}, seconds of the {unit}")
    parts = unavoidable(setting)
    routes = {"double": {"precision": "double"}, "single": {"precision": "single"}}
    trials = {name: rs.simulate(setting, trials=1, **route).trials[0] for name, route in routes.items()}
    floor: list[dict[str, float]] = []
    plain: list[float] = []
    ours: dict[str, list[float]] = {name: [] for name in routes}
    script: dict[str, float] = {}
    for _ in range(arguments.rounds):
        floor.append({name: seconds(part, clock) for name, part in parts.items()})
        for name, route in routes.items():
            ours[name].append(seconds(lambda route=route: rs.simulate(setting, trials=1, **route), clock))
        if not arguments.no_script:
            plain.append(seconds(lambda: script.update(obvious(setting)), clock))
    print(f"\n{'unavoidable work':<40}{'seconds, least of the rounds':>30}")
    least = {name: min(each[name] for each in floor) for name in parts}
    for name, value in least.items():
        print(f"{name:<40}{value:>30.3f}")
    sums = [sum(each.values()) for each in floor]
    print(f"\n{'ratio':<50}{'of least times':>14}   each round: median   (range)       aim")
    for name, times in ours.items():
        over = [one / other for one, other in zip(times, sums, strict=True)]
        quotient = min(times) / sum(least.values())
        label = f"simulate, {name}, over the unavoidable work"
        print(f"{label:<50}{quotient:>14.2f}        {describe(over)}   <= 1.5")
        if plain:
            under = [one / other for one, other in zip(plain, times, strict=True)]
            label = f"the obvious script over simulate, {name}"
            print(f"{label:<50}{min(plain) / min(times):>14.2f}        {describe(under)}   >= 5")
    bare = sum(value for name, value in least.items() if name != ROWS)
    for name, times in ours.items():
        print(f"simulate, {name}, over the same without the test loss's Gram matrix: {min(times) / bare:.2f}")
    print(f"least seconds: unavoidable {sum(least.values()):.2f}", end="")
    print("".join(f", simulate {name} {min(times):.2f}" for name, times in ours.items()), end="")
    print(f", obvious {min(plain):.2f}" if plain else "")
    if plain:
        report_differences(trials, script)


def report_differences(trials: dict[str, rs.Trial], script: dict[str, float]) -> None:
    """Print how far the figures are from those of the obvious script."""
    print("\nrelative difference from the obvious script")
    for name, trial in trials.items():
        for key, value in figures(trial).items():
            print(f"{name:<10}{key:<26}{value / script[key] - 1:>12.1e}")
        score = (trial.test - script["test"]) / script["test_error"]
        print(
            f"{name:<10}test: {trial.test:.8f} (bound {trial.test_error:.0e}); the script samples "
            f"{script['test']:.4f} ({script['test_error']:.4f}), {score:+.2f} standard errors apart"
        )


if __name__ == "__main__":
    main()
