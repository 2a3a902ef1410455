"""The survey of random settings: it goes on where it was stopped, and its table has the bounds of rates."""

import csv
import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

FILE = Path(__file__).resolve().parents[1] / "benchmarks" / "random_settings.py"


@pytest.fixture(scope="module")
def survey() -> Any:
    spec = importlib.util.spec_from_file_location("random_settings", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def quick(survey: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the survey with predictions that take no time: one in ten has no losses, one in five is slow."""
    asked: list[int] = []

    def predicted(keywords: dict[str, Any], parts: tuple[str, ...]) -> dict[str, Any]:
        index = keywords["index"]
        asked.append(index)
        error = "ConvergenceError: none" if index % 10 == 0 else None
        return {part: [4.0 if index % 5 == 0 else 0.1, error, []] for part in parts}

    monkeypatch.setattr(survey, "predicted", predicted)
    monkeypatch.setattr(survey, "named", lambda seed, index: {"index": index})
    monkeypatch.setattr(survey, "asked", asked, raising=False)
    return survey


def test_it_goes_on_where_it_was_stopped(quick: Any, tmp_path: Path) -> None:
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    quick.stream(7, 40, 5, whole)
    quick.stream(7, 23, 5, stopped)
    stopped.write_text(stopped.read_text()[:-9])
    quick.asked.clear()
    quick.stream(7, 40, 5, stopped)
    assert quick.asked == list(range(22, 40))
    assert stopped.read_text() == whole.read_text()
    assert [json.loads(line)["index"] for line in whole.read_text().splitlines()] == list(range(40))
    with pytest.raises(SystemExit, match=r"other seeds than 8, got \[7\]"):
        quick.stream(8, 40, 5, whole)


def test_a_part_that_takes_too_long_fails(survey: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless:
        losses = 1.0

        @property
        def bulk(self) -> None:
            while True:
                pass

    monkeypatch.setattr(survey.rs, "predict", lambda setting: Endless())
    monkeypatch.setattr(survey, "LIMIT", 0.05)
    sizes = {"n": 100, "d": 50, "width": 80, "activation": "relu", "target": "relu", "ridge": 0.1}
    found = survey.predicted(sizes | {"step_size": 1.0}, ("losses", "bulk"))
    assert found["losses"][1] is None
    assert found["bulk"][1] == "TimeLimitError: not done after 0.05 s"


def test_the_table_has_counts_and_bounds(quick: Any, tmp_path: Path) -> None:
    """Of ``n`` that never fail the rate is at most ``1 - .025^(1/n)``, by 0.975."""
    out, table = tmp_path / "rows", tmp_path / "table.csv"
    for seed, count in ((1, 40), (2, 9), (1, 60)):
        out.unlink(missing_ok=True)
        quick.stream(seed, count, 5, out)
        quick.record(table, quick.counted(quick.rows_of(out, seed)))
    with table.open(newline="") as file:
        lines = {(row["seed"], row["part"]): row for row in csv.DictReader(file)}
    assert len(lines) == 6
    losses = lines["1", "losses"]
    assert [losses[name] for name in ("settings", "predicted", "failed", "above_3_s")] == [
        "60",
        "60",
        "6",
        "12",
    ]
    assert lines["1", "bulk"]["predicted"] == "12"
    rows = [row for row in quick.rows_of(out, 1) if row["index"] % 10]
    for line in quick.counted(rows):
        bound = 1.0 - 0.025 ** (1.0 / line["predicted"])
        assert float(line["to"]) == pytest.approx(bound, abs=1e-6)
        assert line["failed"] == 0
