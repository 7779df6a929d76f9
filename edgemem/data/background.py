"""Background noise: which of it trains, which makes the silence clips of validation and test."""

from __future__ import annotations

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

# Recordings are cut in time, so that no second of noise is in two splits.
_SPANS = {"train": (0.0, 0.8), "validation": (0.8, 0.9), "test": (0.9, 1.0)}
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
    """

    path: Path
    name: str
    samples: npt.NDArray[np.int16]


def recordings_of(paths: Sequence[Path], sample_rate: int) -> tuple[list[Recording], Report]:
    """Recordings of background noise that can be used, and a report of those that cannot."""
    from edgemem.runtime.sources import read_clip

    found, skipped = [], []
    for path in paths:
        name = f"{path.parent.name}/{path.name}"
        try:
            found.append(Recording(path, name, read_clip(path, sample_rate)))
        except AudioError as error:
            skipped.append(Skipped(name, reason_of(error, path)))
    return found, Report(len(found), tuple(skipped))


def pieces(paths: Sequence[Path], split: str) -> list[Path]:
    """Finished one-second pieces of background noise that belong to ``split``.

    Names of such pieces say nothing about the recording they were cut from, so the sha1 of the
    name decides: 35 % validation, 10 % test, the rest train.
    """
    return [path for path in paths if split_of(path.name, *_PIECES) == split]


def span_of(length: int, split: str) -> tuple[int, int]:
    """First sample of a recording's share for ``split``, and the first one after it.

    Training reads the first 80 % of each recording, validation the next and test the last 10 %.
    """
    low, high = _SPANS[split]
    return int(length * low), int(length * high)


def cuts(
    recordings: Sequence[Recording], split: str, count: int, n_samples: int, seed: int
) -> list[Clip]:
    """Pieces of recordings, each brought to a drawn level, for ``split``.

    Training reads the first 80 % of each recording, validation the next and test the last 10 %.
    Recordings are taken in turn. The level, a root mean square in units of int16, is uniform in
    1..10,000 for every other round, as loud as the silence clips of Speech Commands, and
    log-uniform in the same range for the rest, so that quiet rooms are heard as well. A level that
    would clip the piece is lowered to the one that does not.

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
    for recording in recordings:
        first, end = span_of(len(recording.samples), split)
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
