"""Speech from eSpeak NG, which runs as a process of its own (see ``espeak_worker``)."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from edgemem.errors import DataError, MissingExtraError

ACCENTS = (
    "en",
    "en-us",
    "en-gb-scotland",
    "en-gb-x-gbclan",
    "en-gb-x-gbcwmd",
    "en-gb-x-rp",
    "en-us-nyc",
    "en-029",
)


@dataclass(frozen=True)
class Utterance:
    """What to say and how.

    Parameters
    ----------
    text : str
        Word or words.
    voice : str
        Accent, or ``accent+variant``.
    rate : int
        Words a minute.
    pitch, range : int
        Height of the voice and how far it moves, 0..100.
    """

    text: str
    voice: str
    rate: int
    pitch: int
    range: int


class Voice:
    """A running eSpeak NG.

    How a word sounds depends a little on what was said before it: the same utterances in the same
    order, from the start of the process, give the same samples.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        head = self._head()
        self.version: str = head["version"]
        self.sample_rate: int = head["sample_rate"]

    def say(self, utterance: Utterance) -> npt.NDArray[np.int16]:
        """Samples of an utterance, at :attr:`sample_rate`.

        Raises
        ------
        DataError
            If eSpeak NG refuses it or has ended.
        """
        request = json.dumps(asdict(utterance)).encode() + b"\n"
        try:
            _pipe(self._process.stdin).write(request)
            _pipe(self._process.stdin).flush()
        except (OSError, ValueError) as error:  # a broken or a closed pipe
            raise DataError("the eSpeak NG process has ended") from error
        head = self._head()
        size = 2 * head["samples"]
        sound = _pipe(self._process.stdout).read(size)
        if len(sound) < size:
            raise DataError("the eSpeak NG process has ended")
        return np.frombuffer(sound, "<i2").astype(np.int16)

    def _head(self) -> dict[str, Any]:
        line = _pipe(self._process.stdout).readline()
        if not line:
            raise DataError("the eSpeak NG process has ended")
        head: dict[str, Any] = json.loads(line)
        if "error" in head:
            raise DataError(head["error"])
        return head


@contextmanager
def speaking() -> Iterator[Voice]:
    """Start eSpeak NG; it ends with the block.

    Raises
    ------
    MissingExtraError
        If the package that brings eSpeak NG is not installed.
    """
    _check_installed()
    command = [sys.executable, "-m", "edgemem.data.espeak_worker"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield Voice(process)
        finally:
            process.kill()


def variants() -> list[str]:
    """Voice variants that say the same thing twice, in alphabetical order.

    Breath and whispering are drawn from a random number generator that nobody can seed, so
    variants that have them are left out.
    """
    _check_installed()
    import espeakng_loader

    folder = Path(espeakng_loader.get_data_path()) / "voices" / "!v"
    return [path.name for path in sorted(folder.iterdir()) if "breath" not in _text(path)]


def _check_installed() -> None:
    if importlib.util.find_spec("espeakng_loader") is None:
        raise MissingExtraError("making spoken keywords", "espeakng-loader", "synth")


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise DataError("the eSpeak NG process has no pipes")
    return pipe
