"""Configuration of Sphinx."""

from pathlib import Path

project = "rmt_spikes"
copyright = "2026, the rmt_spikes developers"
_package = (Path(__file__).parents[1] / "rmt_spikes" / "__init__.py").read_text(encoding="utf-8")
release = version = _package.split('__version__ = "')[1].split('"')[0]

extensions = ["myst_parser"]
myst_enable_extensions = ["amsmath", "dollarmath"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
nitpicky = True

html_theme = "furo"
html_title = "rmt_spikes"
