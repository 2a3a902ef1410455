"""Every figure is the committed picture, and a wrong theory makes another one."""

from pathlib import Path

import pytest
from matplotlib.testing.compare import compare_images
from pictures import FIGURES, IMAGES, picture

from rmt_spikes.plot.style import MINUS

TOLERANCE = 6.0
"""Root mean square of 0 to 255. The same program makes the same picture to 0.5: most are kept in 256 colours.
A noise and a ridge that are off by 2e-3 and 1e-3, more than predictions may move, give up to 5.5 (markers
snap to pixels), the wrong theories below 11.6 to 23.6."""

WORDS = {
    "spectrum": ["singular value of F / √ñ", "density of its logarithm", "share explained by q"],
    "losses": [
        "step exponent a  (η = nᵃ)",
        "loss",
        "theory, test loss",
        "theory, training loss",
        "theory, published features",
        "its error bar",
    ],
    "features": ["learnt variable q of a sample", "left vector of spike 2, times √ñ"],
    "residuals": [
        f"(observed {MINUS} predicted) / margin",
        "test loss",
        "spike 2",
        "spike 1: share of He₁(q)",
    ],
    "phase_diagram": [
        "number of spikes (closed form)",
        "standard deviation of the label noise",
        "0",
        "1",
        "2",
    ],
    "gain": ["gain in test loss, per cent (closed form)", "standard deviation of the label noise"],
    "scaling": ["samples n", "relative to the scale of a quantity", "300", "2400"],
    "given": [f"(observed {MINUS} predicted) / s.d. of observed", "spike 1", "test loss"],
}
"""Text that a figure must have."""


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_the_committed_picture(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.png"
    words = picture(FIGURES[name][0], path)
    assert set(WORDS[name]) <= set(words)
    assert compare_images(str(IMAGES / path.name), str(path), tol=TOLERANCE) is None


@pytest.mark.parametrize("name", FIGURES)
def test_a_wrong_theory_is_seen(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.png"
    picture(FIGURES[name][1], path)
    found = compare_images(str(IMAGES / path.name), str(path), tol=1.5 * TOLERANCE, in_decorator=True)
    assert found is not None


def test_pictures_are_small_and_nothing_is_unused() -> None:
    files = {path.name: path.stat().st_size for path in IMAGES.iterdir()}
    assert set(files) == {f"{name}.png" for name in FIGURES}
    assert sum(files.values()) < 300_000
