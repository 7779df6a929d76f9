"""Sources to a library of this process, with the compiler of this machine."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shlex
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from edgemem import __version__
from edgemem.errors import ArtefactError, ConfigError, OutputError
from edgemem.files import cache_folder, write_atomic

COMPILERS = ("cc", "gcc", "clang")
"""Looked for in this order, after what ``CC`` names."""

NATIVE = ("-O3", "-march=native", "-funroll-loops")
PLAIN = ("-O2",)

MOST_KEPT = 32
"""Libraries that are kept, of some 50 kB each."""


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

    What was compiled is kept in a folder of this user's alone, by the digest of all that decides
    it, and taken from there without a compiler's run.

    Parameters
    ----------
    sources : mapping
        Texts by file name, of edgemem's own making; every ``.c`` is compiled.
    flags : sequence of str
        For the compiler.
    origin : str
        For what they are compiled, for messages.

    Raises
    ------
    ConfigError
        If there is no compiler.
    ArtefactError
        If the sources do not compile.
    """
    return _loaded(tuple(sorted(sources.items())), tuple(flags), os.environ.get("CC", ""), origin)


# runners of one file share its code; the state of each is its own
@lru_cache(maxsize=16)
def _loaded(
    sources: tuple[tuple[str, str], ...], flags: tuple[str, ...], named: str, origin: str
) -> ctypes.CDLL:
    store = Store.of_user()
    key = _digest(repr((__version__, _processor(), named, flags, sources)).encode())
    kept = store.find(key) if store else None
    if kept is not None:
        return ctypes.CDLL(str(kept))
    folder = Path(tempfile.mkdtemp(prefix="edgemem-c-"))
    try:
        made = _compiled(folder, sources, flags, origin)
        return ctypes.CDLL(str((store.keep(key, made) if store else None) or made))
    finally:
        # what is loaded stays mapped
        shutil.rmtree(folder, ignore_errors=True)


def _compiled(
    folder: Path, sources: Sequence[tuple[str, str]], flags: Sequence[str], origin: str
) -> Path:
    compiler = find_compiler()
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
    return folder / "network.so"


def _run(command: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def _processor() -> str:
    """What ``-march=native`` looks at: a home folder may be that of several machines."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    known = ("flags", "Features", "model name", "CPU part", "isa")
    lines = {line for line in text.splitlines() if line.startswith(known)}
    return " ".join([platform.system(), platform.machine(), *sorted(lines)])


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass(frozen=True)
class Store:
    """Libraries of earlier runs, in a folder that nobody else can write or has written.

    A library's name is the digest of what it was made from and that of its own bytes: one that was
    damaged since is made anew.
    """

    folder: Path

    @classmethod
    def of_user(cls) -> Store | None:
        """This user's store; None where there is no folder, or one that others could write to."""
        try:
            folder = cache_folder("c")
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            return cls(folder) if _is_private(folder) else None
        except (OSError, OutputError):
            return None

    def find(self, key: str) -> Path | None:
        """The library of that key."""
        for path in self.folder.glob(f"{key}-*.so"):
            try:
                if _is_private(path) and path.stem == f"{key}-{_digest(path.read_bytes())}":
                    return path
            except OSError:  # gone in the meantime
                continue
        return None

    def keep(self, key: str, library: Path) -> Path | None:
        """A copy of ``library`` that stays; None where it cannot be kept. Old ones go."""
        data = library.read_bytes()
        path = self.folder / f"{key}-{_digest(data)}.so"
        try:
            write_atomic(path, data)
            path.chmod(0o600)
            others = sorted(self.folder.glob("*.so"), key=lambda other: other.stat().st_mtime)
            for old in others[:-MOST_KEPT]:
                old.unlink()
        except (OSError, OutputError):
            return None
        return path


def _is_private(path: Path) -> bool:
    """Whether ``path`` is this user's and no link, and nobody else may write it."""
    found = path.lstat()
    mine = not hasattr(os, "geteuid") or found.st_uid == os.geteuid()
    return mine and not stat.S_ISLNK(found.st_mode) and not found.st_mode & 0o022
