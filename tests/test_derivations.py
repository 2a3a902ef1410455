"""Every derivation runs and ends in an assertion; the traceability table lists what there is, no more."""

import shutil
import subprocess
from pathlib import Path

import pytest
import traceability_rules as rules
from usual import without
from warm import run_script

from rmt_spikes import theory

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = sorted((ROOT / "theory").glob("*.py"))


def run(path: Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a script by itself, warnings but those of error bars being errors, from another folder."""
    return run_script(path, cwd, "error bar above")


# These take 5 to 10 seconds each; the build of the documentation runs all.
LONG = [path for path in SCRIPTS if path.stem[:2] in {"01", "06", "08", "13", "16", "19"}]


@pytest.mark.parametrize("script", without(LONG, SCRIPTS), ids=lambda path: path.stem)
def test_a_derivation_holds(script: Path, tmp_path: Path) -> None:
    assert rules.script_violations(script) == []
    result = run(script, tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout == ""


def test_a_derivation_that_does_not_hold_fails(tmp_path: Path) -> None:
    """The script that finds 4/3 for the second spike, told that it is 5/3."""
    text = (ROOT / "theory" / "06_improvement.py").read_text(encoding="utf-8")
    wrong = text.replace("delta_2 = delta_1 + sp.Rational(4, 3)", "delta_2 = delta_1 + sp.Rational(5, 3)")
    assert wrong != text
    script = tmp_path / "wrong.py"
    # What comes later is of no interest here.
    script.write_text(wrong[: wrong.index("# The correction turns")], encoding="utf-8")
    result = run(script, tmp_path)
    assert result.returncode == 1
    assert "AssertionError" in result.stderr


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("import sympy\n\nassert True\n", "title"),
        ("# %% [markdown]\n# Text\n\n# %%\nassert True\n", "title"),
        ("# %% [markdown]\n# # Title\n\n# %%\nassert True\nprint()\n", "assertion"),
        ("# %% [markdown]\n# # Title\nText = 1\n\n# %%\nassert True\n", "prose"),
        ("# %% [markdown]\n# # Title\n\n# %% [raw]\nassert True\n", "mark"),
    ],
)
def test_what_is_not_a_derivation_is_seen(tmp_path: Path, text: str, part: str) -> None:
    script = tmp_path / "script.py"
    script.write_text(text, encoding="utf-8")
    (found,) = rules.script_violations(script)
    assert part in found


def test_the_table_lists_what_there_is() -> None:
    assert len(SCRIPTS) >= 9
    assert rules.table_violations(ROOT / "theory" / "README.md", theory) == []


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The table beside empty files of the right names."""
    for folder in ("theory", "validation", "tests", "docs", "rmt_spikes"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in {".toml", ".json", ".py", ".md"}:
                target = tmp_path / path.relative_to(ROOT)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.touch()
    readme = tmp_path / "theory" / "README.md"
    shutil.copy(ROOT / "theory" / "README.md", readme)
    assert rules.table_violations(readme, theory) == []
    return readme


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("`limit_losses`, ", "", "limit_losses has no row"),
        ("`Spike.profile`, ", "", "Spike.profile has no row"),
        ("`symbolic.improvement`, ", "", "symbolic.improvement has no row"),
        ("`regime_degree`", "`regime_degree`, `regime_number`", "regime_number is listed, but missing"),
        ("`Losses.test`", "`Losses.test`, `Losses.best`", "Losses.best is listed, but missing"),
        ("`regime_degree`", "`regime_degree`, `predict`", "predict is listed twice"),
        ("[05](05_published_fixed_point.py)", "[05](05_published.py)", "05_published.py does not exist"),
        ("[05](05_published_fixed_point.py)", "[05](06_improvement.py)", "fixed_point.py is not listed"),
        ("[05](05_published_fixed_point.py)", "none", "published equations: no file under derivation"),
        ("[quadrature](../tests/functions/test_hermite.py)", "yes", "no file under cases"),
    ],
)
def test_a_wrong_table_is_seen(copy: Path, old: str, new: str, message: str) -> None:
    text = copy.read_text(encoding="utf-8")
    assert old in text
    copy.write_text(text.replace(old, new), encoding="utf-8")
    assert any(message in violation for violation in rules.table_violations(copy, theory))


def test_an_unlisted_file_is_seen(copy: Path) -> None:
    (copy.parent / "99_more.py").touch()
    (copy.parent.parent / rules.CASES / "more.toml").touch()
    found = rules.table_violations(copy, theory)
    assert sorted(found) == ["99_more.py is not listed", "more.toml is not listed"]
