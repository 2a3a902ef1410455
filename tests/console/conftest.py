"""A small setting on disk."""

from pathlib import Path

import pytest
from cli_tools import setting_file


@pytest.fixture
def setting(tmp_path: Path) -> str:
    return setting_file(tmp_path)
