"""The command that serves the page: what it refuses before it starts."""

import socket
from pathlib import Path

import pytest
from cli_tools import run


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--folder", "nowhere"], "--folder: must be a folder that exists, got 'nowhere'"),
        (["--set", "n=5"], "--set: needs a setting to change, got 'n=5'"),
        (["missing.toml"], "missing.toml: cannot be read"),
        (["--port", "70000"], "Invalid value for '--port'"),
    ],
)
def test_bad_input_is_refused_before_the_server_starts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    found = run("explore", *given)
    assert found.exit_code == 2
    assert said in found.output
    assert "Traceback" not in found.output


def test_a_port_that_is_taken_is_said() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        found = run("explore", "--port", str(other.getsockname()[1]))
    assert found.exit_code == 2
    assert "--port: must be free" in found.output


def test_an_extra_that_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "uvicorn" else name)
    found = run("explore")
    assert found.exit_code == 2
    assert "explore: needs starlette and uvicorn, got no uvicorn; in a copy of the sources:" in found.output
