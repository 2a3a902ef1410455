"""Commands: exit statuses, one JSON document, short messages, tables, and a fast start."""

import inspect
import json
import resource
from importlib import metadata
from pathlib import Path
from typing import Any
from unittest.mock import ANY, Mock

import numpy as np
import pytest
from cli_tools import run, run_cold, strict
from distributed import Client, LocalCluster
from rich.console import Console
from warm import run_command

from rmt_spikes import simulation
from rmt_spikes.console import tables as terminal
from rmt_spikes.setting import Setting
from rmt_spikes.simulation import Observation, simulate
from rmt_spikes.theory import predict


def test_help_is_immediate() -> None:
    """0.3 s of CPU at most; 0.06 s was measured, the least of three runs being undisturbed."""
    spent = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert run_cold("--help").returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(spent) < 0.3


@pytest.mark.parametrize("name", ["predict", "simulate", "validate", "derive"])
def test_every_command_has_help(name: str) -> None:
    result = run(name, "--help")
    assert result.exit_code == 0
    assert "--json" in result.stdout


def test_predict_prints_one_document(setting: str) -> None:
    result = run("predict", setting, "--json")
    assert result.exit_code == 0
    assert all("warning: " in line and "above 5 %" in line for line in result.stderr.splitlines())
    assert strict(result.stdout) == predict(Setting.from_toml(setting)).to_dict()


def test_predict_options(setting: str) -> None:
    arguments = ("--set", "step_exponent=0.3", "--set", "readout=rademacher", "--method", "closed_form")
    document = strict(run("predict", setting, *arguments, "--features", "published", "--json").stdout)
    assert document["setting"].items() >= {"step_exponent": 0.3, "readout": "rademacher"}.items()
    assert (document["method"], document["features"]) == ("closed_form", "published")
    assert document["latent"]["chi"] == 0.0
    # The exponent of step 0 is minus infinity, which JSON does not have.
    document = strict(run("predict", setting, "--set", "step_size=0", "--json").stdout)
    assert document["regime"]["step_exponent"] is None


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(["--method", "uniform"], marks=pytest.mark.thorough),
        ["--method", "closed_form"],
        ["--digits", "16"],
    ],
)
def test_no_exponent_at_one_sample(setting: str, options: list[str]) -> None:
    """``log(step)/log(1)`` is not defined: no regime and no limit, but everything else."""
    changes = ("--set", "n=1", "--set", "n_ridge=100", "--set", "step_size=1", *options)
    document = strict(run("predict", setting, *changes, "--json").stdout)
    assert document["regime"] == {"step_exponent": None, "degree": None, "spike_count": None}
    assert document["limits"] is None
    assert float(document["losses"]["test"]) > 0.25  # the label noise
    if "closed_form" in options:
        assert "no step exponent is defined at n = 1" in run("predict", setting, *changes).stdout


def test_simulate_prints_one_document(setting: str) -> None:
    result = run("simulate", setting, "--trials", "3", "--seed", "5", "--json")
    assert result.exit_code == 0
    observation = simulate(Setting.from_toml(setting), trials=3, seed=5)
    assert strict(result.stdout) == observation.to_dict()
    assert result.stderr.splitlines()[-1].startswith("simulating 3/3")


def test_simulate_passes_its_options_on(setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Mock(return_value=simulate(Setting.from_toml(setting), trials=1))
    monkeypatch.setattr(simulation, "simulate", watched)
    numbers = ("--trials", "3", "--seed", "2", "--jobs", "4", "--top", "2", "--memory", "2.5e8")
    words = ("--spectrum", "density", "--precision", "single", "--scheduler", "tcp://host:1", "--spread")
    words += ("--weights",)
    assert run("simulate", setting, *numbers, *words).exit_code == 0
    asked = {"trials": 3, "seed": 2, "jobs": 4, "top": 2, "memory": 2.5e8, "spread": True, "on_trial": ANY}
    asked |= {"spectrum": "density", "precision": "single", "scheduler": "tcp://host:1", "weights": True}
    asked["on_start"] = ANY
    assert watched.call_args.kwargs == asked
    assert run("simulate", setting).exit_code == 0
    by_default = {name: each.default for name, each in inspect.signature(simulate).parameters.items()}
    by_default["on_trial"] = by_default["on_start"] = ANY
    given = watched.call_args.kwargs
    assert given == {name: by_default[name] for name in given}


def test_simulate_with_options_prints_what_simulate_finds(setting: str) -> None:
    arguments = ("--trials", "2", "--spectrum", "density", "--precision", "single", "--top", "3")
    result = run("simulate", setting, *arguments, "--memory", "1e8", "--json")
    assert result.exit_code == 0, result.stderr
    options = {"spectrum": "density", "precision": "single", "top": 3, "memory": 1e8}
    found = simulate(Setting.from_toml(setting), trials=2, **options)
    document = strict(result.stdout)
    assert document == found.to_dict()
    assert len(document["spikes"]) == 3
    density = document["bulk"]["density"]
    each = [trial.density for trial in found.trials]
    means = np.array([value["mean"] for value in density["values"]])
    # Means of both have the mean of their masses; interpolation on a curve of some twenty points, 1 %.
    masses = [np.trapezoid(values[:, 1], values[:, 0]) for values in each]
    assert np.trapezoid(means, density["points"]) == pytest.approx(np.mean(masses), rel=0.03)
    assert density["points"][-1] == max(values[-1, 0] for values in each)
    alone = Observation(setting=found.setting, seed=0, trials=found.trials[:1]).to_dict()["bulk"]["density"]
    assert [value["mean"] for value in alone["values"]] == each[0][:, 1].tolist()
    assert "density" not in simulate(Setting.from_toml(setting), trials=1).to_dict()["bulk"]
    assert run("simulate", setting, *arguments).exit_code == 0


def test_simulate_on_a_cluster_leaves_it_as_it_was(setting: str) -> None:
    options = {"n_workers": 1, "threads_per_worker": 1, "processes": False, "dashboard_address": ":0"}
    with LocalCluster(**options) as cluster:
        arguments = ("--trials", "1", "--scheduler", cluster.scheduler_address, "--json")
        result = run("simulate", setting, *arguments)
        assert result.exit_code == 0, result.stderr
        here = simulate(Setting.from_toml(setting), trials=1).to_dict()
        there = strict(result.stdout)
        for name, value in here["losses"].items():
            assert there["losses"][name]["mean"] == pytest.approx(value["mean"], rel=1e-10)
        spread = run("simulate", setting, *arguments, "--spread", "--spectrum", "top", "--top", "2")
        assert spread.exit_code == 0, spread.stderr
        losses = strict(spread.stdout)["losses"]
        # Conjugate gradients stop at 1e-11 of the right-hand side, the condition number is below 1e3.
        assert losses["test"]["mean"] == pytest.approx(here["losses"]["test"]["mean"], rel=1e-8)
        with Client(cluster, set_as_default=False) as client:
            known = [client.scheduler_info()["id"], *cluster.scheduler.clients]
            assert [name for name in known if name.startswith("Client-")] == [client.id]


def test_tables_are_printed(setting: str) -> None:
    result = run("predict", setting)
    assert result.exit_code == 0
    assert "Prediction: method uniform, corrected features, step exponent 0.4" in result.stdout
    result = run("simulate", setting, "--trials", "2")
    assert result.exit_code == 0
    assert "Simulation: trials 2, seed 0; mean(error of the last digits)" in result.stdout


PREDICTION = {
    "method": "uniform",
    "features": "corrected",
    "regime": {"step_exponent": 0.4, "degree": 4, "spike_count": 3},
    "latent": {"beta_norm2": 2.125, "beta_cosine": 0.68599},
    "losses": {"objective": 0.530412, "train": 0.45304, "test": 2.82163}
    | {"error": {"objective": 0.00211, "train": 0.0018, "test": 0.0123}},
    "spikes": [
        {"singular_value": 9.0239, "error": 0.0412, "distance": 1575.6, "critical_step_size": 1.97134}
        | {"alignment": [0.0, 0.9943, 1e-33, None, 0.0]}
    ],
    "bulk": {"edges": [[0.0782379, 1.4587889]], "atom_at_zero": 0.25, "error": 0.0031}
    | {"quantiles": {"0.5": 0.431902}},
    "limits": {
        "corrected": {"objective": 0.5312, "test": 2.691},
        "published": {"objective": 0.53, "test": 2.6},
    },
    "certificate": {"mass": 1.0, "residual": 4e-14},
}
TABLE = """\
Prediction: method uniform, corrected features, step exponent 0.4

latent
───────────────────
beta_norm2    2.125
beta_cosine   0.686


losses               error bar
──────────────────────────────
objective   0.5304     ±0.0021
train        0.453     ±0.0018
test         2.822      ±0.012


spike                1
──────────────────────
value            9.024
error bar       ±0.041
distance          1576
critical_step    1.971
He_0            0.0000
He_1            0.9943
He_2            0.0000
He_3                 -
He_4            0.0000

He_k: squared correlation of the left singular vector with He_k(q); --explain says what each row is


bulk quantile   singular value
──────────────────────────────
0.5                     0.4319

error bar of these quantiles 0.31%
bulk from 0.0782379 to 1.45879
share of zeros 0.25
regime 4: 3 spikes as n grows, with the losses

limit       corrected   published
─────────────────────────────────
objective      0.5312        0.53
test            2.691         2.6

certificate: mass 1.00000000, residual 4e-14
"""


def printed(document: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> list[str]:
    terminal.print_prediction(document, Console(width=80, highlight=False, color_system=None))
    return [line.strip() for line in capsys.readouterr().out.splitlines()]


def test_table_of_a_prediction(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(PREDICTION, capsys) == TABLE.splitlines()


@pytest.mark.parametrize(
    ("exponent", "title", "why"),
    [
        (0.5, ", step exponent 0.5", "the step exponent is not below 0.49"),
        (None, "", "no step exponent is defined at n = 1"),
        (
            0.4,
            ", step exponent 0.4",
            "none for several directions, a covariance or one batch",
        ),
    ],
)
def test_table_without_spikes(
    capsys: pytest.CaptureFixture[str], exponent: float | None, title: str, why: str
) -> None:
    regime = {"step_exponent": exponent}
    lines = printed({**PREDICTION, "spikes": [], "regime": regime, "limits": None}, capsys)
    assert lines[0] == f"Prediction: method uniform, corrected features{title}"
    assert "no spike outside the bulk" in lines
    assert f"no limit for growing n: {why}" in lines


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0.123456, "0.1235"),
        (1e-33, "0"),
        ({"mean": 0.53041, "se": 0.00461}, "0.5304(46)"),
        ({"mean": 15.4668, "se": 0.1702}, "15.47(17)"),
        ({"mean": 123.4, "se": 12.0}, "123(12)"),
        ({"mean": 0.5, "se": 1e-9}, "0.500000(0)"),
        ({"mean": 0.5, "se": None}, "0.5"),
        ({"mean": 0.0, "se": 0.0}, "0"),
    ],
)
def test_cells(value: Any, text: str) -> None:
    assert terminal.cell(value) == text


def test_derive() -> None:
    result = run("derive", "feature-2")
    assert result.exit_code == 0
    assert "  p_2 = chi + q**2" in result.stdout.splitlines()
    assert "nu / s^2" in result.stdout
    assert run("derive", "feature", "--degree", "2", "--latex").stdout == "p_2 = \\chi + q^{2}\n"
    document = strict(run("derive", "feature-2", "--json").stdout)
    assert set(document["symbols"]) == {"chi", "q"}
    assert document["srepr"]["right"].startswith("Add(")


def test_derive_passes_its_options_on() -> None:
    every = ("--features", "published", "--loss", "test", "--intercept", "--missing", "3")
    document = strict(run("derive", "improvement", "--spikes", "4", *every, "--json").stdout)
    asked = {"spikes": 4, "features": "published", "loss": "test", "intercept": True, "missing": "3"}
    assert document["options"] == asked
    document = strict(run("derive", "hermite", "--activation", "erf", "--json").stdout)
    assert document["options"] == {"activation": "erf"}
    assert run("derive", "published-equation", "--number", "2").exit_code == 0
    latex = run("derive", "improvement", "--spikes", "3", "--features", "corrected", "--latex").stdout
    assert latex.startswith("Delta_3 = ")
    assert r"\frac{4 c_{*,2}^{2} \rho^{2}}{\chi^{2} + 2 \chi + 3}" in latex
    assert "l/2" in run("derive", "improvement", "--spikes", "l").stdout


def test_derive_lists_what_it_knows() -> None:
    lines = run("derive", "--list").stdout.splitlines()
    names = [line.partition(":")[0] for line in lines if not line.startswith(" ")]
    assert {"chi", "marchenko-pastur", "improvement", "bulk"} <= set(names)
    assert "    --spikes  (required)" in lines
    assert run("derive").stdout.splitlines() == lines
    assert strict(run("derive", "--list", "--json").stdout)["quantities"] == names


def test_a_setting_from_standard_input(setting: str) -> None:
    """The same document as from the file; an error names standard input."""
    text = Path(setting).read_text(encoding="utf-8")
    piped = run_command("predict", "-", "--method", "closed_form", "--json", text=text)
    assert json.loads(piped.stdout) == json.loads(
        run_command("predict", setting, "--method", "closed_form", "--json").stdout
    )
    wrong = run_command("predict", "-", text=text.replace("n = 120", "n = -1"))
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "standard input: n: " in wrong.stderr


def test_version() -> None:
    assert run_cold("--version").stdout == f"rmt-spikes {metadata.version('rmt-spikes')}\n"
