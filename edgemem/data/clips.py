"""The recordings of one split, to be streamed one by one: what evaluation reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgemem.data.background import cuts
from edgemem.data.layouts import DEFAULT_SPEAKER
from edgemem.data.protocols import Protocol, canonical
from edgemem.data.readers import piece
from edgemem.data.selection import silence_count, words_of
from edgemem.data.source import open_source
from edgemem.data.splits import SpeakerRule
from edgemem.data.types import SPLITS, Clip, Report
from edgemem.errors import DataError, UnknownNameError
from edgemem.runtime.crop import Crop


def list_clips(
    root: Path | str,
    protocol: str | None = None,
    split: str = "test",
    *,
    labels: Sequence[str] | None = None,
    background: Path | None = None,
    seed: int = 0,
    speaker: SpeakerRule = DEFAULT_SPEAKER,
    seconds: float = 1.0,
) -> tuple[list[Clip], Report]:
    """Labelled recordings of a split.

    Nothing but the background noise is opened; a recording that cannot be used shows when
    :func:`read_samples` reads it.

    Parameters
    ----------
    root : Path
        A data set of recordings, in any layout that :func:`edgemem.data.load` knows.
    protocol : str, optional
        Name of the protocol, as in :func:`edgemem.data.load`.
    split : str
        ``"train"``, ``"validation"`` or ``"test"``.
    labels : sequence of str, optional
        Labels of a model. They replace those that the protocol would take from the folders.
    background : Path, optional
        Folder of recordings of background noise, used beside the set's own.
    seed : int
        Seed of the choice of unknown words and of the cuts of background noise.
    speaker : SpeakerRule
        Where the speaker stands in file names that have no ``_nohash_``.
    seconds : float
        Length of a cut of background noise.

    Returns
    -------
    clips : list of Clip
        Recordings with their labels; silence clips are cuts of background recordings where the set
        has none of its own.
    report : Report
        What was left out. ``read`` counts the background recordings.

    Raises
    ------
    DataError
        If the set holds features instead of sound, or the split is empty.
    """
    if split not in SPLITS:
        raise UnknownNameError("split", split, SPLITS)
    source = open_source(root, protocol, None, background, speaker, Crop(seconds))
    if source.found.kind != "sound":
        raise DataError(f"{root} holds {source.found.kind} features; recordings are needed here")
    chosen = source.protocol
    if labels is not None:
        name = canonical(protocol) if protocol else chosen.name
        chosen = Protocol(name, tuple(labels))
    words, report = words_of(source.found, chosen, split, seed)
    count = 0 if split == "train" else silence_count(chosen, words)
    made = cuts(source.recordings, split, count, source.n_samples, seed)
    report = source.report + report
    if not words:
        raise DataError(
            f"the split {split} of {root} ({source.found.layout}) has no clip with a label of "
            f"{', '.join(chosen.labels)}; " + "; ".join(report.lines())
        )
    return [*words, *made], report


def read_samples(
    clip: Clip,
    sample_rate: int = 16000,
    seconds: float | None = 1.0,
    center: bool = False,
) -> npt.NDArray[np.int16]:
    """Samples of a clip.

    Parameters
    ----------
    clip : Clip
        From :func:`list_clips`.
    sample_rate : int
        Rate of the samples, in Hz.
    seconds : float or None
        Length that the clip is brought to: zeros at the end of a short one, a part of a long one.
        ``None`` leaves a whole recording as it is.
    center : bool
        Whether that part lies around the energy; else it is the beginning.

    Raises
    ------
    AudioError
        If the file cannot be heard.
    """
    from edgemem.runtime.sources import read_clip

    samples = read_clip(clip.path, sample_rate)
    if seconds is None and clip.cut is None:
        return samples
    crop = Crop(1.0 if seconds is None else seconds, center)
    if clip.cut is None:
        return crop.of(samples, sample_rate)
    return piece(samples, clip.cut, crop.n_samples(sample_rate))
