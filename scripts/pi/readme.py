"""The lines that README gives to a person with a Raspberry Pi."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pi.machine import Failed

FIRST_STEPS = "## Five minutes on real recordings"
TABLE = "## Installation"
ROW = "run networks on a device"


@dataclass(frozen=True)
class Steps:
    """What README says.

    Parameters
    ----------
    install : str
        The line that installs the device side.
    lines : tuple of str
        What to do then, line after line.
    """

    install: str
    lines: tuple[str, ...]

    @property
    def spoken(self) -> tuple[str, ...]:
        """Lines that end by themselves."""
        return tuple(line for line in self.lines if not of_microphone(line))

    @property
    def microphone(self) -> tuple[str, ...]:
        """Lines that hear a microphone, until they are stopped."""
        return tuple(line for line in self.lines if of_microphone(line))


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
    block = re.search(r"^```sh\n(.*?)^```", _section(text, FIRST_STEPS), re.M | re.S)
    if row is None or block is None:
        raise Failed(f"README.md has no row {ROW!r} or no commands under {FIRST_STEPS!r}")
    lines = [line.partition("  #")[0].strip() for line in block[1].splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if lines[0] != row[1]:
        raise Failed(f"README.md installs by {row[1]!r} and by {lines[0]!r}")
    return Steps(row[1], tuple(lines[1:]))


def _section(text: str, title: str) -> str:
    _, _, rest = text.partition(f"{title}\n")
    return rest.partition("\n## ")[0]
