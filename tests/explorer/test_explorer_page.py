"""The page as a person uses it: in headless Chromium, with the command itself as its server."""

import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import psutil
import pytest
from browser import Browser, browser

import rmt_spikes as rs

SETTING = """n = 300
d = 150
width = 200
activation = "relu"
target = { hermite = [0, 1, 0.7] }
ridge = 0.01
step_exponent = 0.4
"""
SETTLED = "document.getElementById('status').textContent === 'Uniform theory.'"
STATUS = "document.getElementById('status').textContent"
TOML = "document.getElementById('toml').textContent"
MEASURED = "performance.getEntriesByName('input to paint').map(each => each.duration)"
FADED = """
window.faded = 0;
new MutationObserver(() => { window.faded += document.querySelectorAll("#losses .old").length; })
    .observe(document.getElementById("losses"), { childList: true }); 0
"""
AXE = (resources.files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8")
LATENCY = 100.0
"""Milliseconds from an input to its paint, for 19 inputs in 20."""


@dataclass
class Server:
    address: str
    process: subprocess.Popen[str]
    folder: Path

    @property
    def origin(self) -> str:
        return self.address.partition("/#")[0]

    @property
    def token(self) -> str:
        return parse_qs(urlsplit(self.address).fragment)["token"][0]


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    (folder / "setting.toml").write_text(SETTING)
    (folder / "out").mkdir(exist_ok=True)
    command = [sys.executable, "-m", "rmt_spikes.cli", "explore", "setting.toml", "--folder", "out"]
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:"), process.communicate()[1]
        yield Server(address, process, folder / "out")
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("explorer")) as running:
        yield running


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as running:
        yield running


def drag(chromium: Browser, key: str, start: float, end: float, inputs: int = 60) -> np.ndarray:
    """Drag a slider between shares of its length, 60 inputs a second; times from each input to its paint."""
    x, y = chromium.middle(f"#slider-{key}")
    wide = chromium.run(f"document.getElementById('slider-{key}').clientWidth")
    chromium.run("performance.clearMeasures()")
    at = [x + (share - 0.5) * wide for share in np.linspace(start, end, inputs)]
    chromium.mouse("mousePressed", at[0], y)
    began = time.monotonic()
    for k, place in enumerate(at):
        chromium.mouse("mouseMoved", place, y)
        time.sleep(max(0.0, began + (k + 1) / 60 - time.monotonic()))
    chromium.mouse("mouseReleased", at[-1], y)
    chromium.wait(f"{STATUS} !== 'Connecting.' && {MEASURED}.length > 5")
    return np.array(chromium.run(MEASURED))


def text_of(chromium: Browser, key: str) -> str:
    return str(chromium.run(f"document.getElementById('input-{key}').value"))


def fill(chromium: Browser, key: str, text: str) -> None:
    chromium.run(f"document.getElementById('input-{key}').focus()")
    chromium.write(text)


def fragment(chromium: Browser) -> dict[str, str]:
    found = parse_qs(str(chromium.run("location.hash")).removeprefix("#"))
    return {name: values[0] for name, values in found.items()}


def error_at(chromium: Browser, key: str) -> str:
    place = f"document.getElementById('error-{key}')"
    return str(chromium.wait(f"!{place}.hidden && {place}.textContent"))


def test_figures_follow_a_slider_that_is_dragged(chromium: Browser, server: Server) -> None:
    chromium.open(server.address, 1440)
    before = chromium.wait("document.querySelector('#spectrum .line')?.getAttribute('d')")
    times = drag(chromium, "ridge", 0.3, 0.7)
    chromium.wait("document.querySelector('#losses .line') && !document.querySelector('#losses .old')")
    chromium.run(FADED)
    drag(chromium, "width", 0.3, 0.6)
    # The curves of the losses come later: meanwhile those of another setting are faded.
    assert chromium.run("window.faded") > 0
    chromium.wait("document.querySelector('#losses .line') && !document.querySelector('#losses .old')")
    assert chromium.run("document.querySelector('#spectrum .line').getAttribute('d')") != before
    # Every input is painted, or one after it: a figure that stood still would have measured none.
    assert times.size > 5
    assert times.min() > 0.0
    ridge, width = (text_of(chromium, key) for key in ("ridge", "width"))
    assert float(ridge) != 0.01
    chromium.wait(f"{TOML}.includes('width = {width}')")
    shown = rs.Setting.from_dict(tomllib.loads(chromium.run(TOML)))
    expected = rs.predict(shown, method="closed_form").losses
    numbers = chromium.wait("document.getElementById('numbers').innerText")
    assert f"{expected.test:.5g}" in numbers or chromium.run(STATUS).startswith("Uniform")
    # The token is neither in the address, nor was it in that of any request.
    assert server.token not in chromium.run("location.href")
    assert all(server.token not in url for url in chromium.requests[1:])
    assert {urlsplit(url).netloc for url in chromium.requests} == {urlsplit(server.address).netloc}


@pytest.mark.thorough
def test_inputs_are_painted_within_a_tenth_of_a_second(chromium: Browser, server: Server) -> None:
    busy = os.getloadavg()[0]
    if busy > (os.cpu_count() or 1):
        pytest.skip(f"other programs are busy (load {busy:.1f}): they would be measured")
    chromium.open(server.address, 1440)
    chromium.wait(SETTLED)
    keys = ("ridge", "step_exponent", "noise_std", "width", "d", "n")
    times = {key: float(np.quantile(drag(chromium, key, 0.2, 0.8), 0.95)) for key in keys}
    print({key: round(time) for key, time in times.items()}, "ms")  # shown by pytest -rP
    assert max(times.values()) < LATENCY, times


@pytest.mark.thorough
def test_nonsense_is_answered_beside_its_field(chromium: Browser, server: Server) -> None:
    chromium.open(server.address, 1200)
    for key, text, said in (
        ("ridge", "plenty", "a number from 1e-12 to 1e12, got 'plenty'"),
        ("n", "-3", "must be a whole number"),
        ("activation", "relo", "relu"),
        ("target", "<img src=x onerror=alert(1)>", "must"),
        ("step_exponent", "9", "must"),
    ):
        chromium.wait(SETTLED)
        figure = chromium.run("document.getElementById('spectrum').innerHTML")
        good = text_of(chromium, key)
        fill(chromium, key, text)
        assert said in error_at(chromium, key)
        assert chromium.run(f"document.getElementById('input-{key}').getAttribute('aria-invalid')") == "true"
        assert chromium.run("document.querySelectorAll('#controls img').length") == 0
        # The last good figure stays, faded.
        assert chromium.run("document.getElementById('spectrum').innerHTML") == figure
        assert chromium.run("document.getElementById('spectrum').classList.contains('stale')")
        fill(chromium, key, good)
        chromium.wait(f"document.getElementById('error-{key}').hidden")
        chromium.wait("!document.getElementById('spectrum').classList.contains('stale')")
    # What is typed in the address is no worse.
    chromium.open(f"{server.origin}/#n=1&bogus=%3Cscript%3E&ridge=%00", 1200)
    chromium.wait("!document.getElementById('general-error').hidden")


@pytest.mark.thorough
def test_a_reload_and_a_link_bring_the_state_back(chromium: Browser, server: Server) -> None:
    chromium.open(server.address, 1200)
    chromium.wait(SETTLED)
    fill(chromium, "target", "tanh(2*z)")
    fill(chromium, "noise_std", "0.65")
    chromium.wait("location.hash.includes('noise_std=0.65')")
    link = str(chromium.run("location.href"))
    assert "token" not in link
    assert fragment(chromium)["target"] == "tanh(2*z)"
    chromium.reload()
    chromium.wait(SETTLED)
    assert (text_of(chromium, "target"), text_of(chromium, "noise_std")) == ("tanh(2*z)", "0.65")
    chromium.open(server.address, 1200)
    chromium.wait(SETTLED)
    chromium.run(f"location.href = {json.dumps(link)}")
    chromium.wait(f"{TOML}.includes('tanh(2*z)')")
    chromium.click("#reset")
    chromium.wait(f"{TOML}.includes('hermite')")


@pytest.mark.thorough
def test_tabs_do_not_disturb_each_other(chromium: Browser, server: Server) -> None:
    chromium.open(server.address, 1200)
    chromium.wait(SETTLED)
    with chromium.tab() as other:
        # Without the token in its address: it is known to this origin.
        other.open(f"{server.origin}/#{urlsplit(server.address).fragment.partition('&')[2]}", 1200)
        other.wait(SETTLED)
        fill(other, "ridge", "0.5")
        fill(chromium, "ridge", "0.25")
        for tab, ridge in ((chromium, "0.25"), (other, "0.5")):
            tab.wait(f"{TOML}.includes('ridge = {ridge}')")
            tab.wait(SETTLED)
            assert fragment(tab)["ridge"] == ridge


@pytest.mark.thorough
def test_a_network_is_simulated_on_request_and_can_be_cancelled(chromium: Browser, server: Server) -> None:
    chromium.open(server.address, 1200)
    chromium.wait(SETTLED)
    chromium.click("#run")
    chromium.wait("document.body.classList.contains('with-trial')", 120)
    chromium.wait(SETTLED)
    (trial,) = rs.simulate(rs.Setting.from_dict(tomllib.loads(SETTING)), trials=1, seed=0).trials
    assert f"{trial.test:.5g}" in chromium.run("document.getElementById('numbers').innerText")
    assert chromium.run("document.querySelectorAll('#spectrum .bar').length") > 5
    assert "observation = rs.simulate" in chromium.run("document.getElementById('python').textContent")
    # It belongs to its setting.
    fill(chromium, "ridge", "0.02")
    chromium.wait("!document.body.classList.contains('with-trial')")
    fill(chromium, "ridge", "0.01")
    chromium.wait("document.body.classList.contains('with-trial')")
    # A large one takes minutes, and ends at once: its process is gone.
    for key in ("n", "d", "width"):
        fill(chromium, key, "6000")
    chromium.click("#run")
    chromium.wait("document.getElementById('stage').textContent.includes('Stage')", 120)
    chromium.click("#cancel")
    chromium.wait(f"{STATUS} === 'The simulation was cancelled.' || {STATUS}.includes('theory')")
    assert chromium.run("document.getElementById('cancel').hidden")
    fill(chromium, "n", "0")
    error_at(chromium, "n")
    chromium.run("document.getElementById('seed').focus()")
    chromium.write("many")
    chromium.click("#run")
    assert "got 'many'" in chromium.wait("document.getElementById('error-seed').textContent")


@pytest.mark.thorough
def test_what_is_shown_can_be_saved(chromium: Browser, server: Server) -> None:
    chromium.open(server.address, 1200)
    chromium.wait(SETTLED)
    chromium.click("#save")
    said = chromium.wait("document.getElementById('saved').textContent", 120)
    assert said.startswith(f"Saved in {server.folder.resolve()}")
    (made,) = server.folder.iterdir()
    names = {"setting.toml", "figures.py", "spectrum.svg", "losses.svg", "features.svg"}
    assert {each.name for each in made.iterdir()} == names
    assert rs.Setting.from_toml(made / "setting.toml") == rs.Setting.from_dict(tomllib.loads(SETTING))


@pytest.mark.thorough
def test_a_server_that_is_gone_is_said(chromium: Browser, tmp_path: Path) -> None:
    alert = "document.getElementById('alert')"
    with serving(tmp_path) as server:
        chromium.open(server.address, 1200)
        chromium.wait(SETTLED)
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(20) == 0
        fill(chromium, "ridge", "0.3")
        assert "does not answer" in chromium.wait(f"!{alert}.hidden && {alert}.textContent")
        # Nothing is lost: the setting is in the address, the figures are still there.
        chromium.wait("location.hash.includes('ridge=0.3')")
        assert chromium.run("document.querySelectorAll('#spectrum .line').length") > 0
    with serving(tmp_path) as server:
        # A link alone does not open the page of another run.
        chromium.open(f"{server.origin}/#n=5", 1200)
        assert "another run" in chromium.wait(f"!{alert}.hidden && {alert}.textContent")


@pytest.mark.thorough
def test_a_worker_that_is_killed_is_started_again(chromium: Browser, tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        chromium.open(server.address, 1200)
        chromium.wait(SETTLED)
        children = psutil.Process(server.process.pid).children()
        workers = [each for each in children if any("spawn_main" in word for word in each.cmdline())]
        assert len(workers) == 2
        for each in workers:
            each.kill()
        fill(chromium, "ridge", "0.3")
        chromium.wait(f"{STATUS} !== 'Uniform theory.'")
        fill(chromium, "ridge", "0.31")
        chromium.wait(SETTLED)
        children += psutil.Process(server.process.pid).children()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 143
        # Nothing is left behind.
        assert psutil.wait_procs(children, timeout=10)[1] == []


SCROLLED = "document.documentElement.scrollWidth - innerWidth"
VIOLATIONS = """
axe.run().then(r => r.violations.map(v => v.id + ": " + v.nodes[0].html.slice(0, 90)))
"""


@pytest.mark.thorough
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_the_page_is_for_everybody(chromium: Browser, server: Server, width: int, theme: str) -> None:
    chromium.open(server.address, width, theme)
    chromium.wait(SETTLED)
    chromium.click("#run")
    chromium.wait("document.body.classList.contains('with-trial')", 120)
    chromium.wait(SETTLED)
    fill(chromium, "ridge", "plenty")
    error_at(chromium, "ridge")
    assert chromium.run(SCROLLED) <= 0
    assert chromium.run(
        "[...document.querySelectorAll('#spectrum text')].every(each => {"
        " const r = each.getBoundingClientRect(); return r.left >= 0 && r.right <= innerWidth; })"
    )
    chromium.run(f"{AXE}; 0")
    assert chromium.run(VIOLATIONS) == []
    background = chromium.screenshot(whole=True)[-1, -1].mean()
    assert (background < 60) == (theme == "dark")
    # The check sees what is wrong: text without contrast, and a field without a label.
    chromium.run(
        "document.querySelector('footer p').className = 'pale';"
        "document.querySelector('footer').style.color = '#888';"
        "document.querySelector('footer').style.background = '#999';"
        "document.querySelector('label[for=input-ridge]').remove();"
        "document.getElementById('input-ridge').removeAttribute('title')"
    )
    kinds = {each.partition(":")[0] for each in chromium.run(VIOLATIONS)}
    assert {"color-contrast", "label"} <= kinds


@pytest.mark.thorough
def test_the_page_is_used_with_the_keyboard(chromium: Browser, server: Server) -> None:
    chromium.open(server.address, 1200)
    chromium.wait(SETTLED)
    chromium.press("Tab")
    assert chromium.run("document.activeElement.className") == "skip"
    chromium.press("Enter")
    assert chromium.run("document.activeElement.id") == "results"
    assert "#results" not in chromium.run("location.href")
    chromium.run("document.getElementById('slider-ridge').focus()")
    before = text_of(chromium, "ridge")
    chromium.press("ArrowRight")
    assert float(text_of(chromium, "ridge")) > float(before)
    assert chromium.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    told = chromium.accessible()
    unnamed = {"slider", "textbox", "combobox", "button", "image", "table", "radio", "spinbutton"}
    assert [role for role, name in told if role in unnamed and not name.strip()] == []
    assert any(role in {"image", "img"} and "predicted spikes at" in name for role, name in told)
