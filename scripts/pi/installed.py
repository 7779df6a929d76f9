"""The device install of README, in a copy of the project on one machine."""

from __future__ import annotations

import os
import shutil
import subprocess
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


def find_python(version: str, named: str | None = None) -> str:
    """The Python of a version that ``scripts/find-python`` finds.

    Parameters
    ----------
    version : str
    named : str, optional
        The only one to look at; by default PYTHON, and all that are here without it.

    Raises
    ------
    Failed
        If there is none.
    """
    environment = os.environ if named is None else {**os.environ, "PYTHON": named}
    command = [str(Path(__file__).parents[1] / "find-python"), version]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(done.stderr.strip())
    return done.stdout.strip()


def install(machine: Machine, line: str) -> tuple[Done, Done]:
    """Make the virtual environment and run README's line in it."""
    made = machine.must(machine.python, "-m", "venv", *machine.venv_options, ".venv")
    return made, machine.must(*machine.shell(line))


def packages(machine: Machine) -> str:
    """What the installation brought, with versions."""
    listed = machine.must(machine.bin / "python", "-m", "pip", "freeze").output.split()
    wanted = ("numpy==", "click==", "tflite-runtime==", "ai-edge-litert==")
    return ", ".join(item.replace("==", " ") for item in listed if item.startswith(wanted))
