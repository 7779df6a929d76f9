"""Accuracy on labelled clips, streamed sample by sample as on a device."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgemem.data.background import Recording, cuts
from edgemem.data.cache import reason_of
from edgemem.data.clips import list_clips, read_samples
from edgemem.data.layouts import DEFAULT_SPEAKER
from edgemem.data.protocols import SILENCE
from edgemem.data.readers import piece
from edgemem.data.source import open_source
from edgemem.data.splits import SpeakerRule
from edgemem.data.survey import Survey
from edgemem.data.types import Clip, Report, Skipped
from edgemem.errors import AudioError, ConfigError, DataError
from edgemem.runtime.crop import Crop
from edgemem.runtime.detector import decide
from edgemem.runtime.loop import Listener
from edgemem.runtime.network import Network
from edgemem.runtime.soundfiles import Samples

Progress = Callable[[Sequence[Clip]], Iterable[Clip]]

# Which unknown words are drawn, and which piece of background comes before which clip.
_SEED = 0


@dataclass(frozen=True)
class ClipScores:
    """Decisions on labelled clips.

    Parameters
    ----------
    labels : tuple of str
        Class order.
    confusion : (n_labels, n_labels) int array
        Number of clips by label (row) and decision (column).
    report : Report
        What was read and what was skipped.
    """

    labels: tuple[str, ...]
    confusion: npt.NDArray[np.int64]
    report: Report

    @property
    def clips(self) -> int:
        """Number of clips that were decided."""
        return int(self.confusion.sum())

    @property
    def correct(self) -> int:
        """Number of clips whose decision is their label."""
        return int(np.trace(self.confusion))

    @property
    def accuracy(self) -> float:
        """Share of clips whose decision is their label."""
        return self.correct / self.clips

    def to_dict(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        return {
            "accuracy": self.accuracy,
            "clips": self.clips,
            "correct": self.correct,
            "skipped": len(self.report.skipped),
            "skipped_reasons": self.report.reasons,
            "notes": list(self.report.notes),
            "labels": list(self.labels),
            "confusion": self.confusion.tolist(),
        }


def evaluate_clips(
    network: Network,
    root: Path,
    protocol: str | None = None,
    split: str = "test",
    carry: float = 0.0,
    background: Path | None = None,
    progress: Progress = iter,
    *,
    crop: Crop | None = None,
    speaker: SpeakerRule = DEFAULT_SPEAKER,
) -> ClipScores:
    """Accuracy of a network on the clips of a data set.

    Every clip is brought to the length that it had in training: a shorter one gets zeros at its
    end.

    Parameters
    ----------
    network : Network
    root : path
        Data set of recordings, in any layout that :func:`edgemem.data.load` reads.
    protocol : str, optional
        Name of the protocol; the network's own by default.
    split : str
        ``"train"``, ``"validation"`` or ``"test"``.
    carry : float
        Seconds of background that each clip is heard after; 0 resets the state before each clip.
    background : path, optional
        Folder of recordings of background noise, used beside the set's own.
    progress : callable
        Wraps the clips, to show how far it is.
    speaker : SpeakerRule
        Where the speaker stands in file names, and how many are held out: as for training.
    crop : Crop, optional
        What of a recording is heard; by default what the network was trained on.

    Raises
    ------
    ConfigError
        If ``carry`` is no finite number, 0 or more.
    DataError
        If the data set cannot be used.
    """
    if not 0.0 <= carry < math.inf:
        raise ConfigError(f"carry is {carry}; it must be a number of seconds, 0 or more")
    name = protocol or network.protocol or None
    rate = network.frontend.sample_rate
    part = crop or network.crop
    clips, listed = list_clips(
        root,
        name,
        split,
        labels=network.labels,
        background=background,
        seed=_SEED,
        speaker=speaker,
        seconds=part.seconds,
    )
    before = None
    if carry > 0:
        recordings = open_source(root, name, None, background).recordings
        before = Before(recordings, clips, split, round(carry * rate), rate).piece

    def read(clip: Clip) -> Samples:
        return read_samples(clip, rate, part.seconds, part.center)

    scores = score_clips(network.listener(), progress(clips), read, before)
    survey = Survey(part, rate)
    bad = {item.name for item in scores.report.skipped}
    survey.look(clip for clip in clips if clip.name not in bad)
    return replace(scores, report=listed + scores.report + Report(notes=survey.notes()))


def score_clips(
    listener: Listener,
    clips: Iterable[Clip],
    read: Callable[[Clip], Samples],
    before: Callable[[int], Samples] | None = None,
) -> ClipScores:
    """Stream every clip through a network and compare the decision with the label.

    The state is reset before each clip; with ``before`` the network then hears what that gives, and
    the clip follows without a gap, as on a device. The decision is the network's own:
    :func:`edgemem.runtime.detector.decide` over its detector's window, within the clip.

    Parameters
    ----------
    listener : Listener
    clips : iterable of Clip
    read : callable
        Samples of a clip, (n,) int16; its AudioError makes the clip a skipped one.
    before : callable, optional
        Samples that are heard before clip number *i*.

    Raises
    ------
    DataError
        If a label is none of the network's, or no clip could be used.
    """
    labels = listener.detector.labels
    confusion = np.zeros((len(labels), len(labels)), np.int64)
    skipped = []
    for index, clip in enumerate(clips):
        row = _row_of(clip, labels)
        try:
            samples = read(clip)
        except AudioError as error:
            skipped.append(Skipped(clip.name, reason_of(error, clip.path)))
            continue
        listener.reset()
        if before is not None:
            listener.logits(before(index))
        logits = listener.logits(samples)
        if not len(logits):
            skipped.append(Skipped(clip.name, "is shorter than one feature vector"))
            continue
        confusion[row, decide(logits, listener.detector.config.window)] += 1
    report = Report(int(confusion.sum()), tuple(skipped))
    if not report.read:
        raise DataError("no clip could be used; " + "; ".join(report.lines()))
    return ClipScores(labels, confusion, report)


class Before:
    """Pieces of background, one before each clip.

    Cut from the recordings of background noise where there are some; else the split's own silence
    clips, in turn.

    Parameters
    ----------
    recordings : sequence of Recording
    clips : sequence of Clip
        The clips of the split.
    split : str
    n_samples : int
        Length of a piece.
    sample_rate : int
        Samples per second.

    Raises
    ------
    DataError
        If there is no background, or all of it is too short.
    """

    def __init__(
        self,
        recordings: Sequence[Recording],
        clips: Sequence[Clip],
        split: str,
        n_samples: int,
        sample_rate: int,
    ) -> None:
        self._n_samples = n_samples
        self._rate = sample_rate
        self._recordings = {recording.path: recording.samples for recording in recordings}
        self._pieces = cuts(recordings, split, len(clips), n_samples, _SEED)
        if not recordings and n_samples <= sample_rate:
            self._pieces = [clip for clip in clips if clip.label == SILENCE]
        if not self._pieces:
            raise DataError(
                f"no background of {n_samples / sample_rate:g} s for the split {split} among "
                f"{len(recordings)} recordings; name a folder of longer ones with --background, "
                "or carry less"
            )

    def piece(self, index: int) -> Samples:
        """Samples before clip ``index``: (n_samples,) int16."""
        clip = self._pieces[index % len(self._pieces)]
        whole = self._recordings.get(clip.path)
        if whole is None:
            return read_samples(clip, self._rate)[: self._n_samples]
        return piece(whole, clip.cut, self._n_samples)


def _row_of(clip: Clip, labels: Sequence[str]) -> int:
    if clip.label not in labels:
        raise DataError(
            f"{clip.name} has the label {clip.label!r}, which the network does not know; "
            f"its labels: {', '.join(labels)}"
        )
    return labels.index(clip.label)
