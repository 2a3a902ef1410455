"""Names and modules that are loaded when they are first used."""

import sys

import pytest

from rmt_spikes.loading import load_on_use, names_on_use


def test_a_name_is_that_of_its_home_and_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    import xml.dom

    monkeypatch.delattr(xml.dom, "parseString", raising=False)
    get = names_on_use("xml.dom", {"parseString": "minidom", "pulldom": "pulldom"})
    assert get("parseString") is xml.dom.minidom.parseString  # type: ignore[attr-defined]
    assert vars(xml.dom)["parseString"] is get("parseString")
    assert get("pulldom") is sys.modules["xml.dom.pulldom"]
    with pytest.raises(AttributeError, match=r"module 'xml\.dom' has no attribute 'parse_string'"):
        get("parse_string")


def test_a_module_is_loaded_when_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    import wsgiref

    monkeypatch.delitem(sys.modules, "wsgiref.util", raising=False)
    monkeypatch.delattr(wsgiref, "util", raising=False)
    load_on_use("wsgiref.util", "wsgiref.no_such_module")
    present = object.__getattribute__(wsgiref.util, "__dict__")  # type: ignore[attr-defined]
    assert "guess_scheme" not in present
    assert wsgiref.util.guess_scheme({"HTTPS": "on"}) == "https"  # type: ignore[attr-defined]
    assert "guess_scheme" in present
    used = wsgiref.util  # type: ignore[attr-defined]
    load_on_use("wsgiref.util")
    assert sys.modules["wsgiref.util"] is used
