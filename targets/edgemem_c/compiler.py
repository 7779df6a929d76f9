"""Sources to a library of this process, with the compiler of this machine."""

from __future__ import annotations

import ctypes
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from edgemem.errors import ArtefactError, ConfigError

COMPILERS = ("cc", "gcc", "clang")
"""Looked for in this order, after what ``CC`` names."""

NATIVE = ("-O3", "-march=native", "-funroll-loops")
PLAIN = ("-O2",)


def find_compiler() -> list[str]:
    """The command of a C compiler.

    Raises
    ------
    ConfigError
        If there is none.
    """
    named = shlex.split(os.environ.get("CC", ""))
    for command in [named] if named else [[name] for name in COMPILERS]:
        if shutil.which(command[0]):
            return command
    wanted = named[0] if named else ", ".join(COMPILERS)
    raise ConfigError(
        f"a network in C runs here through a C compiler, and there is no {wanted}; install one "
        "(Debian, Raspberry Pi OS: apt install gcc) or name it in the variable CC"
    )


def load_library(sources: Mapping[str, str], flags: Sequence[str], origin: str) -> ctypes.CDLL:
    """The shared library that ``sources`` compile to, loaded.

    Parameters
    ----------
    sources : mapping
        Texts by file name; every ``.c`` is compiled.
    flags : sequence of str
        For the compiler.
    origin : str
        Where the sources came from, for messages.

    Raises
    ------
    ConfigError
        If there is no compiler.
    ArtefactError
        If the sources do not compile.
    """
    return _loaded(tuple(sorted(sources.items())), tuple(find_compiler()), tuple(flags), origin)


# runners of one file share its code; the state of each is its own
@lru_cache(maxsize=16)
def _loaded(
    sources: tuple[tuple[str, str], ...],
    compiler: tuple[str, ...],
    flags: tuple[str, ...],
    origin: str,
) -> ctypes.CDLL:
    folder = Path(tempfile.mkdtemp(prefix="edgemem-c-"))
    try:
        for name, text in sources:
            (folder / name).write_text(text, encoding="utf-8")
        units = [name for name, _ in sources if name.endswith(".c")]
        common = [*compiler, "-std=c99", "-fPIC", "-shared", *flags, "-o", "network.so", *units]
        done = _run([*common, *NATIVE], folder)
        if done.returncode:  # no machine of its own name, as under emulation
            done = _run([*common, *PLAIN], folder)
        if done.returncode:
            raise ArtefactError(
                f"{origin}: its C does not compile with {compiler[0]}: "
                f"{done.stderr.strip().splitlines()[:3]}; convert the model again"
            )
        return ctypes.CDLL(str(folder / "network.so"))
    finally:
        # what is loaded stays mapped
        shutil.rmtree(folder, ignore_errors=True)


def _run(command: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
