"""What a data set is: clips, splits, and a report of what was read and what was left out."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgemem.runtime.crop import SECOND, Crop

if TYPE_CHECKING:
    from edgemem.frontend import FrontEnd

SPLITS = ("train", "validation", "test")

Features = npt.NDArray[Any]

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def printable(name: str) -> str:
    """A file's name as text: what is no UTF-8, and what a terminal might obey, is spelled out."""
    text = name.encode(errors="surrogateescape").decode(errors="backslashreplace")
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


@dataclass(frozen=True)
class Skipped:
    """One file that was left out.

    Parameters
    ----------
    name : str
        Path below the root of the data set.
    reason : str
        What is wrong with it, in words that files with the same fault share.
    """

    name: str
    reason: str


@dataclass(frozen=True)
class Report:
    """What was read, what was skipped and why, and what else a person should know.

    Parameters
    ----------
    read : int
        Number of files that were used.
    skipped : tuple of Skipped
        Every file that was not, with its reason.
    notes : tuple of str
        Remarks about the whole set, for example speakers that are in two splits.
    missing : tuple of str
        Files that a list names and that are not there.
    """

    read: int = 0
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    def __add__(self, other: Report) -> Report:
        return Report(
            self.read + other.read,
            self.skipped + other.skipped,
            self.notes + other.notes,
            self.missing + other.missing,
        )

    @property
    def whole(self) -> bool:
        """Whether every file was used, and every one that a list names is there."""
        return not self.skipped and not self.missing

    @property
    def reasons(self) -> dict[str, int]:
        """Number of skipped files by reason, most frequent first."""
        return dict(Counter(item.reason for item in self.skipped).most_common())

    def lines(self, names: int = 3) -> list[str]:
        """The report as text: counts by reason, each with up to ``names`` file names."""
        found = [f"read {self.read} files, skipped {len(self.skipped)}"]
        for reason, count in self.reasons.items():
            some = [item.name for item in self.skipped if item.reason == reason][:names]
            more = ", ..." if count > len(some) else ""
            found.append(f"  {count} x {reason}: {', '.join(some)}{more}")
        return found + [f"  note: {note}" for note in self.notes]


@dataclass(frozen=True)
class Cut:
    """A piece of a longer recording, scaled.

    Parameters
    ----------
    start : int
        First sample.
    gain : float
        Factor on the samples.
    """

    start: int
    gain: float


@dataclass(frozen=True)
class Clip:
    """One labelled recording of a split.

    Parameters
    ----------
    path : Path
        The file.
    label : str
        Label of the protocol.
    name : str
        Path below the root of the data set.
    cut : Cut, optional
        Piece of the file that is meant; all of it without.
    """

    path: Path
    label: str
    name: str
    cut: Cut | None = None


@dataclass(frozen=True)
class Clips:
    """The features of one split.

    Parameters
    ----------
    features : (n, n_frames, n_bands) uint8 or float32 array
        Single frames, not stacked.
    labels : (n,) int array
        Positions in the label order of the set.
    names : tuple of str
        Paths below the root of the data set, one a clip.
    """

    features: Features
    labels: npt.NDArray[np.int64]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class DataSet:
    """A data set, ready for training.

    Parameters
    ----------
    labels : tuple of str
        Class order; it is stored in the model.
    protocol : str
        Name of the protocol that made the labels and the splits; stored in the model.
    frontend : FrontEnd
        Front end of the features, with ``stack == 1``.
    train, validation, test : Clips
        The splits; a split that was not asked for is empty.
    background : (k, n_frames, n_bands) uint8 or float32 array
        Background noise of the training split: for silence clips and for mixing.
    report : Report
        What was read and what was skipped.
    crop : Crop
        What was kept of each recording; stored in the model.
    """

    labels: tuple[str, ...]
    protocol: str
    frontend: FrontEnd
    train: Clips
    validation: Clips
    test: Clips
    background: Features
    report: Report
    crop: Crop = SECOND
