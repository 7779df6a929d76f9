"""Executed instructions of another processor, counted by QEMU: no time, but what it is made of."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pi.machine import Failed, Machine
from pi.userland import Arch

PLUGIN = Path(__file__).with_name("count.c")
FRAME = 640
"""Bytes of sound of a frame of 20 ms."""


@dataclass(frozen=True)
class Counter:
    """An emulator that counts.

    Parameters
    ----------
    emulator : tuple of str
    environment : mapping
    log : Path
        Where it writes what it counted.
    """

    emulator: tuple[str, ...]
    environment: dict[str, str]
    log: Path

    def executed(self, program: Sequence[str | Path], sound: bytes) -> int:
        """Instructions of a whole process that hears ``sound`` on standard input.

        Raises
        ------
        Failed
            If it ends with another status than 0.
        """
        done = subprocess.run(
            [*self.emulator, *map(str, program)],
            input=sound,
            env=self.environment,
            capture_output=True,
            check=False,
        )
        found = re.search(r"executed (\d+)", self.log.read_text()) if self.log.exists() else None
        if done.returncode or found is None:
            raise Failed(f"counting instructions: {done.stderr.decode(errors='replace')[-200:]}")
        return int(found[1])

    def per_frame(self, program: Sequence[str | Path], sound: bytes) -> tuple[float, int]:
        """Instructions of a frame, by the difference of two lengths, and of all that is not one."""
        short = sound[: len(sound) // 4 // FRAME * FRAME]
        counts = self.executed(program, short), self.executed(program, sound)
        frame = (counts[1] - counts[0]) / ((len(sound) - len(short)) / FRAME)
        return frame, round(counts[0] - frame * len(short) / FRAME)


def counter(arch: Arch, there: Machine, tree: Path, work: Path) -> Counter | None:
    """A counter for programs of a userland; None if there is no QEMU that takes plug-ins.

    Debian's static emulators take none. This one finds libraries in the tree by itself, and so
    runs a single process without proot.
    """
    static, *options = arch.emulator
    emulator = shutil.which(static.removesuffix("-static"))
    if emulator is None:
        return None
    plugin, log = work / "count.so", work / "count.log"
    flags = ("-O2", "-shared", "-fPIC", "-fvisibility=hidden")
    subprocess.run(["gcc", *flags, str(PLUGIN), "-o", str(plugin)], check=True)
    counting = ("-plugin", str(plugin), "-d", "plugin", "-D", str(log))
    (packages,) = (there.project / ".venv/lib").glob("python3*/site-packages")
    environment = {
        **there.environment,
        "PYTHONHOME": str(tree / "usr"),
        "PYTHONPATH": str(packages),
    }
    return Counter((emulator, *counting, *options, "-L", str(tree)), environment, log)


def command(tree: Path, *words: str) -> tuple[str | Path, ...]:
    """``edgemem WORDS`` by the userland's Python."""
    python = max((tree / "usr/bin").glob("python3.*[0-9]"))
    return python, "-c", "import sys; from edgemem.cli import main; main(sys.argv[1:])", *words
