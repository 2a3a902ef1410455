"""The command `simulate`."""

from __future__ import annotations

import itertools
from typing import Annotated

import typer

from rmt_spikes.cli.options import (
    AsJson,
    Explain,
    Overrides,
    Scheduler,
    SettingFile,
    Top,
    present,
    read_setting,
)
from rmt_spikes.console.exits import reporting


def simulate(
    setting: SettingFile,
    overrides: Overrides = None,
    trials: Annotated[int, typer.Option(min=1, help="Number of independent trials.")] = 8,
    seed: Annotated[int, typer.Option(min=0, help="Seed; it and its number determine a trial.")] = 0,
    jobs: Annotated[int, typer.Option(min=1, help="Number of processes.")] = 1,
    top: Top = None,
    spectrum: Annotated[
        str,
        typer.Option(
            help="full; top: the top singular values alone, by iterations; density: and an estimate of the "
            "bulk's density, in the JSON document."
        ),
    ] = "full",
    precision: Annotated[
        str, typer.Option(help="double or single: of the products with the inputs.")
    ] = "double",
    memory: Annotated[
        float | None,
        typer.Option(
            metavar="BYTES",
            help="What the arrays of all jobs may take, or those of each worker; 2e9 is 2 GB.  [default: "
            "half of the free memory, or what the limits of the workers leave]",
        ),
    ] = None,
    scheduler: Scheduler = None,
    spread: Annotated[
        bool,
        typer.Option(
            "--spread", help="Each trial over all workers of the scheduler; with --spectrum top or density."
        ),
    ] = False,
    weights: Annotated[
        bool, typer.Option("--weights", help="Decompose the trained first layer as well.")
    ] = False,
    as_json: AsJson = False,
    explain: Explain = False,
) -> None:
    """Simulate a setting exactly: the same quantities, observed, with standard errors."""
    with reporting():
        from rmt_spikes.console.progress import Progress, shown_progress
        from rmt_spikes.console.tables import print_observation
        from rmt_spikes.simulation import simulate as simulate_setting

        what = read_setting(setting, overrides)
        with shown_progress() as show:
            finished = itertools.count(1)

            def one_more(_: object) -> None:
                show(Progress("simulating", next(finished), trials))

            observation = simulate_setting(
                what,
                trials=trials,
                seed=seed,
                jobs=jobs,
                top=top,
                spectrum=spectrum,  # type: ignore[arg-type]
                precision=precision,  # type: ignore[arg-type]
                memory=memory,
                scheduler=scheduler,
                spread=spread,
                weights=weights,
                on_trial=one_more,
                on_start=lambda: show(Progress("simulating", 0, trials)),
            )
        present(observation.to_dict(), as_json, print_observation, explain)
