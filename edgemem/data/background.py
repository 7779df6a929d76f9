"""Background noise: which of it trains, which makes the silence clips of validation and test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgemem.data.cache import reason_of
from edgemem.data.protocols import SILENCE
from edgemem.data.splits import split_of
from edgemem.data.types import Clip, Cut, Report, Skipped
from edgemem.errors import AudioError

# Long recordings are cut in time, so that no second of noise is in two splits.
_SPANS = {"train": (0.0, 0.8), "validation": (0.8, 0.9), "test": (0.9, 1.0)}
LONG = 20.0
"""Seconds from which on a recording is cut in time: a tenth of a shorter one is no noise but a
rattle, so that short ones belong to one split as a whole."""

# Files that are dealt out to the splits: fewer cannot be.
_FEW = 3
# Finished pieces: percent for validation and for test.
_PIECES = (35.0, 10.0)
# Root mean square of the loudest piece, in units of int16; 1 is the quietest.
LOUDEST = 10_000.0


@dataclass(frozen=True, eq=False)
class Recording:
    """A recording of background noise.

    Parameters
    ----------
    path : Path
        The file.
    name : str
        Its name in reports.
    samples : (n,) int16 array
        All of it.
    sample_rate : int
        In Hz.
    """

    path: Path
    name: str
    samples: npt.NDArray[np.int16]
    sample_rate: int = 16000

    @property
    def long(self) -> bool:
        """Whether it is cut in time."""
        return len(self.samples) >= LONG * self.sample_rate


def recordings_of(paths: Sequence[Path], sample_rate: int) -> tuple[list[Recording], Report]:
    """Recordings of background noise that can be used, and a report of those that cannot."""
    from edgemem.runtime.soundfiles import Notes
    from edgemem.runtime.sources import read_clip

    found, skipped = [], []
    notes = Notes(sample_rate)
    for path in paths:
        name = f"{path.parent.name}/{path.name}"
        try:
            found.append(Recording(path, name, read_clip(path, sample_rate, notes), sample_rate))
        except AudioError as error:
            skipped.append(Skipped(name, reason_of(error, path)))
    return found, Report(len(found), tuple(skipped), tuple(notes.lines()))


def pieces(paths: Sequence[Path], split: str) -> list[Path]:
    """Finished one-second pieces of background noise that belong to ``split``.

    Names of such pieces say nothing about the recording they were cut from, so the sha1 of the
    name decides: 35 % validation, 10 % test, the rest train.
    """
    return [path for path in paths if split_of(path.name, *_PIECES) == split]


def shares(recordings: Sequence[Recording], split: str) -> list[tuple[Recording, int, int]]:
    """What ``split`` may use: recordings, the first sample of each and the first one after.

    Of a recording of :data:`LONG` seconds or more, training reads the first 80 %, validation the
    next and test the last 10 %. Shorter ones are dealt out whole, by the sha1 rule on their names;
    where all are short, every split gets at least one. If there are only one or two files, both
    are cut in time whatever their length.
    """
    short = [recording for recording in recordings if not recording.long]
    if len(recordings) < _FEW:
        short = []
    whole = _dealt([r.name for r in short], fill=bool(short) and len(short) == len(recordings))
    found = []
    for recording in recordings:
        length = len(recording.samples)
        if recording.name not in whole:
            low, high = _SPANS[split]
            found.append((recording, int(length * low), int(length * high)))
        elif whole[recording.name] == split:
            found.append((recording, 0, length))
    return found


def _dealt(names: Sequence[str], fill: bool) -> dict[str, str]:
    """Split of each name; with ``fill`` the fullest split gives to one that got none."""
    dealt = {name: split_of(name) for name in names}
    for split in _SPANS if fill else ():
        if split not in dealt.values():
            count = Counter(dealt.values())
            full = max(_SPANS, key=lambda one: count[one])
            dealt[min(name for name in dealt if dealt[name] == full)] = split
    return dealt


def cuts(
    recordings: Sequence[Recording], split: str, count: int, n_samples: int, seed: int
) -> list[Clip]:
    """Pieces of recordings, each brought to a drawn level, for ``split``.

    :func:`shares` says which sound that is. Recordings are taken in turn. The level, a root mean
    square in units of int16, is uniform in 1..10,000 for every other round, as loud as the silence
    clips of Speech Commands, and log-uniform in the same range for the rest, so that quiet rooms
    are heard as well. A level that would clip the piece is lowered to the one that does not.

    Parameters
    ----------
    recordings : sequence of Recording
        Recordings whose share for ``split`` is shorter than a piece are left out.
    split : str
        ``"train"``, ``"validation"`` or ``"test"``.
    count : int
        Number of pieces.
    n_samples : int
        Length of a piece.
    seed : int
        Seed of places and levels.
    """
    spans = []
    for recording, first, end in shares(recordings, split):
        if first <= end - n_samples:
            spans.append((recording, first, end - n_samples))
    if not spans:
        return []
    rng = np.random.default_rng([seed, sorted(_SPANS).index(split)])
    made = []
    for number in range(count):
        recording, first, last = spans[number % len(spans)]
        start = int(rng.integers(first, last + 1))
        share = float(rng.uniform())
        level = LOUDEST**share if (number // len(spans)) % 2 else 1 + (LOUDEST - 1) * share
        gain = _gain(recording.samples[start : start + n_samples], level)
        made.append(Clip(recording.path, SILENCE, f"{recording.name}@{start}", Cut(start, gain)))
    return made


def _gain(samples: npt.NDArray[np.int16], level: float) -> float:
    """Factor that gives ``samples`` the root mean square ``level`` without clipping."""
    values = samples.astype(np.float64)
    peak = float(np.abs(values).max())
    if peak == 0:
        return 1.0
    return min(level / float(np.sqrt(np.mean(values**2))), 32767 / peak)
