"""Golden numbers (see `record.py`): what the code computes is what it computed when they were written."""

import pytest
from programme import PROGRAMMES
from record import compute, failures, stored

PLACES = [(name, key) for name, programme in PROGRAMMES.items() for key in programme]


@pytest.mark.parametrize(("name", "key"), PLACES, ids=" ".join)
def test_the_numbers_are_those_written(name, key):
    assert failures(f"{name} {key}", stored(name)[key], compute(PROGRAMMES[name][key])) == []


@pytest.mark.parametrize("name", PROGRAMMES)
def test_the_files_hold_the_programme(name):
    assert list(stored(name)) == list(PROGRAMMES[name])


@pytest.mark.parametrize(
    ("old", "new"),
    [(1.0, 1.0 + 1e-11), ([1.0, 0.0], [1.0, 1e-11]), ("a", "b"), (None, 1.0), ([1.0], [1.0, 2.0]),
     ([{"x": 1.0}], []), ({"x": 1.0}, {"y": 1.0}), ([1.0, float("nan")], [1.0, 2.0]), (True, False)],
)  # fmt: skip
def test_differences_are_seen(old, new):
    assert failures("", {"z": old}, {"z": new}) != []
    assert failures("", {"z": old}, {"z": old}, exact=True) == []
