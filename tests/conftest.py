"""Settings that make every run of the tests the same run."""

import fcntl
import os
import pickle
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from rmt_spikes.validation import Case, Report

# Before numpy is loaded, and inherited by the processes that tests start. One thread a process: results do
# not depend on the number of cores, and the small matrices of the tests are faster without a thread pool.
for _library in ("OPENBLAS", "OMP", "MKL"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")
os.environ["MPLBACKEND"] = "Agg"
# The terminal of whoever runs the tests must not decide what a command prints.
for _variable in (
    *("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"),
    *("PY_COLORS", "CLICOLOR_FORCE", "GITHUB_ACTIONS"),
):
    os.environ.pop(_variable, None)

_always = {"derandomize": True, "deadline": None, "print_blob": True}
settings.register_profile("deterministic", max_examples=100, **_always)
settings.register_profile("thorough", max_examples=300, **_always)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--thorough", action="store_true", help="run the tests marked thorough as well")


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile("thorough" if config.getoption("--thorough") else "deterministic")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what takes half a minute and is seen elsewhere too, unless asked for."""
    if config.getoption("--thorough"):
        return
    left_out = [item for item in items if item.get_closest_marker("thorough")]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)


def shared_report(
    factory: pytest.TempPathFactory, name: str, cases: "Case | list[Case]"
) -> "tuple[Path, Report]":
    """Report of cases, validated by the first of the processes that run the tests and read by the others."""
    from rmt_spikes.validation import validate

    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    folder.mkdir(exist_ok=True)
    kept = folder.with_suffix(".pickle")
    with open(folder.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            kept.write_bytes(pickle.dumps(validate(cases, out=folder)))
        return folder, pickle.loads(kept.read_bytes())


@pytest.fixture(scope="session")
def small_report(tmp_path_factory: pytest.TempPathFactory) -> "tuple[Path, Report]":
    """Folder and report of the small case, with every kind of figure. To be read only."""
    from small_case import case

    return shared_report(tmp_path_factory, "small-report", case())


@pytest.fixture(scope="session")
def hostile_report(tmp_path_factory: pytest.TempPathFactory) -> "tuple[Path, Report]":
    """Folder and report of two cases whose texts try to become part of the page. To be read only."""
    from small_case import hostile_cases

    return shared_report(tmp_path_factory, "hostile-report", hostile_cases())
