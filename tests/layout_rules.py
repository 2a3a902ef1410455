"""Rules of the source tree, as functions from a tree to the list of its violations.

They import nothing, so that they can be shown to fail on trees made for that purpose.
"""

import ast
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

PUBLIC_MODULES = {"rmt_spikes", "rmt_spikes.theory", "rmt_spikes.theory.symbolic"}
"""What the top-level folders `theory/` and `validation/` may import."""

FORBIDDEN_NAMES = {"eval", "exec", "compile", "__import__"}
FORBIDDEN_ATTRIBUTES = {"sympify", "parse_expr", "parse_latex", "parse_mathematica"}
FORBIDDEN_MODULES = {
    *("pickle", "cPickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle"),
    *("code", "codeop"),
}

METHOD_NAMES = {"corrected", "published", "isotropic", "uniform", "closed_form"}
"""Names that select a theory: classes have them as attributes, and nothing else asks for them."""


def sources(folder: Path) -> Iterator[tuple[Path, ast.Module]]:
    """Python files below a folder, relative to it, with their syntax trees."""
    for path in sorted(folder.rglob("*.py")):
        yield path.relative_to(folder), ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(node: ast.AST) -> list[tuple[str, str]]:
    """Pairs of module and imported name (empty for a plain import) of an import statement."""
    if isinstance(node, ast.Import):
        return [(alias.name, "") for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [(node.module or "", alias.name) for alias in node.names]
    return []


def broken_contracts(project: Path) -> list[str]:
    """Names of the contracts in `pyproject.toml` that imports of the package break."""
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    environment = os.environ | {"PYTHONPATH": str(project)}
    result = subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, check=False
    )
    assert re.search(r"^Contracts: \d+ kept, \d+ broken", result.stdout, re.MULTILINE), result.stdout
    return re.findall(r"^(.+) BROKEN", result.stdout, re.MULTILINE)


def execution_violations(package: Path) -> list[str]:
    """Places where text or bytes from outside could become code."""
    found = []
    for path, tree in sources(package):
        for node in ast.walk(tree):
            bad = None
            if isinstance(node, ast.Name) and node.id in FORBIDDEN_NAMES | FORBIDDEN_ATTRIBUTES:
                bad = node.id
            elif isinstance(node, ast.Attribute) and node.attr in FORBIDDEN_ATTRIBUTES:
                bad = node.attr
            elif isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                bad = node.arg
            else:
                for base, name in imports(node):
                    if base.split(".")[0] in FORBIDDEN_MODULES or name in FORBIDDEN_ATTRIBUTES:
                        bad = name or base
            if bad:
                found.append(f"{path}:{node.lineno}: {bad}")
    return found


def long_files(folder: Path, limit: int = 400) -> list[str]:
    """Files of `limit` lines or more."""
    counts = {
        path: len((folder / path).read_text(encoding="utf-8").splitlines()) for path, _ in sources(folder)
    }
    return [f"{path}: {count} lines" for path, count in counts.items() if count >= limit]


def crowded_folders(package: Path, limit: int = 12) -> list[str]:
    """Folders of more than `limit` modules beside their ``__init__``."""
    counts = Counter(path.parent for path, _ in sources(package) if path.name != "__init__.py")
    return [f"{folder}: {count} modules" for folder, count in counts.items() if count > limit]


def tracked_bytes(project: Path) -> dict[str, int]:
    """Size of each file that git tracks; none without git."""
    command = ["git", "-C", str(project), "ls-files", "-z"]
    try:
        names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\0")[:-1]
    except (OSError, subprocess.CalledProcessError):
        return {}
    return {name: (project / name).lstat().st_size for name in names if (project / name).exists()}


def private_imports(folder: Path) -> list[str]:
    """Imports of `theory/` or `validation/` at the top level beyond the public API, or across the two."""
    found = []
    for path, tree in sources(folder):
        for node in ast.walk(tree):
            for base, name in imports(node):
                root = base.split(".")[0]
                across = root in {"theory", "validation", "tests"}
                private = root == "rmt_spikes" and (base not in PUBLIC_MODULES or name.startswith("_"))
                if across or private:
                    found.append(f"{path}:{node.lineno}: {base}{'.' + name if name else ''}")
    return found


def compared(node: ast.AST) -> list[ast.expr | None]:
    """What a comparison, a pattern or a look-up compares with, elements of displays one by one."""
    operands: list[ast.expr | None] = []
    match node:
        case ast.Compare(left=left, comparators=others):
            operands = [left, *others]
        case ast.MatchValue(value=value):
            operands = [value]
        case ast.Call(func=ast.Attribute(attr="get"), args=[key, *_]):
            operands = [key]
        case ast.Subscript(value=ast.Dict(keys=keys)):
            operands = keys
    return [element for operand in operands for element in getattr(operand, "elts", [operand])]


def name_comparisons(package: Path) -> list[str]:
    """Comparisons with the name of a method or of a theory outside the module whose class has that name."""
    found = []
    for path, tree in sources(package):
        classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
        members = [node.value for c in classes for node in c.body if isinstance(node, ast.Assign)]
        names = METHOD_NAMES - {getattr(value, "value", None) for value in members}
        for node in ast.walk(tree):
            values = [x.value for x in compared(node) if isinstance(x, ast.Constant)]
            found += [f"{path}:{node.lineno}: {value}" for value in values if value in names]
    return found


def documented_names(page: str) -> dict[str, list[str]]:
    """Names that the directives of the API page document, by module."""
    names: dict[str, list[str]] = {}
    module = ""
    for line in page.splitlines():
        if heading := re.fullmatch(r"\.\. (?:currentmodule|module):: ([\w.]+)", line):
            module = heading[1]
        elif entry := re.fullmatch(r"\.\. (?:autofunction|autoclass|autoexception|data):: (\w+)", line):
            names.setdefault(module, []).append(entry[1])
    return names


def differences(listed: list[str], actual: list[str]) -> list[str]:
    """What is listed and missing, present and unlisted, or listed twice."""
    repeated = {name for name in listed if listed.count(name) > 1}
    return [
        *(f"listed, but missing: {name}" for name in sorted(set(listed) - set(actual))),
        *(f"present, but unlisted: {name}" for name in sorted(set(actual) - set(listed))),
        *(f"listed twice: {name}" for name in sorted(repeated)),
    ]


def doc_pages(folder: Path) -> list[Path]:
    """Pages of the documentation, without those that a build makes."""
    pages = [path.relative_to(folder) for path in folder.rglob("*.md")]
    made = {"_build", "_static", "derivations"}
    return [folder / path for path in sorted(pages) if path.parts[0] not in made]


def python_blocks(markdown: str) -> list[str]:
    """Fenced Python code and executed cells of a page, in order."""
    fences = r"^```(?:python|\{code-cell\}[^\n]*)\n(.*?)^```"
    return re.findall(fences, markdown, flags=re.MULTILINE | re.DOTALL)


def shell_lines(markdown: str) -> list[str]:
    """Command lines of a page: fenced shell code, and commands whose output the page shows."""
    fences = r"^```(?:sh\n(.*?)|\{command-output\} ([^\n]+)\n.*?)^```"
    found = re.findall(fences, markdown, flags=re.MULTILINE | re.DOTALL)
    return [line for block, command in found for line in (block or command).splitlines() if line.strip()]


def toml_blocks(markdown: str) -> list[str]:
    """Fenced TOML of a page, in order."""
    return re.findall(r"^```toml\n(.*?)^```", markdown, flags=re.MULTILINE | re.DOTALL)


def broken_links(page: Path) -> list[str]:
    """Relative links and pictures of a page whose file does not exist.

    A page that the build makes of a derivation stands for its script, their index for its README.
    """
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text)
    return [t for t in targets if "://" not in t and not _source(page.parent / t).exists()]


def _source(target: Path) -> Path:
    """What a build makes a file of, the file itself where it is not made."""
    if target.parent.name != "derivations":
        return target
    scripts = target.parents[2] / "theory"
    return scripts / ("README.md" if target.stem == "index" else f"{target.stem}.py")


def run_python(code: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run code in a new interpreter in which warnings are errors."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=cwd, capture_output=True, text=True, check=False
    )


def loaded_modules(code: str, cwd: Path) -> set[str]:
    """Modules present in a new interpreter after it ran `code`."""
    report = "\nimport sys\nprint('\\n' + ' '.join(sys.modules))"
    result = run_python(code + report, cwd)
    assert result.returncode == 0, result.stderr
    return set(result.stdout.splitlines()[-1].split())


def stray_files(names: list[str]) -> list[str]:
    """Files of a wheel that are neither the package nor its metadata."""
    return [
        n for n in names if not re.match(r"rmt_spikes/|rmt_spikes-[^/]+\.dist-info/", n) or "__pycache__" in n
    ]
