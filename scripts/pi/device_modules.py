#!/usr/bin/env python3
"""Compiles and imports every module of the device side that is installed; prints what was loaded.

usage: python -W error device_modules.py PYPROJECT

PYPROJECT says in its contract of import-linter which modules are the device side. Prints a JSON
object: ``modules`` (how many), ``packages`` (top levels from outside the standard library) and
``interpreter``.
"""

from __future__ import annotations

import compileall
import importlib
import json
import pkgutil
import re
import sys
from collections.abc import Iterator
from pathlib import Path

AT_START = set(sys.modules)
"""What Python itself has loaded, as hooks of setuptools."""
INTERPRETERS = ("ai_edge_litert", "tflite_runtime")
LISTS = ("device", "runners")
"""Contracts whose sources are the device side."""


def main(pyproject: str) -> None:
    # tomllib comes with Python 3.11 only
    text = Path(pyproject).read_text(encoding="utf-8")
    names = [name for contract in LISTS for name in sources(text, contract)]
    loaded = [name for top in names for name in everything(top)]
    loaded.append("edgemem.cli")
    for name in loaded:
        importlib.import_module(name)
    from edgemem.cli import main as command

    for name in ("run", "verify", "listen", "doctor", "deploy", "info", "models"):
        if name in command.list_commands(None):  # type: ignore[arg-type]
            importlib.import_module(f"edgemem.cli.{name}")
    from edgemem.runtime.network import open_network

    open_network("kws12-lmu")  # brings the interpreter
    place = Path(sys.modules["edgemem"].__file__ or "").parent
    if not compileall.compile_dir(place, quiet=1, force=True):
        sys.exit("a module does not compile")
    new = {name: module for name, module in sys.modules.items() if name not in AT_START}
    packages = sorted({name.split(".")[0] for name, module in new.items() if foreign(module)})
    (interpreter,) = (name for name in INTERPRETERS if name in packages)
    found = {"modules": len(loaded), "packages": packages, "interpreter": interpreter}
    print(json.dumps(found))


def sources(text: str, contract: str) -> list[str]:
    """Source modules of a contract of import-linter."""
    _, _, rest = text.partition(f'id = "{contract}"')
    listed = re.search(r"source_modules = \[(.*?)\]", rest, re.S)
    assert listed is not None
    return re.findall(r'"([^"]+)"', listed[1])


def everything(name: str) -> Iterator[str]:
    """A module, and all below it."""
    yield name
    module = importlib.import_module(name)
    for found in pkgutil.walk_packages(getattr(module, "__path__", []), f"{name}."):
        yield found.name


def foreign(module: object) -> bool:
    return "site-packages" in (getattr(module, "__file__", None) or "")


if __name__ == "__main__":
    main(*sys.argv[1:])
