"""Programs run by interpreters that have loaded the libraries already.

A new interpreter takes seconds to load them. Here one process loads them once, and each program runs in a
fork of it, with its own globals, arguments, folder, standard streams and warnings, and a usual end. What a
program loads, and when, is seen in a new interpreter alone: `layout_rules.run_python`.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import subprocess
import sys
import tempfile
import types
import warnings
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

LOADED = (
    *("rmt_spikes.cli", "rmt_spikes.theory", "rmt_spikes.theory.symbolic", "rmt_spikes.plot"),
    *("matplotlib.pyplot", "mpmath", "numpy", "scipy.integrate", "scipy.optimize", "sympy", "typer"),
)
"""Libraries that are loaded before a program is asked for."""


def run_code(code: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run code; its warnings are errors."""
    return _run({"code": code}, cwd=cwd)


def run_script(path: Path, cwd: Path, *ignored: str) -> subprocess.CompletedProcess[str]:
    """Run a file; its warnings are errors, but those that begin so."""
    return _run({"script": str(path), "ignored": ignored}, cwd=cwd)


def run_command(*arguments: str, cwd: Path | None = None, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command of the package, with a text as its input; its warnings are errors."""
    return _run({"arguments": arguments}, cwd=cwd or Path.cwd(), text=text)


def _run(program: dict[str, Any], cwd: Path, text: str = "") -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryDirectory() as folder:
        names = [str(Path(folder) / name) for name in ("in", "out", "err")]
        Path(names[0]).write_text(text, encoding="utf-8")
        request = program | {"cwd": str(cwd), "streams": names, "environment": dict(os.environ)}
        server = _server()
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write(json.dumps(request) + "\n")
        server.stdin.flush()
        code = int(server.stdout.readline())
        out, err = (Path(name).read_text(encoding="utf-8") for name in names[1:])
    return subprocess.CompletedProcess(str(program), code, out, err)


@cache
def _server() -> "subprocess.Popen[str]":
    """The process that has loaded the libraries; it ends with its input."""
    server = subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert server.stdin is not None
    atexit.register(server.stdin.close)
    return server


def _serve() -> dict[str, Any] | None:
    """Fork for each request: it is what the fork returns. At the end of the input nothing is."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            return dict(json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    return None


def _become(program: dict[str, Any]) -> None:
    """Be the program."""
    for number, name in enumerate(program["streams"]):
        opened = os.open(name, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT)
        os.dup2(opened, number)
        os.close(opened)
    os.chdir(program["cwd"])
    os.environ.clear()
    os.environ.update(program["environment"])
    warnings.resetwarnings()
    warnings.simplefilter("error")
    for ignored in program.get("ignored", ()):
        warnings.filterwarnings("ignore", ignored)
    if "arguments" in program:
        sys.argv = ["rmt-spikes", *program["arguments"]]
        runpy.run_module("rmt_spikes.cli", run_name="__main__", alter_sys=True)
    elif "script" in program:
        sys.argv, sys.path[0] = [program["script"]], str(Path(program["script"]).parent)
        runpy.run_path(program["script"], run_name="__main__")
    else:
        sys.argv, sys.path[0] = ["-c"], ""
        sys.modules["__main__"] = main = types.ModuleType("__main__")
        exec(compile(program["code"], "<string>", "exec"), main.__dict__)


if __name__ == "__main__":
    for _name in LOADED:
        importlib.import_module(_name)
    gc.freeze()
    with suppress(KeyboardInterrupt):
        if (_program := _serve()) is not None:
            _become(_program)
