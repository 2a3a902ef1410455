"""Files of arrays."""

from __future__ import annotations

import zipfile
import zlib
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

DAMAGED = (AttributeError, TypeError, ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile, zlib.error)
"""What reading a file that is no such archive raises."""


def read_archive(stream: IO[bytes]) -> dict[str, NDArray[Any]]:
    """Arrays of an npz file by their names; nothing in it is executed.

    Raises
    ------
    ValueError, zipfile.BadZipFile and other `DAMAGED`
        If it is no such file, or holds anything but numbers and texts.
    """
    if not zipfile.is_zipfile(stream):
        raise zipfile.BadZipFile("it is no zip archive")
    stream.seek(0)
    with np.load(stream) as archive:
        try:
            return {name: archive[name] for name in archive.files}
        except ValueError as error:
            if "pickle" in str(error):
                raise ValueError("it holds objects, which are not read") from None
            raise
