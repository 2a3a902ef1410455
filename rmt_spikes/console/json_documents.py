"""JSON documents: strict, and the same bytes for the same content."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from rmt_spikes.errors import CaseError
from rmt_spikes.values import jsonable


def to_json(document: Any) -> str:
    """Text of a document, ending with a new line."""
    return json.dumps(jsonable(document), indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def write(path: Path, content: str | bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    data = content.encode("utf-8") if isinstance(content, str) else content
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(data)
        os.replace(partial, path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise CaseError(str(path), "", f"cannot be written: {error.strerror or error}") from None
