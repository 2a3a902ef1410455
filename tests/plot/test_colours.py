"""Colours: told apart in grey and with any colour blindness, and from their background."""

from itertools import combinations

import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.colors import to_hex, to_rgb

from rmt_spikes.plot.phase import COLOURS
from rmt_spikes.plot.style import DARK, LIGHT, PAPER, Theme

XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
"""From linear sRGB (IEC 61966-2-1)."""

WHITE = XYZ.sum(axis=1)

BLINDNESS = {
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
"""Of linear RGB, severity 1.0 (Machado, Oliveira and Fernandes, IEEE Trans. Vis. Comput. Graph. 15, 1291)."""

APART = 20.0
"""Least distance in CIELAB: nine times what is just noticeable on large fields, for thin lines."""

APART_IN_GREY = 15.0
"""Least difference of lightness: a sixth of that of black and white."""

THEMES = [PAPER, LIGHT, DARK]
SEEN = {"as it is": np.eye(3)} | {name: np.array(matrix) for name, matrix in BLINDNESS.items()}


def linear(color: str) -> np.ndarray:
    channels = np.array(to_rgb(color))
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIELAB (CIE 15) of linear sRGB."""
    ratios = XYZ @ np.clip(rgb, 0.0, 1.0) / WHITE
    roots = np.where(ratios > (6 / 29) ** 3, np.cbrt(ratios), ratios / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * roots[1] - 16, 500 * (roots[0] - roots[1]), 200 * (roots[1] - roots[2])])


def confused(colors: dict[str, str]) -> list[str]:
    """Pairs of colours that are too near each other, and how they are seen then."""
    found = []
    for (a, first), (b, second) in combinations(colors.items(), 2):
        one, other = linear(first), linear(second)
        found += [
            f"{a} and {b}, {name}"
            for name, matrix in SEEN.items()
            if np.linalg.norm(lab(matrix @ one) - lab(matrix @ other)) < APART
        ]
        if abs(lab(one)[0] - lab(other)[0]) < APART_IN_GREY:
            found.append(f"{a} and {b}, in grey")
    return found


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_colours_are_told_apart_by_everyone(theme: Theme) -> None:
    names = ("ink", "corrected", "published", "bars")
    assert confused({name: getattr(theme, name) for name in names}) == []


def test_confusing_colours_are_seen() -> None:
    assert "red and green, deuteranopia" in confused({"red": "#d62728", "green": "#2ca02c"})
    assert confused({"blue": "#0072b2", "vermillion": "#d55e00"}) == ["blue and vermillion, in grey"]
    assert "a and b, tritanopia" in confused({"a": "#2aa198", "b": "#268bd2"})


@pytest.mark.parametrize("how", SEEN)
def test_the_colours_of_a_phase_diagram_get_lighter(how: str) -> None:
    """In grey and to everyone, by at least two units from one tenth of the range to the next."""
    colors = [to_hex(color) for color in colormaps[COLOURS](np.linspace(0.0, 1.0, 11))]
    lightness = [lab(SEEN[how] @ linear(color))[0] for color in colors]
    assert np.diff(lightness).min() > 2.0
    rainbow = [to_hex(color) for color in colormaps["jet"](np.linspace(0.0, 1.0, 11))]
    assert np.diff([lab(SEEN[how] @ linear(color))[0] for color in rainbow]).min() < 0.0


@pytest.mark.parametrize(("theme", "behind"), [(PAPER, "#ffffff"), (LIGHT, "#ffffff"), (DARK, "#15181c")])
def test_lines_stand_out(theme: Theme, behind: str) -> None:
    """Contrast of at least 3 to 1, what WCAG asks of graphics, and of 7 to 1 for text."""
    for color, least in ((theme.corrected, 3.0), (theme.published, 3.0), (theme.ink, 7.0)):
        high, low = sorted(((XYZ[1] @ linear(each) for each in (color, behind))), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= least
