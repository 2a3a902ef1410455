"""The command `new-case`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from rmt_spikes.console.exits import reporting
from rmt_spikes.errors import CaseError

TEMPLATE = "validation/cases/template.toml"
"""File of the package; it is read as a file, for the rooms of the package take a second to import."""


def new_case(
    file: Annotated[
        Path, typer.Argument(metavar="CASE.toml", help="File to write; one that exists is left as it is.")
    ],
) -> None:
    """Write a case file to start from, with every line explained."""
    with reporting():
        from importlib import resources

        text = (resources.files("rmt_spikes") / TEMPLATE).read_text("utf-8")
        try:
            with file.open("x", encoding="utf-8") as stream:
                stream.write(text)
        except FileExistsError:
            raise CaseError(
                file, "", "must be a new file, got one that exists; it is left as it is"
            ) from None
    sys.stdout.write(f"{file}: run it with rmt-spikes validate {file} --quick --out report\n")
