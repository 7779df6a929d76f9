"""Generated C on the boards that it is for: cross compilers, and QEMU where there is no board.

For tests and benchmarks on a host; nothing of a conversion needs it. Bytes that come out, executed
instructions, sizes and stack are what a real board has. Cycles, time and energy are not.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgemem.errors import ConfigError

from .parts import render

WARNINGS = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror")

TICKS_PER_INSTRUCTION = 1.6
"""With ``-icount shift=6`` an instruction takes 64 ns; SysTick of the mps2 boards has 25 MHz."""


@dataclass(frozen=True)
class Board:
    """A compiler with its flags, and what runs its programs.

    Parameters
    ----------
    compiler : str
        Prefix of the tools' names, as ``arm-none-eabi-``.
    flags : tuple of str
    emulator : tuple of str
        The command in front of a program's name; empty on this machine itself.
    bare : bool
        Whether there is no operating system.
    """

    compiler: str
    flags: tuple[str, ...] = ()
    emulator: tuple[str, ...] = ()
    bare: bool = False

    def missing(self) -> list[str]:
        """Names of tools that are not installed."""
        tools = [f"{self.compiler}gcc", *self.emulator[:1]]
        return [tool for tool in tools if shutil.which(tool) is None]


def _cortex(core: str, machine: str) -> Board:
    quiet = ("-nographic", "-monitor", "none", "-serial", "none")
    console = ("-semihosting-config", "enable=on,target=native")
    emulator = ("qemu-system-arm", "-M", machine, *quiet, *console)
    # without a floating-point unit: an operation on floats would be a call
    flags = (f"-mcpu={core}", "-mthumb", "-mfloat-abi=soft")
    return Board("arm-none-eabi-", flags, (*emulator, "-icount", "shift=6", "-kernel"), bare=True)


BOARDS = {
    "host": Board(""),
    "arm64": Board("aarch64-linux-gnu-", ("-static",), ("qemu-aarch64-static",)),
    "armv7": Board("arm-linux-gnueabihf-", ("-static",), ("qemu-arm-static",)),
    "cortex-m4": _cortex("cortex-m4", "mps2-an386"),
    "cortex-m7": _cortex("cortex-m7", "mps2-an500"),
}
"""Boards by name."""


def build(
    board: Board,
    folder: Path,
    sources: Mapping[str, str],
    flags: Iterable[str] = ("-O2",),
    ram: int = 65536,
    flash: int = 524288,
) -> Path:
    """Compile and link a program that talks to its board through ``board.h``.

    Parameters
    ----------
    board : Board
    folder : Path
        Where everything is written.
    sources : mapping
        Texts by file name; every ``.c`` is compiled, without a warning.
    flags : iterable of str
        For the compiler.
    ram, flash : int
        Bytes that the program may take on a bare board; the stack is in the RAM.

    Returns
    -------
    Path
        Of the program.

    Raises
    ------
    ConfigError
        If the program does not compile or does not fit.
    """
    kind = "cortex_m" if board.bare else "hosted"
    texts = {**sources, "board.h": render("board.h.in"), f"{kind}.c": render(f"{kind}.c.in")}
    link = []
    if board.bare:
        texts["board.ld"] = render("cortex_m.ld.in", ram=ram, flash=flash)
        link = ["-nostartfiles", "--specs=nano.specs", "-T", "board.ld", "-Wl,--gc-sections"]
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="ascii")
    own = [name for name in sources if name.endswith(".c")]
    compiled = []
    for name in (*own, f"{kind}.c"):
        # the board's own file is no part of what is tested: registers have fixed addresses
        strict = WARNINGS if name in own else ("-std=gnu99",)
        compiled.append(f"{name}.o")
        _run(board, [*strict, *board.flags, *flags, "-c", name, "-o", compiled[-1]], folder)
    _run(board, [*board.flags, *flags, *compiled, *link, "-o", "program"], folder)
    return folder / "program"


def run(board: Board, program: Path, timeout: float = 120.0) -> bytes:
    """What a program writes.

    Raises
    ------
    ConfigError
        If it ends with another status than 0, as after a fault.
    """
    command = [*board.emulator, str(program)]
    done = subprocess.run(command, capture_output=True, timeout=timeout, check=False)
    if done.returncode:
        raise ConfigError(
            f"{program} ended with status {done.returncode} under {command[0]}: "
            f"{done.stderr.decode(errors='replace')[:500]}"
        )
    return done.stdout


def sizes(board: Board, objects: Sequence[Path]) -> tuple[int, int]:
    """Bytes of flash and of static RAM that objects take, together."""
    command = [f"{board.compiler}size", *map(str, objects)]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in listed.splitlines()[1:]]
    text, data, bss = (sum(int(row[column]) for row in rows) for column in range(3))
    return text + data, data + bss


def needed_symbols(board: Board, objects: Sequence[Path]) -> set[str]:
    """Names that objects take from elsewhere: of the C library and of the compiler's own."""
    command = [f"{board.compiler}nm", *map(str, objects)]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    defined = set(re.findall(r" [A-TV-Za-tv-z] (\S+)", listed))
    return set(re.findall(r" U (\S+)", listed)) - defined


def _run(board: Board, arguments: Sequence[str], folder: Path) -> None:
    command = [f"{board.compiler}gcc", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ConfigError(f"{' '.join(command)}: {done.stderr[:2000]}")
