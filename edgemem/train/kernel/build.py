"""C text to a loaded library, with the system's own compiler, in a folder that goes with us."""

from __future__ import annotations

import atexit
import ctypes
import functools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from edgemem.train.kernel.product import Registers

COMPILERS = ("cc", "gcc", "clang")
FLAGS = ("-O3", "-shared", "-fPIC", "-pthread", "-fno-math-errno", "-fno-trapping-math")
# NaN and infinity stay what they are: a training that diverges must show it
TUNINGS = (("-march=native", "-mprefer-vector-width=512"), ("-march=native",), ())
"""For the processor at hand; the first that the compiler knows is taken."""

SECONDS = 120
"""After which a compiler is given up."""


@functools.cache
def compiler() -> tuple[str, ...] | None:
    """The command of a C compiler with all flags; None if there is none that works."""
    for name in COMPILERS:
        path = shutil.which(name)
        for tuning in TUNINGS if path else ():
            command = (str(path), *FLAGS, *tuning)
            if _run([*command, "-x", "c", "-E", "-o", os.devnull, os.devnull]) is not None:
                return command
    return None


@functools.cache
def registers() -> Registers:
    """The vector registers that the compiler makes use of."""
    command = compiler()
    macros = _run([*command, "-x", "c", "-dM", "-E", os.devnull]) if command else None
    names = {line.split()[1] for line in (macros or "").splitlines() if line}
    if "__AVX512F__" in names:
        return Registers(16, 8, 3)
    if "__AVX__" in names:
        return Registers(8, 4, 3)
    if "__aarch64__" in names:
        return Registers(4, 8, 3)
    return Registers(4, 4, 2)


@functools.cache
def library(text: str) -> ctypes.CDLL | None:
    """The compiled ``text``; None if it cannot be compiled or loaded."""
    command = compiler()
    if command is None:
        return None
    try:
        folder = Path(tempfile.mkdtemp(dir=_folder()))
        given, made = folder / "kernel.c", folder / "kernel.so"
        given.write_text(text, encoding="utf-8")
        if _run([*command, "-o", str(made), str(given)]) is None:
            return None
        return ctypes.CDLL(str(made))
    except OSError:  # a full disk, or a folder that nothing may be loaded from
        return None


@functools.cache
def _folder() -> Path:
    folder = tempfile.mkdtemp(prefix="edgemem-kernel-")
    atexit.register(_remove, folder, os.getpid())
    return Path(folder)


def _remove(folder: str, owner: int) -> None:
    if os.getpid() == owner:  # not a fork of it
        shutil.rmtree(folder, ignore_errors=True)


def _run(command: list[str]) -> str | None:
    """What a command prints; None if it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
