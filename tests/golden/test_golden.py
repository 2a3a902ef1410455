"""Golden numbers (see `record.py`): what the code computes is what it computed when they were written."""

import pytest
from programme import PROGRAMMES
from record import VERSIONS, compute, failures, refusals, stored
from usual import without

PLACES = [(name, key) for name, programme in PROGRAMMES.items() for key in programme]
# Of these settings the usual run sees losses or the closed form; `record.py` and `make thorough` take all.
SLOW = """
    elu erf expression gelu hermite identity sigmoid silu sin softplus
    label-mean-uncentred large-ridge many-samples narrow no-noise odd-target square standard-rademacher
    step-exponent-0.25 step-exponent-0.3 target-expression wide
"""


@pytest.mark.parametrize(
    ("name", "key"),
    without([("predictions", f"uniform/{name}") for name in SLOW.split()], PLACES),
    ids=" ".join,
)
def test_the_numbers_are_those_written(name, key):
    assert failures(f"{name} {key}", stored(name)[1][key], compute(PROGRAMMES[name][key])) == []


@pytest.mark.parametrize("name", PROGRAMMES)
def test_the_files_hold_the_programme(name):
    versions, entries = stored(name)
    assert list(entries) == list(PROGRAMMES[name])
    assert versions == VERSIONS[name], "a version was raised: write the numbers anew (record.py --write)"


@pytest.mark.parametrize("name", PROGRAMMES)
def test_numbers_change_only_with_a_version(name):
    old, new, rounded = {"a": {"z": 1.0}}, {"a": {"z": 1.1}, "b": {}}, {"a": {"z": 1.0 + 1e-14}, "b": {}}
    assert refusals(name, VERSIONS[name], old, new) != []
    assert refusals(name, VERSIONS[name], old, rounded) == []
    for version, number in VERSIONS[name].items():
        assert refusals(name, VERSIONS[name] | {version: number - 1}, old, new) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [(1.0, 1.0 + 1e-11), ([1.0, 0.0], [1.0, 1e-11]), ("a", "b"), (None, 1.0), ([1.0], [1.0, 2.0]),
     ([{"x": 1.0}], []), ({"x": 1.0}, {"y": 1.0}), ([1.0, float("nan")], [1.0, 2.0]), (True, False)],
)  # fmt: skip
def test_differences_are_seen(old, new):
    assert failures("", {"z": old}, {"z": new}) != []
    assert failures("", {"z": old}, {"z": old}, exact=True) == []
