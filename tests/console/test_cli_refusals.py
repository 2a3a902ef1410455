"""Bad input to the commands: exit status 2, the field or file named, a short message, no traceback."""

import math
import sys
from collections.abc import Sequence
from pathlib import Path
from unittest.mock import Mock

import pytest
import typer
from cli_tools import SETTING, case, run
from warm import run_command

from rmt_spikes import simulation, theory
from rmt_spikes.console.exits import reporting
from rmt_spikes.errors import ConvergenceError, DomainError, warn_of_accuracy

NOBODY = "--scheduler tcp://127.0.0.1:1"


def refused(arguments: Sequence[str], *mentions: str) -> None:
    result = run_command(*arguments)
    assert (result.returncode, result.stdout) == (2, ""), result.stderr
    assert "Traceback" not in result.stderr
    assert 1 <= len(result.stderr.splitlines()) < 20
    assert all(mention in result.stderr for mention in mentions)


def test_bad_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "binary.toml").write_bytes(bytes(range(256)))
    for name in ("absent.toml", "binary.toml", "."):
        refused(["predict", str(tmp_path / name)], str(tmp_path))


def test_bad_commands_are_refused(setting: str, tmp_path: Path) -> None:
    refused(["predikt"], "predikt")
    refused(["predict"], "SETTING.toml")
    refused(["predict", setting, "--method", "magic"], "method", "uniform")
    refused(["simulate", setting, "--trials", "0"], "--trials")
    refused(["validate"], "--out")
    refused(["validate", str(tmp_path / "no.toml"), "--out", str(tmp_path / "out")], "no.toml")
    assert not (tmp_path / "out").exists()
    refused(["derive", "chy"], "quantity", "did you mean chi?")
    refused(["validate", setting, "--out", str(tmp_path / "out")], "setting: must be", "got a setting alone")
    refused(["validate", "a", "--all", "--out", str(tmp_path / "out")], "cases: must be left out", "got a")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ("simulate x --trials abc", "Invalid value for '--trials': must be a valid integer, got 'abc'"),
        ("simulate x --trials=1.5", "Invalid value for '--trials': must be a valid integer, got '1.5'"),
        ("predict", "Missing argument 'SETTING.toml'"),
        ("predict --bogus", "No such option: --bogus"),
        ("--bogus", "No such option: --bogus"),
        ("predikt", "No such command 'predikt'"),
        ("predict a --digits", "Option '--digits' requires an argument"),
    ],
)
def test_a_wrong_command_line_is_answered_in_one_line(arguments: str, line: str) -> None:
    result = run(*arguments.split())
    assert (result.exit_code, result.stdout) == (2, "")
    name = arguments.split()[0]
    help_of = f"rmt-spikes {name}" if name in ("simulate", "predict") else "rmt-spikes"
    # Some versions of typer add what the command may have been.
    assert result.stderr.startswith(f"rmt-spikes: {line}")
    assert result.stderr.endswith(f"; see {help_of} --help\n")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "mentions"),
    [
        ("predict SETTING --set ridge=-1", ["ridge"]),
        ("predict SETTING --set n=1.5", ["n"]),
        ("predict SETTING --set n=nan", ["n"]),
        ("predict SETTING --set d=true", ["d"]),
        ("predict SETTING --set widht=80", ["width"]),
        ("predict SETTING --set step_size=1e9", ["step_size"]),
        ("predict SETTING --set activation=rleu", ["relu"]),
        ("predict SETTING --set activation={expression='__import__(\"os\").getcwd()'}", ["activation"]),
        ("predict SETTING --set target={hermite=[]}", ["target"]),
        ("predict SETTING --set nonsense", ["nonsense"]),
        (
            "predict SETTING --set n=1 --set step_size=1 --method limit",
            ["step_exponent", "no exponent at n = 1"],
        ),
        ("simulate SETTING --top 81", ["top: must be an integer from 1 to 80, got 81"]),
        ("simulate SETTING --spectrum all", ["spectrum: must be one of full, top, density, got 'all'"]),
        ("simulate SETTING --precision half", ["precision: must be one of double, single, got 'half'"]),
        ("simulate SETTING --memory nan", ["memory: must be a positive number of bytes, got nan"]),
        ("simulate SETTING --memory 1e4", ["memory: must be at least"]),
        ("simulate SETTING --memory 1GB", ["--memory"]),
        ("simulate SETTING --spread", ["spread: needs a scheduler, got True"]),
        (f"simulate SETTING --spread {NOBODY}", ['spectrum: must be "top" or "density" with spread']),
        (f"simulate SETTING --jobs 2 {NOBODY}", ["jobs: must be 1 with a scheduler"]),
        ("simulate SETTING --scheduler nowhere", ["scheduler: must be reachable"]),
        ("derive chi --spikes 2", ["spikes", "chi takes no options"]),
        ("derive improvement", ["spikes", "give --spikes a value"]),
        ("derive improvement --spikes many", ["spikes", "an integer from 1 to 12", "or l"]),
        ("derive chi --list", ["--list", "stands alone"]),
        ("derive --spikes 2", ["--list", "stands alone"]),
        ("derive chi --json --latex", ["--latex", "--json", "the LaTeX as well"]),
        ("derive \x1b[31m\x07", []),
    ],
)
def test_bad_arguments_are_refused(setting: str, arguments: str, mentions: list[str]) -> None:
    result = run(*(setting if word == "SETTING" else word for word in arguments.split()))
    assert (result.exit_code, result.stdout) == (2, "")
    assert 1 <= len(result.stderr.splitlines()) < 20
    assert all(mention in result.stderr for mention in mentions)
    assert "\x1b" not in result.stderr


def test_a_scheduler_without_dask_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    result = run("validate", case(tmp_path, 0.9, 0.9), "--out", str(tmp_path / "out"), *NOBODY.split())
    assert (result.exit_code, result.stdout) == (2, "")
    assert "scheduler: needs dask" in result.stderr


def test_no_convergence_is_inconclusive(setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    failure = ConvergenceError("no solution", residual=math.nan)
    monkeypatch.setattr(theory, "predict", Mock(side_effect=failure))
    result = run("predict", setting)
    assert (result.exit_code, result.stdout) == (3, "")
    assert "no solution" in result.stderr


def test_no_memory_is_bad_input(setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulation, "simulate", Mock(side_effect=MemoryError))
    result = run("simulate", setting)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "not enough memory" in result.stderr


def test_warnings_come_before_the_error(capsys: pytest.CaptureFixture[str]) -> None:
    def warned_and_failed() -> None:
        with reporting():
            warn_of_accuracy("norms are linearised")
            raise DomainError("ridge", "must be above 0", 0.0)

    with pytest.raises(typer.Exit):
        warned_and_failed()
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "rmt-spikes: warning: norms are linearised"
    assert lines[1:] == ["rmt-spikes: ridge: must be above 0, got 0.0"]


def test_simulate_says_nothing_of_its_progress_before_it_refuses(tmp_path: Path) -> None:
    result = run("simulate", _setting(tmp_path), "--top", "0", "--trials", "2")
    assert (result.exit_code, result.stderr) == (
        2,
        "rmt-spikes: top: must be an integer from 1 to 80, got 0\n",
    )


@pytest.mark.parametrize("method", ["closed_form", "limit"])
def test_predict_refuses_the_trained_layer_before_it_predicts(tmp_path: Path, method: str) -> None:
    """Without a word of the bulk, whose error bar is above 5 % with these methods."""
    result = run("predict", _setting(tmp_path), "--weights", "--method", method)
    expected = f"must be 'uniform' or 'one_batch' for the spectrum of the trained weights, got '{method}'"
    assert (result.exit_code, result.stderr) == (2, f"rmt-spikes: method: {expected}\n")


def _setting(folder: Path) -> str:
    path = folder / "setting.toml"
    path.write_text(SETTING, encoding="utf-8")
    return str(path)
