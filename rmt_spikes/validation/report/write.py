"""Validate cases and write the report: JSON, Markdown, figures, and HTML pages that need nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rmt_spikes.arguments import boolean, integer
from rmt_spikes.console.json_documents import to_json, write
from rmt_spikes.console.progress import OnProgress
from rmt_spikes.errors import CaseError, DomainError
from rmt_spikes.plot.style import PAPER
from rmt_spikes.validation.campaign.provenance import Stopwatch, provenance
from rmt_spikes.validation.campaign.results import CaseResult
from rmt_spikes.validation.campaign.run import run
from rmt_spikes.validation.campaign.store import Store
from rmt_spikes.validation.campaign.theories import OwnTheory
from rmt_spikes.validation.cases.case import Case
from rmt_spikes.validation.report.drawing import Drawing
from rmt_spikes.validation.report.page import render_pages
from rmt_spikes.validation.report.paper import paper_table
from rmt_spikes.validation.report.undecided import undecided
from rmt_spikes.values import Record, jsonable
from rmt_spikes.verdict import Conclusion, Verdict

SCHEMA = "rmt-spikes/report/3"
STORE_NAME = "trials.sqlite"
FORMATS = ("svg", "pdf")
SEED_STRIDE = 1_000_000
"""Between the seeds of two repetitions: more than the points of a case."""

LARGEST_SEED = 2**63 - 1
"""The largest that the store holds."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Report(Record):
    """What `validate` wrote.

    Attributes
    ----------
    verdict, cases
        Verdict on all cases together, and results of each.
    html, markdown, json, figures
        Files; with several cases the first two are an index, and each case has its own in ``cases/``.
    document
        Content of the JSON file.
    """

    verdict: Conclusion
    cases: tuple[CaseResult, ...]
    document: Mapping[str, Any] = field(repr=False)
    html: Path
    markdown: Path
    json: Path
    figures: tuple[Path, ...]

    def to_dict(self) -> dict[str, Any]:
        """Content of ``report.json``."""
        return dict(self.document)


def validate(
    case: Case | str | Path | Sequence[Case | str | Path] | None = None,
    *,
    out: str | Path,
    jobs: int = 1,
    scheduler: str | None = None,
    quick: bool = False,
    repetition: int = 0,
    on_progress: OnProgress | None = None,
    theories: Mapping[str, OwnTheory] | None = None,
) -> Report:
    """Simulate the settings of cases, compare with the theory, and write a report.

    Parameters
    ----------
    case
        A case, the name of a built-in one, a path of a case file, or several; None for the headline case.
    out
        Folder of the report. Trials that it holds already are not simulated again.
    jobs
        Number of processes.
    scheduler
        Address of a dask scheduler for the simulations, which then takes the place of local processes.
    quick
        Whether to apply the ``[quick]`` table of each case: smaller and fewer.
    repetition
        Each repetition draws other random numbers: it adds this many times `SEED_STRIDE` to every seed.
    on_progress
        Called with a `Progress` as the work goes on.
    theories
        Theories of one's own by name: functions of a `Setting` that return a `Prediction`, or a mapping as
        `compare` takes one. Each is compared with the same trials, and stands in the report beside the wrong
        theories, with a verdict of its own; that of the case does not depend on it.

    Returns
    -------
    Report

    Raises
    ------
    CaseError
        For a file that is not a case, a folder that cannot be written or holds the store of another program.
    DomainError
        For what is no case, and theories that are no functions or return something else.
    """
    integer("jobs", jobs, 1)
    boolean("quick", quick)
    loaded, files = _load(case)
    cases = [_repeated(each.quickened() if quick else each, repetition) for each in loaded]
    names = [each.name for each in cases]
    if len(set(names)) != len(names):
        raise CaseError(None, "name", f"must differ between the cases of a report, got {', '.join(names)}")
    folder = Path(out)
    try:
        for needed in ("figures", *(["cases"] if len(cases) > 1 else [])):
            (folder / needed).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CaseError(str(folder), "", f"cannot be used as a folder: {error.strerror or error}") from None
    # What makes a case another one when it changes; the rest may, and stored trials are used again.
    identities = {each.name: {"seed": each.seed, "quick": quick, "setting": each.setting} for each in cases}
    watch = Stopwatch(on_progress)
    with Store(folder / STORE_NAME, identities) as store:
        options: dict[str, Any] = {"jobs": jobs, "scheduler": scheduler, "theories": theories}
        results = [run(each, store, on_progress=watch.see, **options) for each in cases]
        # The store is held until the end: two runs must not write the same report either.
        drawn, overview = _draw(results, folder, jobs, on_progress)
        known = sum(result.verdict.exceptions for result in results)
        verdict = Conclusion.on_all((result.verdict for result in results), known)
        document = {
            "schema": SCHEMA,
            "verdict": verdict,
            "quick": quick,
            "summary": _summary(results),
            "exceptions": [
                {"case": result.case.name, **jsonable(known)}
                for result in results
                for known in result.exceptions
            ],
            "paper": paper_table(results),
            "cases": [_case_document(result, drawn[result.case.name]) for result in results],
            "provenance": provenance(files, quick, repetition),
        }
        write(folder / "report.json", to_json(document))
        for path, text in render_pages(document, drawn, overview, watch.stop(jobs, scheduler)).items():
            write(folder / path, text)
    return Report(
        verdict=verdict,
        cases=tuple(results),
        document=document,
        html=folder / "report.html",
        markdown=folder / "report.md",
        json=folder / "report.json",
        figures=tuple(_figure_files(drawn, overview, folder)),
    )


def _draw(
    results: Sequence[CaseResult], folder: Path, jobs: int, on_progress: OnProgress | None
) -> tuple[dict[str, list[Drawing]], Drawing | None]:
    """Figures by the name of the case, and one of several cases together, written as files."""
    from rmt_spikes.validation.report.figures import drawings
    from rmt_spikes.validation.report.overview_figure import overview_drawing

    drawn = {result.case.name: drawings(result, jobs, on_progress) for result in results}
    overview = overview_drawing(results) if len(results) > 1 else None
    for path, drawing in _figure_files(drawn, overview, folder).items():
        write(path, drawing.render(path.suffix.removeprefix("."), PAPER))
    return drawn, overview


def _figure_files(
    drawn: Mapping[str, Sequence[Drawing]], overview: Drawing | None, folder: Path
) -> dict[Path, Drawing]:
    """Figures by their files."""
    every = [drawing for group in drawn.values() for drawing in group]
    every += [] if overview is None else [overview]
    return {folder / "figures" / f"{each.name}.{kind}": each for each in every for kind in FORMATS}


def _load(case: Case | str | Path | Sequence[Case | str | Path] | None) -> tuple[list[Case], list[str]]:
    """Cases, and what to call their files in a command."""
    if case is None:
        return [Case.built_in()], []
    if isinstance(case, Case):
        return [case], [f"{case.name}.toml"]
    if isinstance(case, str) and not Path(case).suffix and not Path(case).exists():
        return [Case.built_in(case)], [case]
    if isinstance(case, str | Path):
        return [Case.load(case)], [str(case)]
    if not isinstance(case, Sequence):
        raise DomainError("case", "must be a case, its name or file, or a list of them", case)
    pairs = [_load(each) for each in case]
    return [each for cases, _ in pairs for each in cases], [each for _, files in pairs for each in files]


def _case_document(result: CaseResult, drawn: Sequence[Drawing]) -> dict[str, Any]:
    return {
        **result.to_dict(),
        "setting": result.case.setting,
        "sweep": result.case.sweep,
        "summary": _summary([result]),
        "undecided": undecided(result),
        "figures": [f"figures/{drawing.name}.svg" for drawing in drawn],
    }


def _summary(results: Sequence[CaseResult]) -> Mapping[str, int]:
    """How many comparisons came out how, and how many wrong theories were rejected."""
    rows = [row for result in results for point in result.points for row in point.comparison.rows]
    controls = [control for result in results for control in result.controls]
    counts = Counter(row.verdict for row in rows)
    return {
        "agrees": counts[Verdict.AGREES],
        "disagrees": counts[Verdict.DISAGREES],
        "known": sum(row.exception is not None for row in rows),
        "inconclusive": counts[Verdict.INCONCLUSIVE],
        "controls": len(controls),
        "rejected": sum(control.rejected for control in controls),
    }


def _repeated(case: Case, given: object) -> Case:
    try:
        repetition = integer("repetition", given, 0)
    except DomainError as error:
        raise CaseError(None, error.field, error.reason) from None
    if case.seed + SEED_STRIDE * (repetition + 1) > LARGEST_SEED:
        raise CaseError(None, "seed", f"leaves no room for repetition {repetition}, got {case.seed}")
    return case.model_copy(update={"seed": case.seed + SEED_STRIDE * repetition})
