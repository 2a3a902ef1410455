"""A small setting on disk."""

from pathlib import Path

import pytest
from cli_tools import SETTING


@pytest.fixture
def setting(tmp_path: Path) -> str:
    path = tmp_path / "setting.toml"
    path.write_text(SETTING, encoding="utf-8")
    return str(path)
