"""The command `plot`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from rmt_spikes.cli.options import Overrides, SettingFile, read_setting
from rmt_spikes.console.exits import reporting
from rmt_spikes.errors import DomainError


def plot(
    figure: Annotated[
        str,
        typer.Argument(
            metavar="FIGURE",
            help="spectrum, losses, features, residuals, phase_diagram, scaling or given.",
        ),
    ],
    setting: SettingFile,
    out: Annotated[Path, typer.Option(metavar="FILE", help="Figure: .svg, .pdf or .png.")],
    overrides: Overrides = None,
    against: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=A:B:N", help="N values of a key from A to B; twice for a phase_diagram."),
    ] = None,
    trials: Annotated[
        int | None,
        typer.Option(min=0, help="Simulated networks.  [default: 8 where the figure compares, else none]"),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the simulations.")] = 0,
    spike: Annotated[
        int | None, typer.Option(min=1, help="Number of the spike of `features`.  [default: 1]")
    ] = None,
    quantity: Annotated[
        str | None,
        typer.Option(
            help="Of a spectrum: features or weights (the trained first layer); of a phase_diagram: "
            "spike_count or gain (of the test loss, by the step); of scaling: scatter or error.  "
            "[default: the first]"
        ),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(help="As of predict.  [default: uniform; closed_form for the spike_count of a diagram]"),
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Number of processes.  [default: the processors]")
    ] = None,
) -> None:
    """Draw a figure of a setting: what the theory predicts, and what simulations show."""
    with reporting():
        _check_file(out)
        from rmt_spikes.console.progress import shown_progress
        from rmt_spikes.illustration import draw_file

        what = read_setting(setting, overrides)
        with shown_progress() as show:
            options = {"trials": trials, "seed": seed, "spike": spike, "quantity": quantity, "method": method}
            draw_file(figure, what, out, against or (), jobs=jobs, on_progress=show, **options)
    sys.stdout.write(f"{out}\n")


def _check_file(out: Path) -> None:
    """Refuse a file of another kind or in no folder before the work, and before its libraries are loaded."""
    from rmt_spikes.arguments import figure_format

    figure_format("--out", out)
    if not out.parent.is_dir():
        raise DomainError("--out", "must be in a folder that exists", str(out))
