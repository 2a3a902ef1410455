"""Names and modules that are loaded when they are first used."""

import sys

import pytest

from rmt_spikes.loading import names_on_use


def test_a_name_is_that_of_its_home_and_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    import xml.dom

    monkeypatch.delattr(xml.dom, "parseString", raising=False)
    get = names_on_use("xml.dom", {"parseString": "minidom", "pulldom": "pulldom"})
    assert get("parseString") is xml.dom.minidom.parseString  # type: ignore[attr-defined]
    assert vars(xml.dom)["parseString"] is get("parseString")
    assert get("pulldom") is sys.modules["xml.dom.pulldom"]
    with pytest.raises(AttributeError, match=r"module 'xml\.dom' has no attribute 'parse_string'"):
        get("parse_string")
