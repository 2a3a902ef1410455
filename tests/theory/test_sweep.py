"""Tables of predictions over keys of a setting."""

import pickle
import sys
from concurrent.futures import ProcessPoolExecutor
from itertools import count
from types import SimpleNamespace

import numpy as np
import pytest
from refusals import refused

import rmt_spikes as rs
from rmt_spikes.theory import predict_losses, sweep
from rmt_spikes.theory.methods import Uniform
from rmt_spikes.theory.sweeps.names import FORMS, LISTED, named

SETTING = rs.Setting(
    n=600, d=300, width=400, activation="relu", target={"hermite": [0, 1, 0.7]}, ridge=0.01, step_exponent=0.3
)
CHEAP = {"method": "closed_form"}


def lines(d: int) -> dict[str, list[float]]:
    table = sweep(SETTING.replace(d=d), {"ridge": [0.01, 0.1]}, ["losses.test"], **CHEAP)
    return {"test": table["losses.test"].tolist()}


def test_every_entry_is_the_number_of_a_prediction():
    axes = {"step_exponent": [0.2, 0.45], "d": np.array([200, 300, 450])}
    names = [
        "losses.test", "spike_count", "spikes[0].singular_value", "spikes[1].alignment[2]",
        "bulk.edges[-1][1]", "bulk.quantiles[0.5]", "outliers.expected_beyond_edge", "latent.shift",
        "regime.spike_count", "certificate.residual", "method",
    ]  # fmt: skip
    table = sweep(SETTING, axes, names, method="closed_form")
    assert table.shape == (2, 3)
    for i, exponent in enumerate(axes["step_exponent"]):
        for j, d in enumerate(axes["d"]):
            single = rs.predict(SETTING.replace(step_exponent=exponent, d=int(d)), **CHEAP)
            assert table["losses.test"][i, j] == single.losses.test
            assert table["spike_count"][i, j] == len(single.spikes)
            assert table["bulk.edges[-1][1]"][i, j] == single.bulk.edges[-1, 1]
            assert table["bulk.quantiles[0.5]"][i, j] == single.bulk.quantile(0.5)
            assert table["latent.shift"][i, j] == single.latent.shift
            assert table["regime.spike_count"][i, j] == single.regime.spike_count
            assert table["certificate.residual"][i, j] == single.certificate.residual
            assert table["method"][i, j] == "closed_form"
            values = [spike.singular_value for spike in single.spikes]
            assert table["spikes[0].singular_value"][i, j] == values[0]
            second = table["spikes[1].alignment[2]"][i, j]
            assert np.isnan(second) if len(values) < 2 else second == single.spikes[1].alignment[2]
    assert set(table["spike_count"].ravel()) >= {1.0, 2.0}  # both kinds of points are in the table
    assert not table.failures


def test_the_default_method_and_quantities_are_those_of_predict():
    table = sweep(SETTING, {"noise_std": [0.0, 0.3]})
    losses = predict_losses(SETTING.replace(noise_std=0.3))
    assert table.method == Uniform.name
    assert [table[f"losses.{key}"][1] for key in ("objective", "train", "test")] == [
        losses.objective, losses.train, losses.test,
    ]  # fmt: skip


def test_each_batch_is_predicted_by_its_own_default():
    table = sweep(SETTING, {"second_batch": ["fresh", "same"]}, ["losses.test"])
    assert table.failures == ()
    for name, value in zip(("fresh", "same"), table["losses.test"], strict=True):
        losses = predict_losses(SETTING.replace(second_batch=name))
        assert value == pytest.approx(losses.test, rel=1e-9)


def test_words_and_functions_can_be_swept():
    functions = ["relu", {"expression": "tanh(z) + z**2/10"}, {"hermite": [0, 1, 0.5]}]
    table = sweep(SETTING, {"activation": functions, "readout": ["gaussian", "constant"]}, **CHEAP)
    assert table.shape == (3, 2)
    changed = SETTING.replace(activation=functions[1], readout="constant")
    assert table["losses.test"][1, 1] == predict_losses(changed, **CHEAP).test
    assert table.axes["readout"] == ("gaussian", "constant")
    sizes = sweep(SETTING, {"d": np.linspace(200, 300, 3)}, **CHEAP).axes["d"]
    assert sizes.tolist() == [200, 250, 300]
    assert sizes.dtype.kind == "i"
    assert sweep(SETTING, {"n": [600, 700]}, **CHEAP)["losses.test"][1] == pytest.approx(
        predict_losses(SETTING.replace(n=700, n_ridge=700), **CHEAP).test, rel=0
    )


def test_a_point_that_cannot_be_predicted_is_nan_and_says_why():
    table = sweep(
        SETTING, {"step_size": [1.0, 150.0], "width": [100, 400]}, ["losses.test", "method"], **CHEAP
    )
    assert np.isnan(table["losses.test"]).tolist() == [[False, False], [True, False]]
    assert table["method"].tolist() == [["closed_form"] * 2, ["", "closed_form"]]
    (failure,) = table.failures
    assert failure.index == (1, 0)
    assert failure.values == {"step_size": 150.0, "width": 100}
    assert failure.quantities == ("losses.test", "method")
    assert "10 sqrt(width) = 100" in failure.reason
    assert "1 of 4 points failed" in repr(table)
    assert "10 sqrt(width)" in table._repr_html_()


def test_a_part_that_fails_leaves_the_others(monkeypatch):
    def fail(self):
        raise np.linalg.LinAlgError("Singular matrix")

    monkeypatch.setattr("rmt_spikes.theory.methods.closed_form.ClosedForm.spikes", fail)
    table = sweep(SETTING, {"ridge": [0.1]}, ["spike_count", "losses.test"], **CHEAP)
    assert np.isnan(table["spike_count"][0])
    assert np.isfinite(table["losses.test"][0])
    assert table.failures[0].quantities == ("spike_count",)
    assert table.failures[0].reason == "LinAlgError: Singular matrix"


def test_warnings_of_points_are_kept_and_told_once(monkeypatch):
    def warn(self):
        import warnings

        warnings.warn(f"rough at {self.setting.ridge}", rs.AccuracyWarning, stacklevel=2)
        return rs.Losses(objective=1.0, train=1.0, test=1.0)

    monkeypatch.setattr("rmt_spikes.theory.methods.closed_form.ClosedForm.losses", warn)
    with pytest.warns(rs.AccuracyWarning, match="2 of 2 points .* rough at 0.1"):
        table = sweep(SETTING, {"ridge": [0.1, 0.2]}, **CHEAP)
    # The closed form has large error bars as well.
    assert [each.reason for each in table.warned if "rough" in each.reason] == [
        "rough at 0.1",
        "rough at 0.2",
    ]


@pytest.mark.parametrize("jobs", [1, 2])
def test_processes_and_progress_change_no_number(jobs, capsys):
    told = []
    exponents = np.linspace(0, 0.45, 30)
    table = sweep(
        SETTING, {"step_exponent": exponents}, jobs=jobs, progress=lambda *x: told.append(x), **CHEAP
    )
    assert told[-1] == (30, 30)
    assert len(told) == 2
    assert table == sweep(SETTING, {"step_exponent": exponents}, progress=True, **CHEAP)
    assert "30/30" in capsys.readouterr().err


def test_sweeps_run_in_other_processes():
    with ProcessPoolExecutor(2) as pool:
        found = list(pool.map(lines, [200, 300]))
    assert found == [lines(200), lines(300)]


def test_tables_are_values(tmp_path):
    axes = {"step_size": [0.0, 1.0, 150.0], "activation": ["tanh", {"expression": "z + z**2/10"}]}
    names = ["losses.test", "regime.step_exponent", "method"]
    table = sweep(SETTING.replace(width=100, n_ridge=500), axes, names, **CHEAP)
    assert np.isneginf(table["regime.step_exponent"][0, 0])
    table.save(tmp_path / "table.json")
    for copy in (rs.SweepTable.load(tmp_path / "table.json"), pickle.loads(pickle.dumps(table))):
        assert copy == table
        assert copy.to_dict() == table.to_dict()
    assert table != sweep(SETTING, axes, names, **CHEAP)
    with pytest.raises(ValueError, match="read-only"):
        table["losses.test"][0] = 0
    assert list(table) == names
    assert len(repr(table).splitlines()) < 20
    assert repr(table).isascii()
    assert "<td>tanh</td>" in table._repr_html_()
    rows = list(table.rows())
    assert rows[1] == {
        "step_size": 0.0, "activation": axes["activation"][1], "losses.test": table["losses.test"][0, 1],
        "regime.step_exponent": -np.inf, "method": "closed_form",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "field"),
    [({"schema": "x"}, "schema"), ({"axes": None}, "document"), ({"axes": {"ridge": [-1]}}, "ridge")],
)
def test_what_is_no_table_is_refused(change, field):
    document = sweep(SETTING, {"ridge": [0.1]}, **CHEAP).to_dict() | change
    with refused(field):
        rs.SweepTable.from_dict(document)


def test_pandas_is_used_where_it_is(monkeypatch):
    table = sweep(SETTING, {"ridge": [0.1, 0.2]}, ["losses.test"], **CHEAP)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas"):
        table.to_pandas()
    frame = SimpleNamespace(DataFrame=lambda rows, columns: (rows, columns))
    monkeypatch.setitem(sys.modules, "pandas", frame)
    rows, columns = table.to_pandas()
    assert columns == ["ridge", "losses.test"]
    assert rows[1] == {"ridge": 0.2, "losses.test": table["losses.test"][1]}


@pytest.mark.parametrize(
    ("change", "field", "mention"),
    [
        ({"setting": 3}, "setting", "Setting"),
        ({"axes": {}}, "axes", "mapping"),
        ({"axes": [1]}, "axes", "mapping"),
        ({"axes": {"steps": [1]}}, "axes", "step_size"),
        ({"axes": {"step_size": [1.0], "step_exponent": [0.1]}}, "axes", "not both"),
        ({"axes": {"ridge": []}}, "ridge", "at least one"),
        ({"axes": {"ridge": 0.1}}, "ridge", "vector"),
        ({"axes": {"ridge": [[0.1]]}}, "ridge", "number"),
        ({"axes": {"ridge": [0.1, -1.0]}}, "ridge", "-1.0"),
        ({"axes": {"ridge": [0.1, np.nan]}}, "ridge", "nan"),
        ({"axes": {"d": [10.5]}}, "d", "10.5"),
        ({"axes": {"d": np.array([10.0, 10.5])}}, "d", "10.5"),
        ({"axes": {"d": range(1, 10**8)}}, "d", "at most 100000 values"),
        ({"axes": {"d": count(1)}}, "d", "at most 100000 values"),
        ({"axes": {"d": range(1, 1001), "n": range(1, 102)}}, "axes", "at most 100000 points, got 101000"),
        ({"axes": {"activation": "relu"}}, "activation", "list"),
        ({"axes": {"activation": ["rely"]}}, "activation", "did you mean 'relu'"),
        ({"quantities": "losses.test"}, "quantities", "list"),
        ({"quantities": []}, "quantities", "list"),
        ({"quantities": ["losses.tets"]}, "quantities", "losses.*"),
        ({"quantities": ["losses.tets"]}, "quantities", "did you mean 'losses.test'"),
        ({"quantities": ["spikes[0].alignment[5]"]}, "quantities", "5"),
        ({"quantities": ["spikes[-1].singular_value"]}, "quantities", "spikes"),
        ({"quantities": ["bulk.quantiles[1.5]"]}, "quantities", "1.5"),
        ({"quantities": [3]}, "quantities", "3"),
        ({"quantities": ["x" * 10_000]}, "quantities", "losses.*"),
        ({"method": "magic"}, "method", "uniform"),
        ({"features": "magic"}, "features", "corrected"),
        ({"jobs": 0}, "jobs", "0"),
        ({"progress": "yes"}, "progress", "callable"),
    ],
)
def test_bad_arguments(change, field, mention):
    arguments = {"setting": SETTING, "axes": {"ridge": [0.1]}} | change
    with refused(field, mention):
        sweep(**arguments)


SMALL = rs.Setting(
    n=200, d=100, width=60, activation="tanh", readout="rademacher", target="identity", ridge=0.1,
    step_size=4.0,
)  # fmt: skip


@pytest.mark.parametrize("name", ["singular_values", "right_alignment", "error"])
def test_values_that_no_layer_lists_are_refused(name):
    with refused("quantities", "must have an index below 10: ", f"got 'weights.{name}[10]'"):
        sweep(SMALL, {"step_size": [0.5, 4.0]}, [f"weights.{name}[10]"])
    assert sweep(SMALL, {"step_size": [4.0]}, [f"weights.{name}[9]"])[f"weights.{name}[9]"][0] >= 0.0


def test_numbers_of_the_trained_layer_are_swept():
    names = ["weights.singular_values[0]", "weights.right_alignment[0]", "weights.bulk.edges[-1][1]"]
    names += ["weights.bulk.quantiles[0.5]", "weights.outliers.expected_beyond_edge", "weights.error[0]"]
    table = sweep(SMALL, {"step_size": [0.5, 4.0]}, names)
    for i, step in enumerate((0.5, 4.0)):
        layer = rs.predict(SMALL.replace(step_size=step)).weights
        expected = [layer.singular_values[0], layer.right_alignment[0], layer.bulk.edges[-1, 1]]
        expected += [float(layer.bulk.quantile(0.5)), layer.outliers.expected_beyond_edge, layer.error[0]]
        assert [table[name][i] for name in names] == pytest.approx(expected, rel=1e-9)
    # A small step is learnt by no vector of the layer, a large one by the first.
    first = table["weights.right_alignment[0]"]
    assert (first[0], first[1] > 0.4) == (0.0, True)
    assert not table.failures
    refusing = sweep(SMALL, {"step_size": [4.0]}, names[:1], **CHEAP)
    assert "trained weights" in refusing.failures[0].reason


def test_every_kind_of_name_is_listed_and_read():
    prediction = rs.predict(SETTING.replace(step_exponent=0.45), method="closed_form")
    layer = rs.predict(SMALL)
    letters = {"i": "0", "j": "-1", "k": "1", "l": "9", "e": "0", "p": "0.25"}
    for form in FORMS:
        name = form.text
        for letter, index in letters.items():
            name = name.replace(f"[{letter}]", f"[{index}]")
        named(name).of(layer if name.startswith("weights") else prediction)
        assert any(form.text.startswith(each.strip().rstrip("*")) for each in LISTED.split(",")), form.text
    assert np.isnan(named("spikes[7].singular_value").of(prediction))


@pytest.mark.parametrize("index", ["9" * 30, "\N{ARABIC-INDIC DIGIT ONE}", "\N{SUPERSCRIPT TWO}"])
def test_indices_of_quantities_are_short_and_of_plain_digits(index):
    for name in (f"spikes[{index}].singular_value", f"bulk.edges[{index}][0]"):
        with pytest.raises(rs.DomainError, match="must be among"):
            sweep(SETTING, {"ridge": [0.1]}, quantities=[name])


@pytest.mark.parametrize(
    ("field", "value"),
    [("method", 3), ("features", ["a"]), ("error", "no"), ("solves", -1), ("quantities", {"bogus": [1, 2]})],
)
def test_a_stored_table_has_fields_of_their_types(field, value):
    document = sweep(
        SETTING, {"ridge": [0.1, 0.2]}, quantities=["losses.test"], method="closed_form"
    ).to_dict()
    assert rs.SweepTable.from_dict(document).to_dict() == document
    with pytest.raises(rs.DomainError, match=field):
        rs.SweepTable.from_dict(document | {field: value})
