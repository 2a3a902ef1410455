"""Trials and observations as values: equal, printed shortly, and the same after a file or a pickle."""

import pickle
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from rmt_spikes.errors import CaseError
from rmt_spikes.setting import Setting
from rmt_spikes.simulation import Observation, Trial, simulate

SETTING = Setting(
    n=60, d=30, width=40, activation={"expression": "tanh(z) + z/2"}, target={"hermite": [0, 1, 0.7]},
    ridge=0.1, step_size=1.0,
)  # fmt: skip


@pytest.fixture(scope="module", params=[{"keep_vectors": True}, {"spectrum": "density", "top": 2}])
def observation(request):
    return simulate(SETTING, trials=3, seed=4, **request.param)


def test_what_is_read_back_is_equal(observation, tmp_path):
    observation.save(tmp_path / "observation.npz")
    for copy in (Observation.load(tmp_path / "observation.npz"), pickle.loads(pickle.dumps(observation))):
        assert copy == observation
        assert copy.to_dict() == observation.to_dict()
    with pytest.raises(AttributeError):
        observation.seed = 1
    trial = observation.trials[0]
    assert Trial.from_bytes(trial.to_bytes()) == trial


def test_a_changed_number_is_noticed(observation):
    first, *rest = observation.trials
    labels = first.latent.labels.copy()
    labels[-1] = np.nextafter(labels[-1], np.inf)
    changed = replace(first, latent=replace(first.latent, labels=labels))
    assert changed != first
    assert replace(observation, trials=(changed, *rest)) != observation
    assert replace(observation, seed=5) != observation
    assert first != first.latent


def test_they_are_printed_in_few_lines(observation):
    for value in (observation, observation.trials[0], observation.trials[0].latent):
        assert len(repr(value).splitlines()) < 20
        assert len(repr(value)) < 2000
        assert repr(value).startswith(f"{type(value).__name__}(")


def test_they_are_drawn(observation):
    for value in (observation, observation.trials[0]):
        drawing = ElementTree.fromstring(value._repr_html_())
        assert len(drawing.findall("svg/rect")) == 40
        assert max(float(bar.get("height")) for bar in drawing.iter("rect")) == 60.0


@pytest.mark.parametrize("damage", [b"", b"no archive", None])
def test_what_is_no_observation_is_refused(damage, tmp_path, observation):
    path = tmp_path / "file.npz"
    if damage is None:
        np.savez(path, setting=np.array([observation], dtype=object))
    else:
        path.write_bytes(damage)
    with pytest.raises(CaseError, match=r"file.npz: a stored observation is damaged") as damaged:
        Observation.load(path)
    assert "allow_pickle" not in str(damaged.value), "no advice of another library"
    with pytest.raises(CaseError, match="cannot be read"):
        Observation.load(tmp_path / "none.npz")
