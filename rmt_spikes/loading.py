"""Loading what is needed when it is first used: names of this package, and modules of libraries."""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import LazyLoader, find_spec, module_from_spec
from typing import Any


def names_on_use(package: str, home_of: Mapping[str, str]) -> Callable[[str], Any]:
    """Make the ``__getattr__`` of a package: it imports what defines a public name, and keeps the name.

    Parameters
    ----------
    package
        Name of the package.
    home_of
        Module inside the package that defines each name; a module that is public itself has its own name.

    Returns
    -------
    callable
        Raises an AttributeError for other names.

    Examples
    --------
    >>> import json
    >>> names_on_use("json", {"JSONDecodeError": "decoder"})("JSONDecodeError") is json.JSONDecodeError
    True
    """

    def value_of(name: str) -> Any:
        if name not in home_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        home = import_module(f"{package}.{home_of[name]}")
        value = home if home_of[name] == name else getattr(home, name)
        setattr(sys.modules[package], name, value)
        return value

    return value_of


def load_on_use(*names: str) -> None:
    """Let modules inside packages be loaded when one of their attributes is first asked for.

    Parameters
    ----------
    names
        Full names. Those that are loaded, or that do not exist, are left as they are.
    """
    for name in names:
        spec = None if name in sys.modules else find_spec(name)
        if spec is None or spec.loader is None:
            continue
        spec.loader = LazyLoader(spec.loader)
        module = sys.modules[name] = module_from_spec(spec)
        spec.loader.exec_module(module)
        package, _, own = name.rpartition(".")
        setattr(sys.modules[package], own, module)
