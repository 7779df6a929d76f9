"""From a folder to features in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgemem.data.background import cuts
from edgemem.data.cache import Progress
from edgemem.data.layouts import DEFAULT_SPEAKER
from edgemem.data.protocols import SILENCE
from edgemem.data.readers import SoundReader
from edgemem.data.selection import check_complete, few_notes, rank, silence_count, words_of
from edgemem.data.source import Source, open_source
from edgemem.data.splits import SpeakerRule
from edgemem.data.stores import Store, open_store
from edgemem.data.survey import Survey
from edgemem.data.types import SPLITS, Clip, Clips, DataSet, Features, Report, Skipped
from edgemem.errors import DataError, UnknownNameError
from edgemem.runtime.crop import Crop

if TYPE_CHECKING:
    from edgemem.frontend import FrontEnd

_BACKGROUND_CUTS = 1000


def load(
    root: Path | str,
    protocol: str | None = None,
    frontend: FrontEnd | None = None,
    cache: Path | None = None,
    splits: Sequence[str] = ("train", "validation"),
    seed: int = 0,
    progress: Progress | None = None,
    *,
    background: Path | None = None,
    speaker: SpeakerRule = DEFAULT_SPEAKER,
    seconds: float = 1.0,
    center: bool = False,
    strict: bool = False,
    complete: bool = True,
) -> DataSet:
    """Read a data set.

    Parameters
    ----------
    root : Path
        A Speech Commands directory, the archive of its test set, a folder a word, or a folder with
        the lists train.csv, val.csv and test.csv; of recordings (wav, FLAC), of pictures, or of
        .npy arrays of features. Or one .npz file of features (see ``edgemem.data.archive``).
    protocol : str, optional
        ``"speech-commands-12"``, ``"speech-commands-35"``, ``"folders"``, or ``"words:a,b"`` for
        these words with silence and all others as unknown. By default the first where its ten
        words are there, else ``"folders"``.
    frontend : FrontEnd, optional
        Front end for recordings, or the one that made the pictures or arrays. By default what a
        file frontend.json in ``root`` says; for recordings, else, ``edgemem.frontend.RECORDINGS``.
    cache : Path, optional
        Folder for features; by default under the user's cache folder.
    splits : sequence of str
        Splits to read; files of other splits are not opened.
    seed : int
        Seed of the choice of unknown words and of the cuts of background noise.
    progress : callable, optional
        Called with the number of files done and of all.
    background : Path, optional
        Folder of recordings of background noise, used beside the set's own.
    speaker : SpeakerRule
        Where the speaker stands in file names that have no ``_nohash_``.
    seconds : float
        Length of every clip: a shorter recording gets zeros at its end.
    center : bool
        Whether a longer recording is cut around its energy; else it loses its end.
    strict : bool
        Refuse the set if any file of it cannot be used, or a list names one that is not there.
    complete : bool
        Refuse a set that is to train a network and cannot do so by itself: of one label, or without
        other words where the protocol has a label for them.

    Raises
    ------
    DataError
        If a split that was asked for has no clip, ``strict`` and a file cannot be used, or
        ``complete`` and the set is not.
    """
    for split in splits:
        if split not in SPLITS:
            raise UnknownNameError("split", split, SPLITS)
    crop = Crop(seconds, center)
    source = open_source(root, protocol, frontend, background, speaker, crop)
    if complete and "train" in splits:
        check_complete(source.root, source.found, source.protocol)
    survey = Survey(crop, source.frontend.sample_rate)
    loader = _Loader(source, open_store(source, cache, progress), seed, survey)
    loaded = {split: loader.split(split) for split in SPLITS if split in splits}
    noise, noise_report = loader.background()
    report = sum((part for _, part in loaded.values()), source.report + noise_report)
    report += Report(notes=survey.notes())
    if strict and not report.whole:
        raise DataError(f"{root} has files that cannot be used; " + "; ".join(report.lines()))
    parts = {split: loaded[split][0] if split in loaded else loader.empty() for split in SPLITS}
    return DataSet(
        labels=source.protocol.labels,
        protocol=source.protocol.name,
        frontend=source.frontend,
        background=noise,
        report=report,
        crop=crop,
        **parts,
    )


@dataclass(frozen=True)
class _Loader:
    source: Source
    store: Store
    seed: int
    survey: Survey

    def empty(self) -> Clips:
        """A split without clips."""
        return Clips(np.zeros((0, *self.store.shape), self.store.dtype), np.zeros(0, np.int64), ())

    def split(self, split: str) -> tuple[Clips, Report]:
        """Features of one split, made-up silence included."""
        source = self.source
        words, report = words_of(source.found, source.protocol, split, self.seed)
        missing = 0 if split == "train" else silence_count(source.protocol, words)
        held = sorted(source.pieces(split), key=lambda clip: rank(clip.name, self.seed))[:missing]
        features, good, read = self._stored([*words, *held])
        missing -= sum(clip.label == SILENCE for clip in good) if missing else 0
        made = cuts(source.recordings, split, missing, source.n_samples, self.seed)
        kept = [*good, *made]
        if not good:
            raise DataError(
                f"no usable clip in the split {split} of {source.found.layout}; "
                + "; ".join((source.report + report + read).lines())
            )
        number = {label: index for index, label in enumerate(source.protocol.labels)}
        labels = np.array([number[clip.label] for clip in kept], np.int64)
        clips = Clips(self._with(features, made), labels, tuple(clip.name for clip in kept))
        few = few_notes(source.protocol, split, [clip.label for clip in kept])
        return clips, report + read + Report(notes=self._lacking(split, kept) + few)

    def _lacking(self, split: str, clips: Sequence[Clip]) -> tuple[str, ...]:
        there = {clip.label for clip in clips} | ({SILENCE} if split == "train" else set())
        lacking = [label for label in self.source.protocol.labels if label not in there]
        return (f"{split}: no clip of {', '.join(lacking)}",) if lacking else ()

    def background(self) -> tuple[Features, Report]:
        """Background noise of the training split."""
        source = self.source
        features, _, report = self._stored(source.pieces("train"))
        made = cuts(source.recordings, "train", _BACKGROUND_CUTS, source.n_samples, self.seed)
        return self._with(features, made), report

    def _stored(self, clips: Sequence[Clip]) -> tuple[Features, list[Clip], Report]:
        """Features of files; those that cannot be used are left out and reported."""
        features, bad = self.store.features(clips)
        keep = [position for position in range(len(clips)) if position not in bad]
        skipped = tuple(Skipped(clips[p].name, reason) for p, reason in sorted(bad.items()))
        good = [clips[position] for position in keep]
        if self.source.found.kind == "sound":
            self.survey.look(good)
        return (features[keep] if bad else features), good, Report(len(good), skipped)

    def _with(self, features: Features, made: Sequence[Clip]) -> Features:
        """``features`` and those of pieces of recordings, in the type of the former."""
        if not made:
            return features
        reader = SoundReader(self.source.frontend, self.source.n_samples)
        of = {recording.path: recording.samples for recording in self.source.recordings}
        rows = np.stack([reader.of_samples(of[clip.path], clip.cut) for clip in made])
        if self.store.dtype == "uint8":
            rows = np.clip(np.rint(rows), 0, 255).astype(np.uint8)
        return np.concatenate([features, rows])
