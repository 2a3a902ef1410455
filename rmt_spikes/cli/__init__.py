"""Commands: predict, simulate, observe, validate, new-case, plot, explore, derive.

Each has its module. Only typer is imported here at once: everything else waits for the command that needs it.
"""

from __future__ import annotations

import gc
import os
import sys
import traceback
from typing import Annotated

import typer

from rmt_spikes.cli.derive import derive
from rmt_spikes.cli.examples import Group, register
from rmt_spikes.cli.explore import explore
from rmt_spikes.cli.new_case import new_case
from rmt_spikes.cli.observe import observe
from rmt_spikes.cli.plot import plot
from rmt_spikes.cli.predict import predict
from rmt_spikes.cli.simulate import simulate
from rmt_spikes.cli.validate import validate
from rmt_spikes.console.exits import INTERNAL_ERROR

FEWEST_OBJECTS = 200_000
"""New objects after which garbage is looked for: more than a prediction and its libraries make, which stay.
With the usual 700, searches take a seventh of the time to load them, with 10,000 still 50 ms."""

app = typer.Typer(
    name="rmt-spikes",
    cls=Group,
    help="Random matrix theory of one gradient step: predict, simulate, observe, validate, plot, explore, "
    "derive.",
    epilog="Each command has examples: rmt-spikes predict --help.\n\nExit status: 0 agrees, but for known "
    "exceptions, if any (or done), 1 disagrees, 2 bad input, 3 inconclusive (or no convergence).",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(asked: bool) -> None:
    if asked:
        from rmt_spikes import __version__

        typer.echo(f"rmt-spikes {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Options of every command."""


for _command in (predict, simulate, observe, validate, new_case, plot, explore, derive):
    register(app, _command)


def main() -> None:
    """Run the command line; the entry point `rmt-spikes`.

    An error of the program itself leaves its traceback and status 70; 1 says that theory and simulation
    disagree.
    """
    gc.set_threshold(FEWEST_OBJECTS)
    # Plugins of pydantic are looked for in every installed package, for 20 ms; there are none for this one.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    try:
        app(prog_name="rmt-spikes")
    except Exception:
        traceback.print_exc()
        sys.exit(INTERNAL_ERROR)
    finally:
        # Python's end looks for garbage several times, which takes 70 ms, but not among what is frozen.
        gc.freeze()
