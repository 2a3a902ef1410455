"""The command `explore`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from rmt_spikes.cli.options import Overrides, read_setting
from rmt_spikes.console.exits import reporting
from rmt_spikes.errors import DomainError, Word

NEEDED = ("starlette", "uvicorn")
"""Libraries of the extra `explore`."""


def explore(
    setting: Annotated[
        Path | None,
        typer.Argument(metavar="SETTING.toml", help="Where the page starts; - is standard input."),
    ] = None,
    overrides: Overrides = None,
    folder: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder that the page may save to.  [default: none]"),
    ] = None,
    port: Annotated[
        int, typer.Option(metavar="N", min=0, max=65535, help="Port on 127.0.0.1; 0 for a free one.")
    ] = 0,
    open_browser: Annotated[
        bool, typer.Option("--open", help="Open the browser. Who lists processes may see the token.")
    ] = False,
) -> None:
    """Explore settings on a local page: theory follows the sliders, a simulation on request."""
    with reporting():
        from importlib.util import find_spec

        missing = [name for name in NEEDED if find_spec(name) is None]
        if missing:
            came = Word(" and ".join(f"no {name}" for name in missing))
            advice = "in a copy of the sources: pip install '.[explore]'"
            raise DomainError("explore", "needs starlette and uvicorn", came, advice)
        from rmt_spikes.explorer.serve import serve

        if setting is None and overrides:
            raise DomainError("--set", "needs a setting to change", overrides[0])
        first = None if setting is None else read_setting(setting, overrides)

        def ready(address: str) -> None:
            sys.stdout.write(f"{address}\n")
            sys.stdout.flush()
            typer.echo("The page is for this machine alone. Ctrl-C ends it.", err=True)
            if open_browser:
                import webbrowser

                webbrowser.open(address)

        serve(first, port=port, folder=folder, ready=ready)
