"""What scenes are made of: keywords, other words and background noise of one split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgemem.data.background import recordings_of
from edgemem.data.cache import Progress
from edgemem.data.layouts import DEFAULT_SPEAKER
from edgemem.data.protocols import SILENCE, UNKNOWN, Protocol, canonical
from edgemem.data.scenes.extents import extent
from edgemem.data.scenes.noise import Ring, rings_of
from edgemem.data.source import Source, look, open_source, sounds
from edgemem.data.splits import SpeakerRule
from edgemem.data.stores import open_store
from edgemem.data.types import SPLITS, Clip, Features, Report, Skipped
from edgemem.errors import DataError, UnknownNameError
from edgemem.frontend import FrontEnd
from edgemem.frontend.powers import band_powers
from edgemem.runtime.crop import SECOND, Crop

OTHER = "_other_"
"""Label of words out of a set whose labels mean nothing to the network."""


@dataclass(frozen=True)
class Where:
    """Where the sound of scenes is.

    Parameters
    ----------
    data : Path
        Data set with the keywords, of recordings or of stored features.
    split : str
    protocol : str, optional
    frontend : FrontEnd, optional
        The one that made stored features.
    others : Path, optional
        Data set of recordings whose words are all other words.
    background : Path, optional
        Folder of recordings of background noise, used beside the set's own.
    cache : Path, optional
        Folder for features.
    speaker : SpeakerRule
    crop : Crop
        What is kept of each recording.
    """

    data: Path
    split: str = "test"
    protocol: str | None = None
    frontend: FrontEnd | None = None
    others: Path | None = None
    background: Path | None = None
    cache: Path | None = None
    speaker: SpeakerRule = DEFAULT_SPEAKER
    crop: Crop = SECOND


@dataclass(frozen=True, eq=False)
class Material:
    """Clips and background noise of one split.

    Parameters
    ----------
    frontend : FrontEnd
        Of the features, with ``stack == 1``.
    clips : tuple of Clip
        Labels are those of the network, or :data:`OTHER`.
    words : tuple of str
        What is said in each clip, as its data set has it.
    features : (n, n_frames, n_bands) array
        Of each clip.
    extents : (n, 2) int array
        Start and end of the word in each clip, in samples.
    rings : tuple of Ring
        Background noise.
    n_samples : int
        Length of a clip.
    sound : bool
        Whether every clip is a recording.
    report : Report
    crop : Crop
        What is kept of each recording.
    """

    frontend: FrontEnd
    clips: tuple[Clip, ...]
    words: tuple[str, ...]
    features: Features
    extents: npt.NDArray[np.int64]
    rings: tuple[Ring, ...]
    n_samples: int
    sound: bool
    report: Report
    crop: Crop = SECOND

    def numbers(self, keywords: Sequence[str]) -> tuple[list[int], list[int]]:
        """Numbers of the clips of keywords, and of those of other words."""
        known = set(keywords)
        kinds: tuple[list[int], list[int]] = ([], [])
        for number, clip in enumerate(self.clips):
            kinds[clip.label not in known].append(number)
        if not kinds[0]:
            found = ", ".join(sorted({clip.label for clip in self.clips})) or "none"
            raise DataError(
                f"no clip of a keyword of the network ({', '.join(keywords)}); found: {found}"
            )
        return kinds


def collect(
    where: Where, frontend: FrontEnd, labels: Sequence[str], progress: Progress | None = None
) -> Material:
    """Look up the clips and the background noise of one split.

    Every word of the split is used, also where a protocol thins unknown words out. Finished silence
    clips are not: noise comes from the recordings.

    Parameters
    ----------
    where : Where
    frontend : FrontEnd
        Of the network; recordings go through it.
    labels : sequence of str
        Labels of the network.
    progress : callable, optional
        Called with the number of files done and of all.

    Raises
    ------
    DataError
        If there is no clip, no background noise, or features come from another front end.
    """
    if where.split not in SPLITS:
        raise UnknownNameError("split", where.split, SPLITS)
    own = replace(frontend, stack=1)
    main = _source(where.data, where, own, labels)
    parts = [_part(main, where, _labelled(main, where, labels), progress)]
    sound = main.found.kind == "sound"
    if where.others is not None:
        by_rule = replace(where.speaker, held=0)
        elsewhere = replace(where, protocol="folders", speaker=by_rule)
        other = _source(where.others, elsewhere, own, None)
        parts.append(_part(other, where, _others(other, where), progress))
        sound = sound and other.found.kind == "sound"
    rings, noise = _rings(where, own.sample_rate, main)
    report = sum((part.report for part in parts), noise)
    clips = tuple(clip for part in parts for clip in part.clips)
    if not clips:
        raise DataError(
            f"the split {where.split} of {where.data} has no word; " + "; ".join(report.lines())
        )
    return Material(
        frontend=own,
        clips=clips,
        words=tuple(word for part in parts for word in part.words),
        features=np.concatenate([part.features for part in parts]),
        extents=np.concatenate([part.extents for part in parts]),
        rings=rings,
        n_samples=main.n_samples,
        sound=sound,
        report=report,
        crop=where.crop,
    )


@dataclass(frozen=True, eq=False)
class _Part:
    clips: tuple[Clip, ...]
    words: tuple[str, ...]
    features: Features
    extents: npt.NDArray[np.int64]
    report: Report


_Listed = list[tuple[Clip, str]]


def _source(root: Path, where: Where, own: FrontEnd, labels: Sequence[str] | None) -> Source:
    heard = look(root, where.speaker).kind == "sound"
    frontend = own if heard else where.frontend
    crop = where.crop if heard else replace(where.crop, center=False)
    source = open_source(root, where.protocol, frontend, None, where.speaker, crop)
    if source.frontend != own:
        raise DataError(f"{root}: its features come from another front end than the network's")
    if own.kind != "logmel" and not heard:
        raise DataError(f"{root} holds {own.kind} features, which cannot be mixed; use recordings")
    if labels is not None:
        name = canonical(where.protocol) if where.protocol else source.protocol.name
        source = replace(source, protocol=Protocol(name, tuple(labels)))
    return source


def _labelled(source: Source, where: Where, labels: Sequence[str]) -> _Listed:
    listed = []
    for file in source.found.files:
        if file.split == where.split and file.word != SILENCE:
            label = file.word if file.word in labels else UNKNOWN
            listed.append((Clip(file.path, label, file.name), file.word))
    return listed


def _others(source: Source, where: Where) -> _Listed:
    found = [f for f in source.found.files if f.split == where.split and f.word != SILENCE]
    if not found:
        raise DataError(f"the split {where.split} of {where.others} has no word")
    return [(Clip(f.path, OTHER, f.name), f.word) for f in found]


def _part(source: Source, where: Where, listed: _Listed, progress: Progress | None) -> _Part:
    store = open_store(source, where.cache, progress)
    features, bad = store.features([clip for clip, _ in listed])
    keep = [number for number in range(len(listed)) if number not in bad]
    skipped = tuple(Skipped(listed[n][0].name, reason) for n, reason in sorted(bad.items()))
    kept = features[keep]
    places = [extent(band_powers(one, source.frontend), source.frontend) for one in kept]
    return _Part(
        tuple(listed[n][0] for n in keep),
        tuple(listed[n][1] for n in keep),
        kept,
        np.array(places, np.int64).reshape(-1, 2),
        source.report + Report(len(keep), skipped),
    )


def _rings(where: Where, rate: int, main: Source) -> tuple[tuple[Ring, ...], Report]:
    recordings, report = list(main.recordings), Report()
    if where.background is not None:
        more, report = recordings_of(sounds(where.background), rate)
        recordings += more
    rings = rings_of(recordings, where.split)
    if not rings:
        raise DataError(
            f"no background noise for the split {where.split} among {len(recordings)} recordings; "
            "name a folder of recordings with --background"
        )
    return rings, report


def counts(material: Material, drawn: Sequence[int]) -> tuple[int, int]:
    """Of the clips that were ``drawn``: how many there are, and how many came before."""
    times = Counter(drawn)
    return len(drawn), len(drawn) - len(times)
