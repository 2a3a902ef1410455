"""Saving what the page shows: in one folder, and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from pathlib import Path


def save(folder: Path, contents: Mapping[str, str]) -> Path:
    """Write files to a new folder inside a folder, and return it.

    Parameters
    ----------
    folder
        A folder that exists.
    contents
        Texts by file name; the names are those of the program, never of a page.
    """
    for number in count(1):
        inside = folder / f"explored-{number}"
        try:
            inside.mkdir()
        except FileExistsError:
            continue
        break
    for name, text in contents.items():
        (inside / name).write_text(text, encoding="utf-8")
    return inside
