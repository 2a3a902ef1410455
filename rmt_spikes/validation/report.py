"""Validate cases and write the report: JSON, figures, and one HTML page that needs nothing else."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rmt_spikes.errors import CaseError
from rmt_spikes.validation.campaign import run
from rmt_spikes.validation.case import Case
from rmt_spikes.validation.document import to_json, write
from rmt_spikes.validation.page import render_html
from rmt_spikes.validation.progress import OnProgress
from rmt_spikes.validation.results import CaseResult
from rmt_spikes.validation.statistics import Verdict, overall
from rmt_spikes.validation.store import Store
from rmt_spikes.validation.style import PAPER, Drawing

SCHEMA = "rmt-spikes/report/1"
STORE_NAME = "trials.sqlite"
LIBRARIES = ("numpy", "scipy", "matplotlib", "joblib")


@dataclass(frozen=True, kw_only=True)
class Report:
    """What `validate` wrote.

    Attributes
    ----------
    verdict
        On all cases together.
    cases
        Results of each case.
    html, json, figures
        Files.
    """

    verdict: Verdict
    cases: tuple[CaseResult, ...]
    html: Path
    json: Path
    figures: tuple[Path, ...]


def validate(
    case: Case | str | Path | Sequence[Case | str | Path] | None = None,
    *,
    out: str | Path,
    jobs: int = 1,
    scheduler: str | None = None,
    quick: bool = False,
    on_progress: OnProgress | None = None,
) -> Report:
    """Simulate the settings of cases, compare with the theory, and write a report.

    Parameters
    ----------
    case
        A case, a path of a case file, or several; None for the built-in headline case.
    out
        Folder of the report. Trials that it holds already are not simulated again.
    jobs
        Number of processes.
    scheduler
        Address of a dask scheduler for the simulations, which then takes the place of local processes.
    quick
        Whether to apply the ``[quick]`` table of each case: smaller and fewer.
    on_progress
        Called with a `Progress` as the work goes on.

    Returns
    -------
    Report

    Raises
    ------
    CaseError
        For a file that is not a case, a folder that cannot be written or holds the store of another program.
    """
    cases = [each.quickened() if quick else each for each in _load(case)]
    names = [each.name for each in cases]
    if len(set(names)) != len(names):
        raise CaseError(None, "name", f"must differ between the cases of a report, got {', '.join(names)}")
    folder = Path(out)
    try:
        (folder / "figures").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CaseError(str(folder), "", f"cannot be used as a folder: {error.strerror or error}") from None
    with Store(folder / STORE_NAME, {each.name: _identity(each, quick) for each in cases}) as store:
        results = [
            run(each, store, jobs=jobs, scheduler=scheduler, on_progress=on_progress) for each in cases
        ]
        # The store is held until the end: two runs must not write the same report either.
        return write_report(results, folder, jobs=jobs, quick=quick, on_progress=on_progress)


def write_report(
    results: Sequence[CaseResult],
    folder: Path,
    *,
    jobs: int = 1,
    quick: bool = False,
    on_progress: OnProgress | None = None,
) -> Report:
    """Write the files of a report into a folder that exists.

    Parameters
    ----------
    results
        Results of the cases.
    folder
        Where to.
    jobs, quick, on_progress
        As for `validate`.

    Returns
    -------
    Report
    """
    from rmt_spikes.validation.figures import drawings

    drawn = {result.case.name: drawings(result, jobs, on_progress) for result in results}
    files = []
    for drawing in (each for group in drawn.values() for each in group):
        for file_format in ("svg", "pdf"):
            path = folder / "figures" / f"{drawing.name}.{file_format}"
            write(path, drawing.render(file_format, PAPER))
            files.append(path)
    document = {
        "schema": SCHEMA,
        "verdict": overall([result.verdict for result in results]),
        "quick": quick,
        "cases": [_case_document(result, drawn[result.case.name]) for result in results],
        "provenance": provenance(results, quick),
    }
    write(folder / "report.json", to_json(document))
    write(folder / "report.html", render_html(document, results, drawn))
    return Report(
        verdict=overall([result.verdict for result in results]),
        cases=tuple(results),
        html=folder / "report.html",
        json=folder / "report.json",
        figures=tuple(files),
    )


def provenance(results: Sequence[CaseResult], quick: bool) -> dict[str, Any]:
    """Versions, linear algebra and the command to repeat a report: nothing that changes from run to run."""
    from threadpoolctl import threadpool_info

    from rmt_spikes import __version__

    blas = sorted(
        {
            " ".join(str(info[key]) for key in ("internal_api", "version", "architecture") if info.get(key))
            for info in threadpool_info()
            if info["user_api"] == "blas"
        }
    )
    built_in = [result.case.name for result in results] == ["headline"]
    files = [] if built_in else [f"{result.case.name}.toml" for result in results]
    return {
        "versions": {"rmt_spikes": __version__, "python": platform.python_version(), **_versions()},
        "blas": blas,
        "machine": f"{platform.system()} {platform.machine()}",
        "command": " ".join(["rmt-spikes validate", *files, "--out DIR", *(["--quick"] if quick else [])]),
    }


def _identity(case: Case, quick: bool) -> dict[str, Any]:
    """What makes a case another one when it changes; the rest may, and stored trials are used again."""
    return {"seed": case.seed, "quick": quick, "setting": case.setting}


def _load(case: Case | str | Path | Sequence[Case | str | Path] | None) -> list[Case]:
    if case is None:
        return [Case.built_in()]
    if isinstance(case, Case):
        return [case]
    if isinstance(case, str | Path):
        return [Case.load(case)]
    return [loaded for each in case for loaded in _load(each)]


def _case_document(result: CaseResult, drawn: Sequence[Drawing]) -> dict[str, Any]:
    return {**result.to_dict(), "figures": [f"figures/{drawing.name}.svg" for drawing in drawn]}


def _versions() -> dict[str, str]:
    found = {}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            found[library] = "unknown"
    return found
