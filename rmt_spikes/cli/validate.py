"""The command `validate`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from rmt_spikes.cli.options import AsJson, Explain, Scheduler, present
from rmt_spikes.console.exits import reporting
from rmt_spikes.errors import DomainError, Word


def validate(
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of the report; a run found there is resumed.")
    ],
    cases: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME|CASE.toml]...", help="Built-in cases by name, or files; without any, headline."
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every built-in case.")] = False,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Number of processes.  [default: the processors]")
    ] = None,
    scheduler: Scheduler = None,
    quick: Annotated[bool, typer.Option("--quick", help="Smaller and fewer: seconds, not minutes.")] = False,
    repetition: Annotated[
        int, typer.Option(min=0, max=1000, help="Number of the repetition: each has other random numbers.")
    ] = 0,
    as_json: AsJson = False,
    explain: Explain = False,
) -> None:
    """Simulate the settings of a case, compare with the theory, and write a report."""
    reached = ""

    def kept() -> str:
        return f"{reached}Finished trials are kept in {out}; the same command continues."

    with reporting(kept):
        from rmt_spikes.console.progress import Progress, shown_progress
        from rmt_spikes.console.tables import print_report
        from rmt_spikes.validation import built_in_cases
        from rmt_spikes.validation import validate as validate_cases
        from rmt_spikes.validation.campaign.provenance import processors

        if everything and cases:
            raise DomainError("cases", "must be left out with --all", Word(", ".join(cases)))
        with shown_progress() as show:

            def follow(progress: Progress) -> None:
                nonlocal reached
                if progress.stage == "simulating":
                    reached = f"{progress.done} of {progress.total} trials of {progress.case} are finished. "
                show(progress)

            report = validate_cases(
                built_in_cases() if everything else cases or None,
                out=out,
                jobs=processors() if jobs is None else jobs,
                scheduler=scheduler,
                quick=quick,
                repetition=repetition,
                on_progress=follow,
            )
        present(report.to_dict(), as_json, partial(print_report, page=report.html), explain)
    raise typer.Exit(report.verdict.exit_status)
