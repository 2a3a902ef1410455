"""The documentation: what can be run, runs; what is vendored is what it claims; nothing needs the network.

The pages themselves are built by `make docs`. Everything here works without Sphinx.
"""

import hashlib
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from runpy import run_path
from types import SimpleNamespace

import layout_rules as rules
import pytest
from usual import without
from warm import run_code, run_command

import rmt_spikes
from rmt_spikes import plot
from rmt_spikes.theory import symbolic

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = ["README.md", *sorted(str(path.relative_to(ROOT)) for path in rules.doc_pages(DOCS))]
TARGETS = re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
MATHJAX_SHA256 = "d4295dc33744836935c1399feece5159577b34c5c8ffb9f1c6324cd82e03a882"


# Extensions of the documentation, which is no package.
offline, derivations = (
    SimpleNamespace(**run_path(str(DOCS / "_ext" / f"{name}.py"))) for name in ("offline", "derivations")
)


QUIET = "import warnings; warnings.filterwarnings('ignore', '.*error bar above')"
"""Pages use the closed form, whose error bars are large, for it is fast."""


BUILT = ["docs/gallery.md", "docs/tutorials/spectrum.md", "docs/tutorials/second_feature.md"]
"""Pages whose Python takes half a minute; the build of the documentation runs it as well."""


OF_THE_DOCS = ("sklearn",)
"""Packages of the extra `docs` alone: the build of the documentation runs their pages."""


@pytest.mark.parametrize("page", without(BUILT, PAGES))
def test_python_on_a_page_runs(page: str, tmp_path: Path) -> None:
    """Blocks and executed cells of a page, in order, in one interpreter; other warnings are errors."""
    blocks = rules.python_blocks((ROOT / page).read_text(encoding="utf-8"))
    if not blocks:
        return
    for package in OF_THE_DOCS:
        if any(package in block for block in blocks):
            pytest.importorskip(package)
    result = run_code("\n".join([QUIET, *blocks]), tmp_path)
    assert result.returncode == 0, result.stderr


def checked_types(*scripts: Path) -> subprocess.CompletedProcess[str]:
    """What mypy says about a user's scripts."""
    command = [Path(sys.executable).with_name("mypy"), "--strict", "--config-file=", *scripts]
    environment = os.environ | {"MYPYPATH": str(ROOT)}
    flags = [
        "--follow-imports=silent",
        "--ignore-missing-imports",
        "--cache-dir",
        str(scripts[0].parent / "cache"),
    ]
    return subprocess.run([*command, *flags], env=environment, capture_output=True, text=True, check=False)


def test_the_script_of_a_user_has_types_and_runs(tmp_path: Path) -> None:
    text = (DOCS / "scripts" / "own_theory.py").read_text(encoding="utf-8")
    script = tmp_path / "own_theory.py"
    script.write_text(text, encoding="utf-8")
    wrong = text.replace("-> dict[str, float]", "-> str").replace("rs.sweep(", "rs.sweeep(")
    (tmp_path / "wrong.py").write_text(wrong, encoding="utf-8")
    found = checked_types(script, tmp_path / "wrong.py")
    assert found.returncode == 1
    assert "[return-value]" in found.stdout
    assert "[attr-defined]" in found.stdout
    assert "own_theory.py" not in found.stdout
    run = f"runpy.run_path({str(script)!r}, run_name='__main__')"
    result = run_code(f"{QUIET}\nimport runpy, sys\nsys.argv = ['', {str(tmp_path)!r}]\n{run}", tmp_path)
    assert result.returncode == 0, result.stderr
    assert "my numbers: losses.test 0.350, observed 0.212: disagrees" in result.stdout
    assert "noise alone: disagrees" in result.stdout
    assert (tmp_path / "report.html").is_file()


def test_the_tutorials_have_cells() -> None:
    for page in ("start.md", "conventions.md", "tutorials/spectrum.md", "tutorials/second_feature.md"):
        assert len(rules.python_blocks((DOCS / page).read_text(encoding="utf-8"))) >= 3


def test_a_wrong_claim_of_a_tutorial_is_seen(tmp_path: Path) -> None:
    """The page on the second feature, told that the published theory is the right one."""
    text = (DOCS / "tutorials" / "second_feature.md").read_text(encoding="utf-8")
    claim = 'assert abs(scores["corrected"]) < 3 < 5 < abs(scores["published"])'
    start, found, _ = text.partition(claim)
    assert found
    wrong = claim.replace("corrected", "x").replace("published", "corrected").replace('"x"', '"published"')
    # Fewer networks suffice to see that it is wrong.
    code = "\n".join(rules.python_blocks(f"{start}{wrong}\n```\n")).replace("trials=24", "trials=8")
    result = run_code(code, tmp_path)
    assert result.returncode == 1
    assert "AssertionError" in result.stderr


def run_line(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run one command line of a page: a command of the package, or a dry run of a target of the Makefile.

    A campaign takes minutes, and `make report` runs one; a server does not end. Here their files must exist
    and their options be known.
    """
    words, options = shlex.split(line.removesuffix(" 2>/dev/null")), []
    if words[0] == "make":
        assert words[1:], "a target is missing"
        assert set(words[1:]) <= set(TARGETS)
        command = ["make", "--dry-run", "--directory", str(ROOT), *words[1:]]
        result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    else:
        assert words[0] == "rmt-spikes"
        if words[1] == "validate":
            assert words[2] in rmt_spikes.built_in_cases() or (ROOT / words[2]).is_file() or "--" in words[2]
            options = [word for word in words if word.startswith("--")]
            words = [*words[:2], "--help"]
        if words[1] == "explore":
            assert all((folder / word).is_file() for word in words[2:] if word.endswith(".toml"))
            options = [word for word in words if word.startswith("--")]
            words = [*words[:2], "--help"]
        result = run_command(*words[1:], cwd=folder)
    assert all(re.search(rf"{option}\b", result.stdout) for option in options), f"not among: {result.stdout}"
    return result


@pytest.mark.parametrize("page", without(["docs/gallery.md", "docs/start.md", "docs/howto/sweeps.md"], PAGES))
def test_the_commands_of_a_page_run(page: str, tmp_path: Path) -> None:
    """In a folder with the settings that the pages refer to."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for path in (DOCS / "settings").glob("*.toml"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    for setting in rules.toml_blocks(text):
        (tmp_path / "setting.toml").write_text(setting, encoding="utf-8")
    for line in rules.shell_lines(text):
        result = run_line(line, tmp_path)
        assert result.returncode == 0, f"{line}: {result.stderr}"
        assert result.stdout


def test_the_readme_shows_the_commands() -> None:
    lines = rules.shell_lines((ROOT / "README.md").read_text(encoding="utf-8"))
    assert {"predict", "simulate", "derive"} <= {line.split()[1] for line in lines}


def test_a_wrong_command_is_seen(tmp_path: Path) -> None:
    shell = "```sh\nrmt-spikes predikt x.toml\n```\n"
    page = f"{shell}\n```{{command-output}} rmt-spikes predict gone.toml\n:cwd: x\n```\n"
    lines = rules.shell_lines(page)
    assert lines == ["rmt-spikes predikt x.toml", "rmt-spikes predict gone.toml"]
    assert [run_line(line, tmp_path).returncode for line in lines] == [2, 2]
    for line in (
        "curl https://example.org",
        "make nothing",
        "rmt-spikes validate --outt report",
        "rmt-spikes validate gone --out report",
    ):
        with pytest.raises(AssertionError):
            run_line(line, tmp_path)


def test_the_api_pages_list_what_there_is() -> None:
    """Every public name is on one of its pages: those of the theory either at the top or with the theory."""
    pages = [path.read_text(encoding="utf-8") for path in sorted((DOCS / "api").glob("*.md"))]
    documented = rules.documented_names("\n".join(pages))
    package, theory = rmt_spikes.__all__, rmt_spikes.theory.__all__
    listed = {
        "rmt_spikes": set(package) - {"plot", "theory"},
        "rmt_spikes.plot": set(plot.__all__),
        "rmt_spikes.theory": set(theory) - set(package) - {"symbolic"},
        "rmt_spikes.theory.symbolic": set(symbolic.__all__),
    }
    for module, names in listed.items():
        assert rules.differences(documented[module], sorted(names)) == []


def test_a_wrong_api_page_is_seen() -> None:
    page = ".. module:: rmt_spikes\n\n.. autofunction:: predict\n.. autoclass:: Gone\n.. autoclass:: Gone\n"
    found = rules.differences(rules.documented_names(page)["rmt_spikes"], ["predict", "simulate"])
    assert found == ["listed, but missing: Gone", "present, but unlisted: simulate", "listed twice: Gone"]


LIMIT = "| regime | what is off | by how much | how to notice |"


def faults_of_limits(markdown: str) -> list[str]:
    """Rows of the tables of limits that leave one of the four questions open."""
    rows = [line for line in markdown.splitlines() if line.startswith("|") and line != LIMIT]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    return [row for row, parts in zip(rows, cells, strict=True) if len(parts) != 4 or not all(parts)]


def test_limits_say_what_is_off_by_how_much_and_how_to_notice() -> None:
    page = (DOCS / "limits.md").read_text(encoding="utf-8")
    assert page.count(LIMIT) == 5
    assert faults_of_limits(page) == []
    assert (
        len(faults_of_limits(f"{LIMIT}\n|---|---|---|---|\n| small | losses | | error bar |\n| a | b | c |"))
        == 2
    )


def test_every_page_is_in_the_table_of_contents() -> None:
    listed: set[str] = set()
    for index in (DOCS / "index.md", DOCS / "api" / "index.md"):
        trees = re.findall(r"```\{toctree\}\n(.*?)```", index.read_text(encoding="utf-8"), flags=re.DOTALL)
        folder = index.parent.relative_to(DOCS)
        listed |= {str(folder / entry) for entry in " ".join(trees).split()}
    pages = {str(path.relative_to(DOCS).with_suffix("")) for path in rules.doc_pages(DOCS)}
    assert pages - {"index"} == listed & pages
    assert "derivations/index" in listed


def test_mathjax_is_the_vendored_file_with_its_licence() -> None:
    folder = DOCS / "_static" / "mathjax"
    script = (folder / "tex-svg.js").read_bytes()
    assert hashlib.sha256(script).hexdigest() == MATHJAX_SHA256
    assert "Apache License" in (folder / "LICENSE").read_text(encoding="utf-8")
    configuration = (DOCS / "conf.py").read_text(encoding="utf-8")
    assert 'mathjax_path = "mathjax/tex-svg.js"' in configuration


def test_styles_load_nothing_from_the_network() -> None:
    styles = sorted((DOCS / "_static").rglob("*.css"))
    assert styles
    for path in styles:
        assert offline.remote_loads(path.read_text(encoding="utf-8"), ".css") == []


@pytest.mark.parametrize(
    ("html", "count"),
    [
        ('<script src="https://cdn.example.org/a.js"></script>', 1),
        ('<script async="async" src="//cdn.example.org/a.js"></script>', 1),
        ('<link rel="stylesheet" href="http://example.org/a.css"/>', 1),
        ('<link rel="preconnect" href="https://fonts.example.org"/>', 1),
        ('<img alt="" src=" https://example.org/a.png">', 1),
        ('<img srcset="a.png 1x, https://example.org/a.png 2x">', 1),
        ('<video poster="https://example.org/a.png"></video>', 1),
        ('<object data="https://example.org/a.svg"></object>', 1),
        ('<svg><use xlink:href="https://example.org/a.svg#b"/></svg>', 1),
        ("<style>@import 'https://example.org/a.css';</style>", 1),
        ('<p style="background: url(https://example.org/a.png)">text</p>', 1),
        ('<link rel="canonical" href="https://example.org/"/>', 0),
        ('<a href="https://arxiv.org/abs/1">paper</a>', 0),
        ('<script src="_static/a.js"></script><img src="data:image/png;base64,AAAA">', 0),
        ("<style>p { background: url(a.png) }</style><p>url(https://example.org)</p>", 0),
    ],
)
def test_what_loads_from_the_network_is_seen(html: str, count: int) -> None:
    assert len(offline.remote_loads(f"<html><body>{html}</body></html>", ".html")) == count


def test_derivations_become_pages(tmp_path: Path) -> None:
    """Every script has a page, and links of the README lead to files that exist."""
    names = derivations.copy_scripts(ROOT / "theory", tmp_path / "derivations")
    scripts = {path.name for path in (ROOT / "theory").glob("*.py")}
    assert scripts
    assert set(names) == scripts | {"index.md"}
    index = (tmp_path / "derivations" / "index.md").read_text(encoding="utf-8")
    assert index.startswith("# Derivations\n")
    downloads = re.findall(r"\{download\}`[^`<]+ <\.\./\.\./([^>]+)>`", index)
    assert downloads
    assert all((ROOT / name).is_file() for name in downloads)
    pages = [link for link in re.findall(r"\]\(([^)#]+)", index) if "://" not in link]
    assert all((DOCS / link[3:]).is_file() if link.startswith("../") else link in scripts for link in pages)


def test_links_of_a_derivation_are_moved() -> None:
    text = "[a](../docs/theory.md) [`b`](../tests/b.py) [c](01_c.py) [d](https://example.org)"
    moved = "[a](../theory.md) {download}`b <../../tests/b.py>` [c](01_c.py) [d](https://example.org)"
    assert derivations.page(text) == moved


def test_a_folder_without_scripts_has_an_index_alone(tmp_path: Path) -> None:
    (tmp_path / "theory").mkdir()
    (tmp_path / "theory" / "README.md").write_text("# theory/\n\nNothing.\n", encoding="utf-8")
    assert derivations.copy_scripts(tmp_path / "theory", tmp_path / "pages") == ["index.md"]
    assert "toctree" not in (tmp_path / "pages" / "index.md").read_text(encoding="utf-8")


def test_output_of_derivations_has_the_symbols_of_the_theory() -> None:
    """What each kernel runs at its start, with stand-ins for the formatters that it registers with."""
    code = r"""
from pathlib import Path
from types import SimpleNamespace
found = {}
register = lambda module, name, call: found.setdefault((module, name), call)
display = SimpleNamespace(formatters={"text/latex": SimpleNamespace(for_type_by_name=register)})
namespace = {"get_ipython": lambda: SimpleNamespace(display_formatter=display)}
exec(Path(PATH).read_text(encoding="utf-8"), namespace)
import sympy
from rmt_spikes import plot
from rmt_spikes.theory import symbolic
for module, name in found:
    assert hasattr(__import__(module, fromlist=[name]), name)
typeset = found["sympy.core.basic", "Basic"]
assert typeset(symbolic.symbol("c_star_2") ** 2) == r"$\displaystyle c_{*,2}^{2}$"
assert typeset(sympy.Symbol("unknown_7")) == r"$\displaystyle unknown_{7}$"
"""
    result = run_code(f"PATH = {str(DOCS / '_kernel' / 'symbols.py')!r}\n{code}", ROOT)
    assert result.returncode == 0, result.stderr
