"""The lines that README gives to a person with a Raspberry Pi."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pi.machine import Failed

FIRST_STEPS = "## Five minutes on real recordings"
TABLE = "## Installation"
DOCTOR = "edgemem doctor"
"""What it says differs from machine to machine."""
EXTRAS = ("--web", "--mqtt")
ROW = "run networks on a device"


@dataclass(frozen=True)
class Steps:
    """What README says.

    Parameters
    ----------
    install : str
        The line that installs the device side.
    lines : tuple of str
        What to do then, line after line, up to the next installation.
    """

    install: str
    lines: tuple[str, ...]

    @property
    def spoken(self) -> tuple[str, ...]:
        """Lines that end by themselves, with the same result everywhere."""
        own = self.microphone + self.extras
        return tuple(line for line in self.lines if line not in own and line != DOCTOR)

    @property
    def microphone(self) -> tuple[str, ...]:
        """Lines that hear a microphone, until they are stopped."""
        listed = (line for line in self.lines if of_microphone(line))
        return tuple(line for line in listed if line not in self.extras)

    @property
    def extras(self) -> tuple[str, ...]:
        """Lines that need more than the device install."""
        return tuple(line for line in self.lines if any(word in EXTRAS for word in line.split()))


def of_microphone(line: str) -> bool:
    """Whether a line records: ``arecord``, or ``edgemem listen`` with no file and no pipe."""
    words = line.split()
    listens = words[:2] == ["edgemem", "listen"]
    given = any(word == "-" or word.endswith((".wav", ".flac")) for word in words[3:])
    return words[0] == "arecord" or (listens and not given)


def steps(text: str) -> Steps:
    """The device install and the lines after it.

    Raises
    ------
    Failed
        If README has no such part, or its two places do not say the same.
    """
    row = re.search(rf"^\| {ROW} \| `([^`]+)` \|", _section(text, TABLE), re.M)
    blocks = re.findall(r"^```sh\n(.*?)^```", _section(text, FIRST_STEPS), re.M | re.S)
    if row is None or not blocks:
        raise Failed(f"README.md has no row {ROW!r} or no commands under {FIRST_STEPS!r}")
    lines = [line for block in blocks for line in _lines(block)]
    if lines[0] != row[1]:
        raise Failed(f"README.md installs by {row[1]!r} and by {lines[0]!r}")
    more = [number for number, line in enumerate(lines) if number and line.startswith("pip ")]
    return Steps(row[1], tuple(lines[1 : more[0] if more else None]))


def _lines(block: str) -> list[str]:
    lines = [line.partition("  #")[0].strip() for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def _section(text: str, title: str) -> str:
    _, _, rest = text.partition(f"{title}\n")
    return rest.partition("\n## ")[0]
