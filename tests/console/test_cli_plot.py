"""The command `plot`: a file of each figure, and clear refusals."""

from pathlib import Path

import numpy as np
import pytest
from cli_tools import SETTING, run
from matplotlib import pyplot
from warm import run_command

from rmt_spikes import illustration
from rmt_spikes.illustration import FIGURES, Request, illustrate, read_range
from rmt_spikes.setting import Setting

STEPS = "step_exponent=0.1:0.4:3"
ARGUMENTS = {
    "spectrum": ("--trials", "2"),
    "losses": ("--against", STEPS, "--trials", "2"),
    "features": ("--trials", "2"),
    "residuals": ("--against", STEPS, "--trials", "2"),
    "phase_diagram": ("--against", STEPS, "--against", "noise_std=0:1:3"),
    "scaling": ("--against", "n=60:120:3", "--trials", "2"),
    "given": ("--trials", "2"),
}


@pytest.fixture
def setting(tmp_path: Path) -> str:
    path = tmp_path / "setting.toml"
    path.write_text(SETTING, encoding="utf-8")
    return str(path)


def test_every_figure_is_drawn(setting: str, tmp_path: Path) -> None:
    """The closed form is asked for: it takes milliseconds."""
    assert set(ARGUMENTS) == set(FIGURES)
    for name, arguments in ARGUMENTS.items():
        out = tmp_path / f"{name}.svg"
        options = ("--method", "closed_form", "--set", "n_ridge=120", "--jobs", "1", "--out", str(out))
        result = run("plot", name, setting, *arguments, *options)
        assert (result.exit_code, result.stdout) == (0, f"{out}\n"), f"{name}: {result.stderr}"
        assert b"<text" in out.read_bytes()
    assert not pyplot.get_fignums()


@pytest.mark.parametrize(
    "change",
    [
        "target={expression='z1 + z1*z2'}",
        "covariance={eigenvalues=[0.5, 1.5], proportions=[0.5, 0.5]}",
    ],
)
def test_figures_without_a_published_theory(setting: str, tmp_path: Path, change: str) -> None:
    """It is left out: it is about one direction in isotropic inputs."""
    for name, arguments in (("losses", ("--against", "ridge=0.05:0.1:2")), ("features", ())):
        out = tmp_path / f"{name}.svg"
        result = run("plot", name, setting, *arguments, "--set", change, "--jobs", "1", "--out", str(out))
        assert result.exit_code == 0, result.stderr
        drawing = out.read_text(encoding="utf-8")
        assert "theory" in drawing
        assert "published" not in drawing


def test_the_trained_weights_are_drawn(setting: str, tmp_path: Path) -> None:
    out = tmp_path / "weights.svg"
    options = ("--quantity", "weights", "--trials", "1", "--jobs", "1", "--out", str(out))
    result = run("plot", "spectrum", setting, *options)
    assert (result.exit_code, result.stdout) == (0, f"{out}\n"), result.stderr
    assert b"singular value of the trained W" in out.read_bytes()


def test_a_gain_is_what_the_step_takes_from_the_test_loss() -> None:
    setting = Setting(n=120, d=60, width=80, activation="relu", target="tanh", ridge=0.05, step_size=1.0)
    steps, noises = read_range("step_size=0:4:4"), read_range("noise_std=0.1:1:3")
    request = Request(setting=setting, against=(noises, steps), quantity="gain", method="closed_form")
    values = illustrate("phase_diagram", request).collections[0].get_array().reshape(4, 3)
    pyplot.close()
    np.testing.assert_allclose(values[0], 0.0, atol=1e-9)
    assert np.all(values[1:] > 0.0)


def test_a_setting_comes_from_standard_input(tmp_path: Path) -> None:
    out = tmp_path / "spectrum.pdf"
    result = run_command("plot", "spectrum", "-", "--method", "closed_form", "--out", str(out), text=SETTING)
    assert result.returncode == 0, result.stderr
    assert out.read_bytes().startswith(b"%PDF")


def test_progress_is_shown(setting: str, tmp_path: Path) -> None:
    out = str(tmp_path / "losses.png")
    result = run("plot", "losses", setting, *ARGUMENTS["losses"], "--method", "closed_form", "--out", out)
    # Warnings of the closed form's error bars come last.
    lines = [line for line in result.stderr.splitlines() if "warning: " not in line]
    assert "predicting 3/3" in lines
    assert "simulating 0/6" in lines, "the clock starts with the first trial, not at its end"
    assert lines[-1].startswith("simulating 6/6")


REFUSED = [
    ("spectrun", (), "FIGURE: must be one of", "did you mean 'spectrum'?"),
    ("spectrum", ("--against", STEPS), "--against: must be left out for spectrum", ""),
    ("spectrum", ("--spike", "1"), "--spike: must be left out for spectrum", ""),
    ("spectrum", ("--quantity", "weight"), "--quantity: must be one of features, weights", "'weights'?"),
    ("losses", ("--quantity", "gain"), "--quantity: must be left out for losses", ""),
    ("features", ("--spike", "4"), "--spike: must be the number of a predicted spike", ""),
    ("residuals", ("--trials", "1"), "--trials: must be 2 or more for this figure, got 1", ""),
    ("phase_diagram", ("--trials", "2"), "--trials: must be left out for phase_diagram", ""),
    (
        "phase_diagram",
        ("--against", STEPS),
        "--against: must be given twice for this figure, got 1",
        "such as",
    ),
    ("phase_diagram", ("--against", STEPS, "--against", "step_size=0:1:3"), "--against: must have two", ""),
    ("phase_diagram", (*ARGUMENTS["phase_diagram"], "--quantity", "gian"), "--quantity", "'gain'?"),
    ("scaling", ("--against", STEPS), "--against: must be n with three sizes at least", ""),
    ("losses", ("--against", "step_exponent"), "--against: must have the form KEY=A:B:N", ""),
    ("losses", ("--against", "step_exponent=0:x:3"), "--against: must have the form KEY=A:B:N", ""),
    (
        "losses",
        ("--against", "noise_sdt=0:1:3"),
        "--against: must have a key that is a number",
        "'noise_std'?",
    ),
    ("losses", ("--against", "activation=0:1:3"), "--against: must have a key that is a number", ""),
    ("losses", ("--against", "ridge=1:0:3"), "--against: must have A < B", ""),
    ("losses", ("--against", "ridge=0:inf:3"), "--against: must have A < B", ""),
    ("losses", ("--against", "noise_std=-1:1:3"), "noise_std: must be a number from 0", ""),
]


@pytest.mark.parametrize(("figure", "arguments", "message", "advice"), REFUSED)
def test_what_does_not_fit_is_refused(
    figure: str, arguments: tuple[str, ...], message: str, advice: str, setting: str, tmp_path: Path
) -> None:
    out = tmp_path / "figure.svg"
    result = run("plot", figure, setting, *arguments, "--out", str(out))
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert advice in result.stderr
    assert "Traceback" not in result.stderr
    assert not out.exists()


def test_a_file_is_refused_before_the_work(
    setting: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(illustration, "illustrate", None)
    for out, message in (
        ("a.jpg", "--out: must be one of svg, pdf, png"),
        ("", f"--out: must be one of svg, pdf, png, got '{tmp_path}'"),
        ("gone/a.svg", "folder that exists"),
    ):
        for given in (setting, "absent.toml"):
            result = run("plot", "spectrum", given, "--out", str(tmp_path / out))
            assert result.exit_code == 2
            assert message in result.stderr


def test_too_many_points_are_refused(setting: str, tmp_path: Path) -> None:
    ranges = ("--against", "noise_std=0:1:400", "--against", "ridge=0.1:1:400")
    result = run("plot", "phase_diagram", setting, *ranges, "--out", str(tmp_path / "a.svg"))
    assert result.exit_code == 2
    assert "--against: must make at most 100000 points, got 160000" in result.stderr


def test_whole_numbers_are_swept_as_such() -> None:
    key, values = read_range("n=10:20:5")
    assert key == "n"
    assert values.tolist() == [10, 12, 15, 18, 20]


def test_what_cannot_be_predicted_is_said(tmp_path: Path) -> None:
    """Some points of a curve fail with a warning, all but one end it."""
    setting = tmp_path / "setting.toml"
    setting.write_text(SETTING, encoding="utf-8")
    command = ["plot", "losses", str(setting), "--trials", "0", "--method", "closed_form", "--jobs", "1"]
    out = ["--out", str(tmp_path / "losses.png")]
    some = run(*command, *out, "--against", "step_size=0:100:4")
    assert some.exit_code == 0, some.stderr
    assert "1 of 4 points cannot be predicted: step_size: must give a step of at most" in some.stderr
    most = run(*command, *out, "--against", "step_size=0:1000:3")
    assert most.exit_code == 2
    assert "must make two points that can be predicted, got 2 of 3 that cannot" in most.stderr
    same = run("plot", "given", str(setting), "--set", "second_batch=same", *out)
    assert same.exit_code == 2
    assert "second_batch: must be 'fresh' for this figure" in same.stderr


def test_norms_of_rows_are_a_range() -> None:
    key, values = read_range("row_norm=0.5:2:4")
    assert (key, values.tolist()) == ("row_norm", [0.5, 1.0, 1.5, 2.0])
