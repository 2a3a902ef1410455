"""Sphinx extension: the scripts of the top-level folder `theory/` as pages below `derivations/`.

Sphinx reads only what is below its own folder, so the scripts are copied there at each build.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.config import Config

SOURCE_LINK = re.compile(r"\[([^\]]*)\]\(\.\./((?:rmt_spikes|tests|validation)/[^)]+)\)")
TOCTREE = """
```{toctree}
:caption: Derivations
:glob:
:maxdepth: 1

*
```
"""


def page(text: str) -> str:
    """Text of a file of `theory/`, with links that start from `docs/derivations/`.

    What is outside of the documentation, such as a test, comes with the page as a download.
    """
    text = text.replace("](../docs/", "](../")
    return SOURCE_LINK.sub(lambda link: f"{{download}}`{link[1].replace('`', '')} <../../{link[2]}>`", text)


def copy_scripts(source: Path, target: Path) -> list[str]:
    """Fill a folder of pages from a folder of scripts.

    Parameters
    ----------
    source
        The folder `theory/`: its README becomes the index.
    target
        The folder of the pages, emptied first.

    Returns
    -------
    list of str
        Names of the pages.
    """
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    readme = (source / "README.md").read_text(encoding="utf-8")
    scripts = sorted(source.glob("*.py"))
    pages = {"index.md": "# Derivations\n" + readme.partition("\n")[2] + (TOCTREE if scripts else "")}
    pages |= {path.name: path.read_text(encoding="utf-8") for path in scripts}
    for name, text in pages.items():
        (target / name).write_text(page(text), encoding="utf-8")
    return list(pages)


def _copy(app: Sphinx, config: Config) -> None:
    docs = Path(app.srcdir)
    copy_scripts(docs.parent / "theory", docs / "derivations")


def _follow(app: Sphinx, name: str, source: list[str]) -> None:
    """Let links of the other pages to a script lead to its page."""
    if not name.startswith("derivations/"):
        up = "../" * name.count("/")
        source[0] = source[0].replace(f"]({up}../theory/README.md", f"]({up}derivations/index.md")
        source[0] = source[0].replace(f"]({up}../theory/", f"]({up}derivations/")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension."""
    app.connect("config-inited", _copy)
    app.connect("source-read", _follow)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
