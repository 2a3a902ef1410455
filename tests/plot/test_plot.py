"""What a user relies on: axes in and out, settings left alone, refusals, and files whose text is text."""

import re
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from layout_rules import run_python
from matplotlib import pyplot
from matplotlib.figure import Figure
from pictures import EXPONENTS, SETTING, compared, curve, observation, plane, prediction, untrained
from refusals import refused

import rmt_spikes as rs
from rmt_spikes import plot
from rmt_spikes.plot.names import in_words
from rmt_spikes.plot.spectra import SHARES


@pytest.fixture
def axes() -> Any:
    return Figure().subplots()


@pytest.fixture(autouse=True)
def _closed() -> Any:
    mpl.use("agg")
    yield
    pyplot.close("all")


CALLS: dict[str, Any] = {
    "spectrum": lambda **options: plot.spectrum(prediction(), observation(), **options),
    "losses": lambda **options: plot.losses(
        curve(), [observation()], published=curve("published"), **options
    ),
    "features": lambda **options: plot.features(prediction(), observation(), **options),
    "residuals": lambda **options: plot.residuals(compared(), **options),
    "phase_diagram": lambda **options: plot.phase_diagram(plane(), **options),
    "given": lambda **options: plot.given(observation(), {"alone": prediction()}, **options),
}


@pytest.mark.parametrize("name", CALLS)
def test_axes_are_taken_and_returned_and_settings_left_alone(name: str, axes: Any) -> None:
    before = dict(mpl.rcParams)
    assert CALLS[name](ax=axes) is axes
    own = CALLS[name]()
    assert own is not axes
    assert pyplot.get_fignums() == [own.figure.number]
    assert dict(mpl.rcParams) == before
    assert axes.get_xlabel() or axes.get_ylabel()
    with refused("ax", "must be axes of matplotlib", "got str"):
        CALLS[name](ax="here")


@pytest.mark.parametrize("name", sorted(set(CALLS) - {"phase_diagram"}))
def test_a_legend_covers_nothing_and_can_be_left_out(name: str, axes: Any) -> None:
    assert CALLS[name](ax=axes, legend=False).get_legend() is None
    own = CALLS[name]()
    own.figure.canvas.draw()
    assert own.get_legend().get_window_extent().y0 >= own.get_window_extent().y1
    assert own.get_legend().get_window_extent().x1 <= own.figure.bbox.x1


def test_nothing_is_drawn_or_loaded_before_it_is_asked_for(tmp_path: Path) -> None:
    code = (
        "import sys\nimport rmt_spikes as rs\nassert 'rmt_spikes.plot' not in sys.modules\n"
        "rs.plot.spectrum\nassert 'matplotlib' not in sys.modules and 'fontTools' not in sys.modules\n"
    )
    done = run_python(code, tmp_path)
    assert done.returncode == 0, done.stderr


def test_error_bars_of_losses_are_bands(axes: Any) -> None:
    """From prediction minus to prediction plus error bar; features without one have no band."""
    plot.losses(curve(), quantities=["test"], ax=axes)
    (found,) = axes.collections
    losses, errors = curve()["losses.test"], curve()["losses.error.test"]
    drawn = found.get_paths()[0].vertices
    x = curve().axes["step_exponent"]
    for end in (losses - errors, losses + errors):
        missing = [min(np.hypot(*(drawn - point).T)) for point in np.column_stack([x, end])]
        assert np.max(missing) < 1e-12
    assert np.all(errors > 0.005 * losses)
    other = Figure().subplots()
    plot.losses(curve("published"), quantities=["test"], ax=other)
    assert not other.collections


def test_error_bars_of_a_spectrum(axes: Any) -> None:
    """Horizontal bars of the spikes, and a band that is the density at quantiles that are off by as much."""
    plot.spectrum(prediction(), ax=axes)
    (shares,) = (each for each in axes.figure.axes if each.get_label() == SHARES)
    (bars,) = shares.containers
    (lines,) = bars.lines[2]
    spikes = [(s.singular_value - s.error, s.singular_value + s.error) for s in prediction().spikes]
    np.testing.assert_allclose([segment[:, 0] for segment in lines.get_segments()], spikes)
    (found,) = axes.collections
    size = np.exp(prediction().bulk.error)
    low, high = prediction().bulk.edges[0, 0] / size, prediction().bulk.edges[-1, 1] * size
    x = found.get_paths()[0].vertices[:, 0]
    np.testing.assert_allclose([x.min(), x.max()], [low, high], rtol=1e-9)


LAYER = rs.Setting(
    n=200, d=60, width=100, activation="tanh", readout="rademacher", target="identity", ridge=0.1,
    step_size=5.0,
)  # fmt: skip


def test_a_spectrum_of_the_trained_weights(axes: Any) -> None:
    """Marker of the learnt value, triangles of the trials, mass of the 60 values that are not zero."""
    predicted, seen = rs.predict(LAYER), rs.simulate(LAYER, trials=2, weights=True)
    assert plot.spectrum(predicted, seen, of="weights", ax=axes) is axes
    assert axes.get_xlabel() == "singular value of the trained W"
    (shares,) = (each for each in axes.figure.axes if each.get_label() == SHARES)
    drawn = {line.get_label(): line.get_xydata() for line in shares.lines}
    layer = predicted.weights
    np.testing.assert_allclose(
        drawn["predicted spike"], [(layer.singular_values[0], layer.right_alignment[0])]
    )
    first = seen.trials[0]
    found = np.column_stack([first.weights[:5], first.weights_alignment])
    np.testing.assert_allclose(drawn["simulated, largest values"][:5], found)
    steps = axes.patches[0].get_data()
    assert np.sum(steps.values * np.diff(np.log(steps.edges))) == pytest.approx(0.6, abs=1e-12)
    x, density = next(line for line in axes.lines if line.get_label() == "predicted bulk").get_xydata().T
    # The learnt value is not of the bulk: 60 of the 100; to a hundredth by the trapezoidal rule at two edges.
    assert np.trapezoid(density, np.log(x)) == pytest.approx(0.6, abs=0.01)
    with refused("observation", "must have the trained layer", "weights=True"):
        plot.spectrum(None, rs.simulate(LAYER, trials=1), of="weights")
    with refused("of", "must be one of features, weights", "'weights'?"):
        plot.spectrum(predicted, of="weight")


def test_the_height_of_a_marker_is_what_the_vector_shares_with_q(axes: Any) -> None:
    plot.spectrum(prediction(), observation(), ax=axes)
    (shares,) = (each for each in axes.figure.axes if each.get_label() == SHARES)
    drawn = {line.get_label(): line.get_xydata() for line in shares.lines}
    spikes = [(spike.singular_value, spike.alignment.sum()) for spike in prediction().spikes]
    np.testing.assert_allclose(drawn["predicted spike"], spikes)
    first = observation().trials[0]
    found = [(first.singular_values[k], first.alignment[k].sum()) for k in range(5)]
    np.testing.assert_allclose(drawn["simulated, largest values"][:5], found)


def test_the_histogram_has_the_mass_of_all_values(axes: Any) -> None:
    """Bars are wide enough to be seen; their area in log sigma is the share of the values that they hold."""
    plot.spectrum(None, observation(), ax=axes)
    steps = axes.patches[0].get_data()
    assert np.diff(np.log10(steps.edges)).max() == pytest.approx(1 / 16)
    values = np.concatenate([trial.singular_values for trial in observation().trials])
    shown = np.mean(values > 1e-3 * values.max())
    assert np.sum(steps.values * np.diff(np.log(steps.edges))) == pytest.approx(shown, rel=1e-12)


def test_an_estimated_density_is_drawn_where_values_are_not_known(axes: Any) -> None:
    seen = rs.simulate(SETTING, trials=2, spectrum="density", top=3)
    plot.spectrum(prediction(), seen, ax=axes)
    assert "simulated, estimated density" in axes.get_legend_handles_labels()[1]
    assert not axes.patches


def test_losses_without_a_theory(axes: Any) -> None:
    """Points alone, over the key in which the settings differ."""
    seen = [observation(exponent) for exponent in EXPONENTS]
    plot.losses(observations=seen, quantities=["train", "test"], ax=axes)
    assert axes.get_xlabel().startswith("step exponent")
    labels = axes.get_legend_handles_labels()[1]
    assert [label.partition(",")[0] for label in labels] == ["training loss", "test loss"]
    assert not any("theory" in label for label in labels)
    with refused("predicted", "differ in one key", "no key"):
        plot.losses(observations=seen[:1])


def test_losses_of_single_trials_have_no_interval(axes: Any) -> None:
    alone = rs.simulate(SETTING, trials=1, seed=1)
    plot.losses(curve(), [alone], quantities=["test"], ax=axes)
    (points,) = axes.containers
    bar = points.lines[2][0].get_segments()[0]
    assert bar[0] == pytest.approx(bar[1])
    sizes = rs.sweep(SETTING, {"step_size": [0.5, 1.0, 2.0, 30.0]}, method="closed_form")
    assert plot.losses(sizes, [alone], ax=Figure().subplots()).get_xscale() == "log"


def test_a_gain_is_over_the_reference(axes: Any) -> None:
    table = plane()
    plot.phase_diagram(table, "losses.test", reference=table, ax=axes)
    assert np.all(axes.collections[0].get_array() == 0.0)


WRONG = [
    ("prediction", lambda: plot.spectrum()),
    ("prediction", lambda: plot.spectrum("relu")),
    ("observation", lambda: plot.spectrum(prediction(), 3)),
    ("predicted", lambda: plot.losses([1.0, 2.0])),
    ("predicted", lambda: plot.losses(plane())),
    ("predicted", lambda: plot.losses(rs.sweep(SETTING, {"activation": ["relu", "tanh"]}))),
    ("quantities", lambda: plot.losses(curve(), quantities=["tset"])),
    ("quantity", lambda: plot.losses(rs.sweep(SETTING, {"d": [100, 150]}, ["losses.train"]))),
    ("observations", lambda: plot.losses(curve(), [1.0])),
    ("published", lambda: plot.losses(curve(), published=rs.sweep(SETTING, {"d": [150]}))),
    ("spike", lambda: plot.features(prediction(), spike=3)),
    ("spike", lambda: plot.features(prediction(), spike=0)),
    ("observation", lambda: plot.features(prediction(), rs.simulate(SETTING, trials=1))),
    ("comparison", lambda: plot.residuals(prediction())),
    ("comparison", lambda: plot.residuals(rs.compare(prediction(), rs.simulate(SETTING, trials=1)))),
    ("table", lambda: plot.phase_diagram(curve())),
    ("quantity", lambda: plot.phase_diagram(plane(), "losses.train")),
    ("reference", lambda: plot.phase_diagram(plane(), "losses.test", reference=untrained(2.2))),
    ("rates", lambda: plot.scaling([])),
    ("rates", lambda: plot.scaling([prediction()])),
    ("observation", lambda: plot.given(prediction(), {})),
    ("predictions", lambda: plot.given(observation(), {})),
    ("predictions['a']", lambda: plot.given(observation(), {"a": [prediction()]})),
    ("theme", lambda: plot.style("drak").__enter__()),
    ("path", lambda: plot.save(Figure().subplots(), "figure.jpg")),
    ("axes", lambda: plot.save(3, "figure.png")),
]


@pytest.mark.parametrize(("field", "call"), WRONG)
def test_wrong_arguments_are_refused(field: str, call: Any) -> None:
    with refused(field):
        call()
    assert not pyplot.get_fignums()


def test_files_have_text_and_their_fonts(tmp_path: Path, axes: Any) -> None:
    plot.spectrum(prediction(), ax=axes)
    contents = []
    for name in ("a.svg", "b.svg", "a.pdf", "b.pdf", "a.png"):
        plot.save(axes, tmp_path / name)
        contents.append((tmp_path / name).read_bytes())
    svg, svg_again, pdf, pdf_again, png = contents
    assert (svg, pdf) == (svg_again, pdf_again)
    assert b"singular value of F / \xe2\x88\x9a\xc3\xb1</text>" in svg
    assert re.search(rb"@font-face\{font-family:'DejaVu Sans';[^}]*base64,d09GR", svg)
    assert b"/Type3" not in pdf
    assert b"/FontFile2" in pdf
    assert png.startswith(b"\x89PNG")


def test_a_theme_holds_for_what_is_drawn_in_it() -> None:
    with plot.style("dark"):
        own = plot.spectrum(prediction())
    assert own.xaxis.label.get_color() == "#e8eaed"
    assert plot.spectrum(prediction()).xaxis.label.get_color() == "#1a1a1a"


def test_quantities_have_names_in_words() -> None:
    names = {
        "spikes[1].singular_value": "spike 2",
        "spikes[0].alignment[2]": "spike 1: share of He₂(q)",
        "bulk.quantiles[0.05]": "bulk, quantile 0.05",
        "losses.test": "test loss",
        "improvement.test": "gain in test loss",
        "regime.degree": "regime, degree",
    }
    assert {name: in_words(name) for name in names} == names


def test_rows_are_in_the_order_of_a_table() -> None:
    own = plot.residuals(compared())
    labels = [label.get_text() for label in own.get_yticklabels()]
    assert labels[:4] == ["ridge objective", "training loss", "test loss", "spike 1"]
    assert len(EXPONENTS) == 3


@pytest.mark.parametrize("reach", [3.0, 7.0, 30.0, 500.0, 2e4, 1e5, 1e12])
@pytest.mark.parametrize("inches", [3.6, 6.75])
def test_numbers_of_margins_do_not_overlap(reach: float, inches: float) -> None:
    row = SimpleNamespace(quantity="latent.cosine", interval=(0.0, reach), margin=1.0, verdict="inconclusive")
    figure = Figure(figsize=(inches, 2.0), layout="constrained")
    with plot.style():
        axis = plot.residuals(SimpleNamespace(rows=[row]), ax=figure.subplots())
        figure.canvas.draw()
        shown = [label for label in axis.get_xticklabels() if label.get_text()]
        boxes = [label.get_window_extent() for label in shown]
    assert all(left.x1 < right.x0 for left, right in pairwise(boxes))
    assert "0" in [label.get_text() for label in shown]
    # The outermost number is there, and every tick.
    assert len(axis.get_xticks()) >= 5
    assert shown[-1].get_text() == axis.get_xticklabels()[-1].get_text() or reach < 10.0
