"""The shape of the project: each rule holds here, and fails where it should."""

import re
import shutil
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path

import layout_rules as rules
import pytest
from cli_tools import SETTING

import rmt_spikes

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "rmt_spikes"
PAGES = ["README.md", *(str(path.relative_to(ROOT)) for path in rules.doc_pages(ROOT / "docs"))]
FOLDERS = ["theory", "validation", "benchmarks", "tests"]
HEAVY = {"matplotlib", "sympy", "scipy.stats"}


def tree(folder: Path, files: dict[str, str]) -> Path:
    """Write a small tree of sources for a negative control."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def test_imports_between_rooms_keep_the_contracts() -> None:
    assert rules.broken_contracts(ROOT) == []


@pytest.mark.parametrize(
    ("file", "line", "broken"),
    [
        ("theory/latent.py", "from ..simulation import simulate", "layers"),
        ("simulation/trial.py", "from rmt_spikes import predict", "layers"),
        ("functions/hermite.py", "def f():\n    import rmt_spikes.setting", "layers"),
        ("plot/spectra.py", "def f():\n    from rmt_spikes.validation import compare", "layers"),
        ("validation/__init__.py", "from rmt_spikes.cli import main", "cycles"),
        ("helpers.py", "import numpy", "layers"),
        ("simulation/trial.py", "from .distributed import spread", "entrance"),
        ("theory/bulk/equivalent.py", "def f():\n    from ..predict import predict", "cycles"),
    ],
)
def test_a_wrong_import_is_seen(tmp_path: Path, file: str, line: str, broken: str) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(PACKAGE, tmp_path / "rmt_spikes", ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "rmt_spikes" / file).open("a", encoding="utf-8") as source:
        source.write(f"\n{line}\n")
    assert broken in rules.broken_contracts(tmp_path)


@pytest.mark.parametrize(
    ("rule", "folders"),
    [
        (rules.execution_violations, ["rmt_spikes"]),
        (rules.long_files, ["rmt_spikes", "theory", "benchmarks"]),
        (partial(rules.long_files, limit=600), ["tests"]),
        (rules.crowded_folders, ["rmt_spikes"]),
        (rules.private_imports, ["theory", "validation"]),
        (rules.name_comparisons, ["rmt_spikes"]),
    ],
)
def test_a_rule_holds(rule: Callable[[Path], list[str]], folders: list[str]) -> None:
    assert [found for folder in folders for found in rule(ROOT / folder)] == []


VIOLATIONS: list[tuple[Callable[[Path], list[str]], list[str]]] = [
    (rules.execution_violations, ["eval('1')", "f = exec", "__import__('os')", "import pickle"]),
    (rules.execution_violations, ["from pickle import loads", "numpy.load('x', allow_pickle=True)"]),
    (rules.execution_violations, ["import sympy\nsympy.sympify('x')", "from sympy import sympify as s"]),
    (rules.execution_violations, ["from sympy.parsing.sympy_parser import parse_expr"]),
    (rules.long_files, ["x = 1\n" * 400]),
    (rules.private_imports, ["from rmt_spikes.theory.bulk.distribution import Bulk"]),
    (rules.private_imports, ["from rmt_spikes import _HOMES", "import rmt_spikes.setting"]),
    (rules.private_imports, ["import validation.cases"]),
    (rules.name_comparisons, ["x = features == 'isotropic'", "x = table.get('published')"]),
    (rules.name_comparisons, ["x = 1 if method not in ('limit', 'uniform') else 2"]),
    (rules.name_comparisons, ["match method:\n    case 'closed_form':\n        x = 1"]),
    (rules.name_comparisons, ["x = {'corrected': 1, 'other': 2}[features]"]),
    (rules.name_comparisons, ["class A:\n    features: str = 'published'\nx = y == 'published'"]),
]


@pytest.mark.parametrize(("rule", "texts"), VIOLATIONS)
def test_a_violation_is_seen(tmp_path: Path, rule: Callable[[Path], list[str]], texts: list[str]) -> None:
    good = "import rmt_spikes as rs\n" + "x = 1\n" * 398
    for text in texts:
        assert len(rule(tree(tmp_path, {"a.py": text, "b.py": good}))) == 1


def test_a_class_knows_its_name(tmp_path: Path) -> None:
    text = "class A(Enum):\n    A = 'corrected'\nx = A('corrected') == 'corrected'\ny = z['uniform'] == 1\n"
    assert rules.name_comparisons(tree(tmp_path, {"a.py": text})) == []


def test_a_crowded_folder_is_seen(tmp_path: Path) -> None:
    files = {f"{folder}/{k}.py": "" for folder, count in (("a", 12), ("b", 13)) for k in range(count)}
    assert rules.crowded_folders(tree(tmp_path, files)) == ["b: 13 modules"]


def test_the_repository_is_small(tmp_path: Path) -> None:
    sizes = rules.tracked_bytes(ROOT)
    if not sizes:
        pytest.skip("no git repository")
    assert sizes["pyproject.toml"] == (ROOT / "pyproject.toml").stat().st_size
    assert rules.tracked_bytes(tmp_path) == {}
    files = Counter(sizes)
    assert files.total() < 8e6, f"the largest: {files.most_common(5)}"


def test_public_names_are_what_there_is_and_what_is_completed() -> None:
    assert dir(rmt_spikes) == sorted(rmt_spikes.__all__)
    assert all(getattr(rmt_spikes, name) is not None for name in rmt_spikes.__all__)
    assert rmt_spikes.theory is import_module("rmt_spikes.theory")
    with pytest.raises(AttributeError, match="'rmt_spikes' has no attribute 'predikt'"):
        rmt_spikes.predikt  # noqa: B018
    sizes = {"n": 9, "d": 5, "width": 6}
    setting = rmt_spikes.Setting(**sizes, activation="relu", target="tanh", ridge=0.1, step_size=1.0)
    assert {"n", "readout", "to_dict", "theta"} <= set(dir(setting))
    assert not {"copy", "dict", "construct", "model_fields"} & set(dir(setting))


EVERYTHING = "import rmt_spikes as rs\nfor name in rs.__all__: getattr(rs, name)\nrs.validation"
COMMAND = """
import sys
sys.argv = ["rmt-spikes", *{arguments}]
from rmt_spikes.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code
"""
HELP = COMMAND.format(arguments=["--help"])
PREDICT = f"open('s.toml', 'w').write({SETTING!r})" + COMMAND.format(arguments=["predict", "s.toml"])


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import rmt_spikes", {"numpy", "scipy", "flint", "mpmath", *HEAVY}),
        ("import rmt_spikes.setting", {"mpmath", "scipy.optimize", *HEAVY}),
        (EVERYTHING, {"typer", "rich", "jinja2", *HEAVY}),
        (HELP, {"numpy", "scipy", "mpmath", "pydantic", *HEAVY}),
        (PREDICT, {"numpy.f2py.crackfortran", "mpmath", *HEAVY}),
    ],
)
def test_no_library_is_loaded_before_it_is_needed(tmp_path: Path, code: str, absent: set[str]) -> None:
    assert not rules.loaded_modules(code, tmp_path) & absent


def test_a_loaded_library_is_seen(tmp_path: Path) -> None:
    code = "import rmt_spikes as rs, importlib\nimportlib.import_module('matplotlib')\nrs.predict"
    assert rules.loaded_modules(code, tmp_path) >= {"matplotlib", "numpy"}


def test_the_wheel_holds_only_the_package(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert rules.stray_files(names) == []
    expected = {
        str(p.relative_to(ROOT)) for p in PACKAGE.rglob("*") if p.is_file() and "__pycache__" not in p.parts
    }
    assert expected <= set(names)
    assert "rmt_spikes/py.typed" in names


def test_a_stray_file_is_seen() -> None:
    good = ["rmt_spikes/a.py", "rmt_spikes-0.1.0.dist-info/METADATA"]
    stray = ["theory/a.py", "rmt_spikes/__pycache__/a.pyc", "tests/rmt_spikes/a.py"]
    assert rules.stray_files(good + stray) == stray


def test_the_readme_has_an_example() -> None:
    (block,) = rules.python_blocks((ROOT / "README.md").read_text(encoding="utf-8"))
    assert {"Setting", "predict", "simulate", "compare"} <= set(re.findall(r"rs\.(\w+)", block))


@pytest.mark.parametrize("page", [*PAGES, "CHANGELOG.md", *(f"{folder}/README.md" for folder in FOLDERS)])
def test_links_lead_somewhere(page: str) -> None:
    assert rules.broken_links(ROOT / page) == []


def test_a_broken_link_is_seen(tmp_path: Path) -> None:
    page = "[a](page.md) [b](gone.md#x) ![c](gone.svg) [d](https://example.org)\n```\n[e](code.md)\n```\n"
    path = tree(tmp_path, {"page.md": page}) / "page.md"
    assert rules.broken_links(path) == ["gone.md", "gone.svg"]


def test_a_broken_page_is_seen(tmp_path: Path) -> None:
    page = "Text\n\n```python\nx = 1\n```\n\n```sh\nfalse\n```\n\n```python\nassert x == 2\n```\n"
    blocks = rules.python_blocks(page)
    assert len(blocks) == 2
    assert rules.run_python("\n".join(blocks), tmp_path).returncode == 1


def test_one_version() -> None:
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"^version: (.+)$", citation, re.MULTILINE)[1] == rmt_spikes.__version__
    assert re.search(r"^## \[?([\d.]+)", changelog, re.MULTILINE)[1] == rmt_spikes.__version__
