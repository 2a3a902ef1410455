"""Files of figures: undated, text as text, fonts inside."""

from __future__ import annotations

import base64
import io
import re
from functools import lru_cache
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rmt_spikes.arguments import figure_format
from rmt_spikes.errors import DomainError, Word
from rmt_spikes.plot.style import style, theme_now

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RASTER_DPI = 200
"""Of PNG files and of clouds of dots: finer than a screen, and still small."""

_STYLED = re.compile(r'style="([^"]*font[^"]*)"[^>]*>([^<]+)<')
"""Text of an SVG file with the style that names its font."""


def save(axes: Axes | Figure, path: str | Path) -> None:
    """Write a figure to a file: the same figure gives the same bytes.

    Parameters
    ----------
    axes
        Axes of the figure, or the figure.
    path
        File; its ending, ``.svg``, ``.pdf`` or ``.png``, is the format.

    Raises
    ------
    DomainError
        For another ending.

    Notes
    -----
    Text of SVG and PDF files can be edited and searched, and the fonts are inside.
    """
    file = Path(path)
    kind = figure_format("path", file)
    figure: Any = getattr(axes, "figure", axes)
    if not hasattr(figure, "savefig"):
        advice = "give what the function returned"
        raise DomainError("axes", "must be axes or a figure", Word(type(axes).__name__), advice)
    file.write_bytes(encode(figure, kind))


def encode(figure: Figure, kind: str) -> bytes:
    """Content of a file, in the style and theme that hold."""
    stream = io.BytesIO()
    undated: dict[str, Any] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind, {})
    with style(theme_now()):
        figure.savefig(stream, format=kind, metadata=undated, dpi=RASTER_DPI)
    content = stream.getvalue()
    return _with_fonts(content.decode("utf-8")).encode("utf-8") if kind == "svg" else content


def _with_fonts(svg: str) -> str:
    """The SVG with the glyphs that it uses of each font."""
    used: dict[tuple[str, str, str], set[str]] = {}
    for css, text in _STYLED.findall(svg):
        if families := re.findall(r"'([^']+)'", css):
            slant = "oblique" if re.search(r"\b(italic|oblique)\b", css) else "normal"
            weight = "bold" if re.search(r"\b(bold|[6-9]00)\b", css) else "normal"
            used.setdefault((families[0], slant, weight), set()).update(unescape(text))
    faces = "".join(_face(*key, "".join(sorted(glyphs))) for key, glyphs in sorted(used.items()))
    return svg.replace("<defs>", f"<defs>\n  <style>{faces}</style>", 1) if faces else svg


@lru_cache(maxsize=256)
def _face(family: str, slant: str, weight: str, text: str) -> str:
    """Declaration of a font with the glyphs of a text: the themes of a figure share theirs."""
    from fontTools.subset import Options, Subsetter
    from fontTools.ttLib import TTFont
    from matplotlib.font_manager import FontProperties, findfont

    look: dict[str, Any] = {"style": slant, "weight": weight}
    wanted = FontProperties(family=[family], **look)
    options = Options(notdef_outline=True, hinting=False, layout_features=["kern"])
    # Tables without which a font is complete.
    options.drop_tables += ["FFTM", "MATH"]
    font = TTFont(findfont(wanted), recalcTimestamp=False)
    subset = Subsetter(options)
    subset.populate(text=text)
    subset.subset(font)
    font.flavor = "woff"
    stream = io.BytesIO()
    font.save(stream)
    data = base64.b64encode(stream.getvalue()).decode("ascii")
    return (
        f"@font-face{{font-family:'{family}';font-style:{slant};font-weight:{weight};"
        f"src:url(data:font/woff;base64,{data})}}"
    )
