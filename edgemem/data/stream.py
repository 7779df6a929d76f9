"""A long recording made of clips, with background noise between them and known times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgemem.data.clips import list_clips, read_samples
from edgemem.data.layouts import DEFAULT_SPEAKER
from edgemem.data.protocols import SILENCE, UNKNOWN
from edgemem.data.splits import SpeakerRule
from edgemem.data.types import Clip
from edgemem.errors import ConfigError, DataError

RATE = 16000
_FADE = RATE // 50  # 20 ms, so that a clip's own noise does not start with a click


@dataclass(frozen=True)
class Marked:
    """One clip in the recording.

    Parameters
    ----------
    start, end : float
        Its first and last moment, in seconds.
    label : str
        What is said.
    name : str
        Name of the clip in its data set.
    """

    start: float
    end: float
    label: str
    name: str


def make_stream(
    root: Path,
    *,
    split: str = "test",
    protocol: str | None = None,
    keywords: int = 10,
    others: int = 5,
    gap: tuple[float, float] = (1.0, 2.5),
    background: Path | None = None,
    speaker: SpeakerRule = DEFAULT_SPEAKER,
    seed: int = 0,
) -> tuple[npt.NDArray[np.int16], list[Marked]]:
    """Draw clips of a data set and lay them one after the other over background noise.

    Parameters
    ----------
    root : Path
        A data set of recordings, as in :func:`edgemem.data.load`.
    split : str
        Split that the clips are from.
    protocol : str, optional
        Name of the protocol, as in :func:`edgemem.data.load`.
    keywords : int
        Number of keywords; every label comes once before any comes twice.
    others : int
        Number of unknown words, where the protocol knows them.
    gap : (float, float)
        Shortest and longest pause before, between and after clips, in seconds.
    background : Path, optional
        Folder of recordings of background noise, used beside the set's own.
    speaker : SpeakerRule
        Where the speaker stands in file names that have no ``_nohash_``.
    seed : int
        Seed of all that is drawn.

    Returns
    -------
    samples : (n,) int16 array
        The recording, 16 kHz.
    marked : list of Marked
        The clips in it, in order.

    Raises
    ------
    ConfigError
        If there is nothing to draw or the pauses are no range.
    DataError
        If the split has no keywords.
    AudioError
        If a clip that was drawn cannot be used.
    """
    if keywords < 1 or others < 0 or not 0.0 <= gap[0] <= gap[1]:
        raise ConfigError(
            f"got {keywords} keywords, {others} other words and pauses of {gap[0]}..{gap[1]} s; "
            "expected at least 1, at least 0 and a range of 0 s or more"
        )
    rng = np.random.default_rng([seed, 3])
    listed, _ = list_clips(root, protocol, split, background=background, seed=seed, speaker=speaker)
    drawn = _drawn(listed, keywords, others, rng)
    pauses = [round(float(p) * RATE) for p in rng.uniform(*gap, len(drawn) + 1)]
    sounds = [read_samples(clip, RATE, None) for clip in drawn]
    total = sum(pauses) + sum(len(sound) for sound in sounds)
    noise = [clip for clip in listed if clip.label == SILENCE]
    stream = _background([read_samples(clip, RATE) for clip in noise], total, rng)
    marked = []
    position = pauses[0]
    for clip, sound, pause in zip(drawn, sounds, pauses[1:]):
        end = position + len(sound)
        stream[position:end] += _faded(sound)
        marked.append(Marked(position / RATE, end / RATE, clip.label, clip.name))
        position = end + pause
    return np.clip(np.rint(stream), -32768, 32767).astype(np.int16), marked


def _drawn(
    clips: Sequence[Clip], keywords: int, others: int, rng: np.random.Generator
) -> list[Clip]:
    words: dict[str, list[Clip]] = {}
    for index in rng.permutation(len(clips)):
        clip = clips[int(index)]
        if clip.label != SILENCE:
            words.setdefault(clip.label, []).append(clip)
    unknown = words.pop(UNKNOWN, [])[:others]
    if not words:
        raise DataError("the split has no keywords to draw from")
    names = sorted(words)
    order = [names[int(i)] for i in rng.permutation(len(names))]
    chosen = []
    for number in range(keywords):
        label, again = order[number % len(order)], number // len(order)
        chosen.append(words[label][again % len(words[label])])
    mixed = [*chosen, *unknown]
    return [mixed[int(i)] for i in rng.permutation(len(mixed))]


def _background(
    noises: Sequence[npt.NDArray[np.int16]], total: int, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Noise of the quieter half of ``noises``, one fading into the next; hiss if there are none."""
    stream = rng.standard_normal(total)
    if not noises:
        return 10.0 * stream
    levels = [float(np.mean(noise.astype(np.float64) ** 2)) for noise in noises]
    quiet = [noises[int(i)] for i in np.argsort(levels)[: max(1, len(noises) // 2)]]
    position = 0
    while position < total:
        noise = _faded(quiet[int(rng.integers(len(quiet)))])
        part = noise[: total - position]
        stream[position : position + len(part)] += part
        position += len(noise) - _FADE if len(noise) > 2 * _FADE else len(noise)
    return stream


def _faded(sound: npt.NDArray[np.int16]) -> npt.NDArray[np.float64]:
    length = min(_FADE, len(sound) // 2)
    ramp = (np.arange(length) + 0.5) / max(length, 1)
    faded = sound.astype(np.float64)
    faded[:length] *= ramp
    faded[len(faded) - length :] *= ramp[::-1]
    return faded
