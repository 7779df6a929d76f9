"""A recording with a few words in it: a scene of one stretch, as samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgemem.data.clips import list_clips, read_samples
from edgemem.data.layouts import DEFAULT_SPEAKER
from edgemem.data.protocols import SILENCE, UNKNOWN
from edgemem.data.scenes.noise import Ring, ring_of
from edgemem.data.scenes.samples import FADE, SampleRenderer, faded
from edgemem.data.scenes.schedule import CLEAN, SPEECH, Scene, Stretch, Utterance
from edgemem.data.splits import SpeakerRule
from edgemem.data.types import Clip
from edgemem.errors import ConfigError, DataError

RATE = 16000
_HISS = 10.0  # root mean square, in units of int16


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
    snr: float = CLEAN,
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
    snr : float
        Mean square of each clip over that of the background under it, in dB. With ``CLEAN`` the
        background is quiet whatever is said.
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
    words, position = [], pauses[0]
    for number, (sound, pause) in enumerate(zip(sounds, pauses[1:])):
        words.append(Utterance(position, len(sound), number, 0.0))
        position += len(sound) + pause
    noise = [read_samples(clip, RATE) for clip in listed if clip.label == SILENCE]
    ring = _ring(noise, rng)
    offset = int(rng.integers(len(ring)))
    stretch = Stretch(0, position, 0, offset, snr, SPEECH, tuple(words))
    samples = SampleRenderer(Scene(position, (stretch,)), (ring,), sounds.__getitem__)
    marked = [
        Marked(word.start / RATE, word.end / RATE, clip.label, clip.name)
        for word, clip in zip(words, drawn)
    ]
    return samples.render(0, position), marked


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


def _ring(noises: Sequence[npt.NDArray[np.int16]], rng: np.random.Generator) -> Ring:
    """The quieter half of ``noises``, one fading into the next; hiss if there are none."""
    if not noises:
        hiss = _HISS * rng.standard_normal(10 * RATE)
        return ring_of("hiss", np.rint(hiss).astype(np.int16))
    levels = [float(np.mean(noise.astype(np.float64) ** 2)) for noise in noises]
    quiet = [noises[int(i)] for i in np.argsort(levels)[: max(1, len(noises) // 2)]]
    joined = np.zeros(sum(len(noise) for noise in quiet))
    position = 0
    for index in rng.permutation(len(quiet)):
        noise = faded(quiet[int(index)])
        joined[position : position + len(noise)] += noise
        position += len(noise) - FADE if len(noise) > 2 * FADE else len(noise)
    return ring_of("silence", np.rint(joined[:position]).astype(np.int16))
