"""Arguments and options that several commands share, and what they do with them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rmt_spikes.errors import DomainError, Word

if TYPE_CHECKING:
    from rmt_spikes.setting import Setting

SettingFile = Annotated[
    Path,
    typer.Argument(metavar="SETTING.toml", help="A setting, or a case with [setting]; - is standard input."),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Replace a key of the setting; repeatable."),
]
Scheduler = Annotated[
    str | None, typer.Option(metavar="ADDRESS", help="Simulate on the dask cluster of this scheduler.")
]
Top = Annotated[
    int | None, typer.Option(help="Number of leading singular vectors.  [default: 5, or all if fewer]")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
Explain = Annotated[bool, typer.Option("--explain", help="Say what each row of the tables is.")]


def read_setting(path: Path, overrides: list[str] | None) -> Setting:
    """Read a setting from a file or standard input, some keys replaced."""
    from rmt_spikes.setting import Setting

    return Setting.from_toml(path, overrides or ())


def print_json(document: Any) -> None:
    """Print one JSON document."""
    from rmt_spikes.console.json_documents import to_json

    sys.stdout.write(to_json(document))


def present(
    document: dict[str, Any], as_json: bool, tables: Callable[..., None], explain: bool = False
) -> None:
    """Print a document as JSON, or as tables, with what their rows are if asked for."""
    from rmt_spikes.console.tables import Terminal

    if as_json and explain:
        raise DomainError("--explain", "must be left out with --json", Word("both"))
    if as_json:
        print_json(document)
        return
    # Names of pictures in a text would be looked up in a long table.
    console = Terminal(highlight=False, emoji=False)
    if not explain:
        tables(document, console=console)
        return
    from rmt_spikes.console.explanations import explained

    with console.capture() as captured:
        tables(document, console=console)
    text = captured.get()
    sys.stdout.write(f"{text}\n")
    rows = explained(text)
    width = max((len(each.name) for each in rows), default=0)
    for each in rows:
        sys.stdout.write(f"{each.name:<{width}}  {each.meaning}\n")
