"""The device install of README, in a copy of the project on one machine."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from pi.machine import Done, Failed, Machine
from pi.userland import ONE_THREAD, pip_settings

PARTS = ("README.md", "LICENSE", "setup.py", "pyproject.toml", "edgemem", "targets")
"""What an installation needs of a checkout."""


def copy_project(root: Path, to: Path) -> Path:
    """Copy what an installation needs, without what Python and tests left there."""
    to.mkdir(parents=True)
    left = shutil.ignore_patterns("__pycache__", "*.pyc", "tests", "build", "*.egg-info")
    for part in PARTS:
        if (root / part).is_dir():
            shutil.copytree(root / part, to / part, ignore=left)
        else:
            shutil.copy2(root / part, to / part)
    return to


_ONE_CORE = ("taskset", "-c", "0") if shutil.which("taskset") else ()
"""Not everywhere: macOS has no such command."""


def this_machine(project: Path, python: str) -> Machine:
    """This processor, one core of it: another thread must not make a figure look better."""
    environment = {
        name: os.environ[name] for name in ("HOME", "PATH", "LANG") if name in os.environ
    }
    environment.update(pip_settings()[0], **ONE_THREAD)
    return Machine("this machine", project, _ONE_CORE, environment, python)


def find_python() -> str:
    """A Python 3.11, as Debian 12 has it.

    Raises
    ------
    Failed
        If there is none.
    """
    if sys.version_info[:2] == (3, 11):
        return sys.executable
    for name in (os.environ.get("PYTHON", ""), "python3.11"):
        if found := shutil.which(name):
            return found
    raise Failed("needs Python 3.11, as Debian 12 has it; set PYTHON to one")


def install(machine: Machine, line: str) -> tuple[Done, Done]:
    """Make the virtual environment and run README's line in it."""
    made = machine.must(machine.python, "-m", "venv", *machine.venv_options, ".venv")
    return made, machine.must(*machine.shell(line))


def packages(machine: Machine) -> str:
    """What the installation brought, with versions."""
    listed = machine.must(machine.bin / "python", "-m", "pip", "freeze").output.split()
    wanted = ("numpy==", "click==", "tflite-runtime==", "ai-edge-litert==")
    return ", ".join(item.replace("==", " ") for item in listed if item.startswith(wanted))
