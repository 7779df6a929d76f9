"""The clips that two networks are compared on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from edgemem import artefact, pretrained
from edgemem.conversion import golden_inputs
from edgemem.data.cache import reason_of
from edgemem.data.clips import list_clips, read_samples
from edgemem.data.types import Clip, Skipped
from edgemem.errors import AudioError, DataError
from edgemem.evaluate.compare import Heard
from edgemem.frontend import FrontEnd
from edgemem.model import load
from edgemem.runtime.network import Network
from edgemem.runtime.soundfiles import ENDINGS, Samples
from edgemem.runtime.sources import read_clip


@dataclass(frozen=True)
class Recording:
    """A recording that has not been read yet.

    Parameters
    ----------
    clip : Clip
        Its label is empty where it is not known.
    read : callable
        Gives the samples of the clip at a rate, (n,) int16.
    """

    clip: Clip
    read: Callable[[Clip, int], Samples]


def recordings(
    network: Network, root: Path, limit: int | None = None
) -> tuple[list[Recording], tuple[str, ...]]:
    """The recordings under ``root``, and what a person should know of them.

    Labelled ones as :func:`edgemem.evaluate.clips.evaluate_clips` reads them, the test split;
    where there are none, every sound file, whole and without a label.

    Parameters
    ----------
    network : Network
        Its labels and protocol are asked for.
    root : Path
    limit : int, optional
        Greatest number of recordings, spread evenly over all.

    Raises
    ------
    DataError
        If there is none.
    """
    notes: tuple[str, ...] = ()
    try:
        crop = network.crop
        clips, _ = list_clips(
            root, network.protocol or None, labels=network.labels, seconds=crop.seconds
        )
        read = partial(read_samples, seconds=crop.seconds, center=crop.center)
        found = [Recording(clip, read) for clip in clips]
    except DataError as error:
        found = [Recording(clip, _whole) for clip in _loose(root)]
        if not found:
            raise
        notes = (f"recordings without labels: {error}",)
    if limit is not None:
        found = found[:: max(1, len(found) // limit)][:limit]
    return found, notes


def _loose(root: Path) -> list[Clip]:
    paths = [root] if root.is_file() else sorted(root.rglob("*"))
    above = root.parent if root.is_file() else root
    return [
        Clip(path, "", path.relative_to(above).as_posix())
        for path in paths
        if path.suffix.lower() in ENDINGS
    ]


def _whole(clip: Clip, sample_rate: int) -> Samples:
    return read_clip(clip.path, sample_rate)


def hear(
    found: Iterable[Recording], a: FrontEnd, b: FrontEnd, skipped: list[Skipped]
) -> Iterator[Heard]:
    """Feature vectors of recordings; what cannot be used is added to ``skipped``."""
    for recording in found:
        clip = recording.clip
        try:
            samples = recording.read(clip, a.sample_rate)
        except AudioError as error:
            skipped.append(Skipped(clip.name, reason_of(error, clip.path)))
            continue
        features = a.features(samples)
        pair = (features, features if a == b else b.features(samples))
        if min(map(len, pair)):
            yield Heard(clip.name, clip.label or None, pair)
        else:
            skipped.append(Skipped(clip.name, "is shorter than one feature vector"))


def riding_along(file: str | Path, limit: int | None = None) -> list[Heard]:
    """The golden inputs of a converted file, or of a model what would become its golden inputs.

    Raises
    ------
    DataError
        If a model has none.
    """
    path = pretrained.resolve(file)
    if path.suffix == pretrained.MODEL:
        x = golden_inputs(load(path).calibration.features)
    else:
        x = artefact.read(path).golden.x
    if not x.size:
        raise DataError(f"{path} holds no sequences to compare on; name recordings with --data")
    return [Heard(f"golden {i}", None, (clip, clip)) for i, clip in enumerate(x)][:limit]
