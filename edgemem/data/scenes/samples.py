"""A scene as samples."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from edgemem.data.scenes.levels import envelope
from edgemem.data.scenes.noise import Ring
from edgemem.data.scenes.schedule import Scene, Stretch, Utterance

Samples = npt.NDArray[np.int16]

FADE = 320
"""Samples over which a clip comes and goes, so that its own noise does not start with a click."""

_KEPT = 64


class SampleRenderer:
    """Renders any part of a scene as 16-bit samples.

    Parameters
    ----------
    scene : Scene
    rings : sequence of Ring
        Background noise.
    read : callable
        Samples of a clip by its number, (n,) int16.
    """

    def __init__(
        self, scene: Scene, rings: tuple[Ring, ...], read: Callable[[int], Samples]
    ) -> None:
        self.scene = scene
        self._rings = rings
        self._read = lru_cache(maxsize=_KEPT)(read)

    def render(self, first: int, last: int) -> Samples:
        """Samples ``first`` to ``last``, (last - first,); zeros beyond the end of the scene."""
        out = np.zeros(last - first)
        for stretch in self.scene.between(first, last):
            start, end = max(first, stretch.start), min(last, stretch.end)
            self._rustle(out[start - first : end - first], stretch, start)
            for word in stretch.words:
                if word.start < last and word.end > first:
                    self._say(out, first, word)
        return np.clip(np.rint(out), -32768, 32767).astype(np.int16)

    def power(self, clip: int) -> float:
        """Mean square of a clip, full scale being 1."""
        return float(np.square(self._read(clip) / 32768.0).mean())

    def _rustle(self, out: npt.NDArray[np.float64], stretch: Stretch, start: int) -> None:
        ring = self._rings[stretch.recording]
        times = np.arange(start, start + len(out))
        noise = ring.take(stretch.offset + start - stretch.start, len(out))
        out += noise * envelope(stretch, ring, self.power, times)

    def _say(self, out: npt.NDArray[np.float64], first: int, word: Utterance) -> None:
        sound = faded(self._read(word.clip)) * 10.0 ** (word.gain / 20.0)
        low, high = max(word.start, first), min(word.start + len(sound), first + len(out))
        out[low - first : high - first] += sound[low - word.start : high - word.start]


def faded(sound: Samples) -> npt.NDArray[np.float64]:
    """Samples whose start rises out of nothing and whose end goes there."""
    length = min(FADE, len(sound) // 2)
    ramp = (np.arange(length) + 0.5) / max(length, 1)
    values = sound.astype(np.float64)
    values[:length] *= ramp
    values[len(values) - length :] *= ramp[::-1]
    return values
