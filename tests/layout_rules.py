"""Rules of the source tree, as functions from a tree to the list of its violations.

They read the syntax tree of each file and import nothing, so that they can be shown to fail on trees made for
that purpose.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

BASE = {"errors", "functions", "values"}
SETTING = BASE | {"console", "parameters", "setting"}
ALLOWED = {
    "errors": set(),
    "values": {"errors"},
    "console": {"errors", "validation"},
    "execution": {"errors", "validation"},
    "functions": {"errors"},
    "parameters": BASE,
    "setting": SETTING,
    "theory": SETTING,
    "simulation": SETTING | {"execution"},
    "validation": SETTING | {"console", "execution", "theory", "simulation"},
    "cli": SETTING | {"console", "theory", "simulation", "validation"},
    "__main__": {"cli"},
}
"""What each module or subpackage of `rmt_spikes` may import from the others."""

PUBLIC_MODULES = {"rmt_spikes", "rmt_spikes.theory", "rmt_spikes.theory.symbolic"}
"""What the top-level folders `theory/` and `validation/` may import."""

FORBIDDEN_NAMES = {"eval", "exec", "compile", "__import__"}
FORBIDDEN_ATTRIBUTES = {"sympify", "parse_expr", "parse_latex", "parse_mathematica"}
FORBIDDEN_MODULES = {
    "pickle",
    "cPickle",
    "_pickle",
    "marshal",
    "shelve",
    "dill",
    "cloudpickle",
    "code",
    "codeop",
}


def sources(folder: Path) -> Iterator[tuple[Path, ast.Module]]:
    """Python files below a folder, relative to it, with their syntax trees."""
    for path in sorted(folder.rglob("*.py")):
        yield path.relative_to(folder), ast.parse(path.read_text(encoding="utf-8"), str(path))


def imported_modules(module: str, is_package: bool, node: ast.AST) -> list[tuple[str, str | None]]:
    """Pairs of absolute module name and imported name (None for a plain import) of an import statement."""
    if isinstance(node, ast.Import):
        return [(alias.name, None) for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            parts = module.split(".")
            parts = parts[: len(parts) - node.level + is_package]
            base = ".".join([*parts, base] if base else parts)
        return [(base, alias.name) for alias in node.names]
    return []


def module_name(package: str, path: Path) -> str:
    """Dotted name of a file below a package."""
    parts = [package, *path.with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def dependency_violations(package: Path) -> list[str]:
    """Imports between the parts of `rmt_spikes` that go against the order, also those inside functions."""
    found = []
    for path, tree in sources(package):
        module = module_name("rmt_spikes", path)
        part = path.parts[0].removesuffix(".py")
        if part == "__init__":
            continue
        if part not in ALLOWED:
            found.append(f"{path}: has no place in the order of dependencies: give it one in ALLOWED")
            continue
        for node in ast.walk(tree):
            for base, name in imported_modules(module, path.name == "__init__.py", node):
                if base.split(".")[0] != "rmt_spikes" or (base, name) == ("rmt_spikes", "__version__"):
                    continue
                target = base.split(".")[1] if "." in base else name
                if target != part and target not in ALLOWED[part]:
                    found.append(f"{path}:{node.lineno}: {part} imports {target or 'the whole package'}")
    return found


def import_cycles(package: Path) -> list[str]:
    """Cycles of imports at the level of modules, those for type checking left out."""
    trees = {module_name("rmt_spikes", path): (path, tree) for path, tree in sources(package)}
    graph: dict[str, set[str]] = {}
    for module, (path, tree) in trees.items():
        targets = set()
        for node in tree.body:
            for base, name in imported_modules(module, path.name == "__init__.py", node):
                target = f"{base}.{name}" if f"{base}.{name}" in trees else base
                if target in trees and target != module:
                    targets.add(target)
        graph[module] = targets
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return [" -> ".join(error.args[1])]
    return []


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
                for base, name in imported_modules("rmt_spikes", True, node):
                    if base.split(".")[0] in FORBIDDEN_MODULES or name in FORBIDDEN_ATTRIBUTES:
                        bad = name or base
            if bad:
                found.append(f"{path}:{node.lineno}: {bad}")
    return found


def missing_docstrings(package: Path) -> list[str]:
    """Modules, public classes and functions without a docstring, overloads apart; ruff sees to methods."""
    found = []
    for path, tree in sources(package):
        if not ast.get_docstring(tree):
            found.append(f"{path}: module")
        for node in tree.body:
            definition = isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            if definition and any(getattr(d, "id", "") == "overload" for d in node.decorator_list):
                continue
            if definition and node.name[0] != "_" and not ast.get_docstring(node):
                found.append(f"{path}:{node.lineno}: {node.name}")
    return found


def long_files(folder: Path, limit: int = 400) -> list[str]:
    """Files of `limit` lines or more."""
    counts = {
        path: len((folder / path).read_text(encoding="utf-8").splitlines()) for path, _ in sources(folder)
    }
    return [f"{path}: {count} lines" for path, count in counts.items() if count >= limit]


def private_imports(folder: Path) -> list[str]:
    """Imports of `theory/` or `validation/` at the top level beyond the public API, or across the two."""
    found = []
    for path, tree in sources(folder):
        for node in ast.walk(tree):
            for base, name in imported_modules("script", False, node):
                root = base.split(".")[0]
                across = root in {"theory", "validation", "tests"}
                private = root == "rmt_spikes" and (
                    base not in PUBLIC_MODULES or (name or "").startswith("_")
                )
                if across or private:
                    found.append(f"{path}:{node.lineno}: {base}{'.' + name if name else ''}")
    return found


def declared_names(path: Path) -> list[str]:
    """The literal ``__all__`` of a file."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and any(
            isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets
        ):
            return list(ast.literal_eval(node.value))
    raise AssertionError(f"{path} has no __all__")


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
