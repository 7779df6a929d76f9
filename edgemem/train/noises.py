"""Noise that is made: powers of frames with drawn colours, rhythms and tones."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from edgemem.frontend.powers import from_decibels

Powers = npt.NDArray[np.float32]

TEXTURES = 192
"""Clips of noise texture in the table: drawing one anew for each clip takes too long."""

DEGREES = 3
"""A frame's band power is about a mean over this many FFT bins of exponential variates."""


@dataclass(frozen=True, eq=False)
class Textures:
    """The grain of steady noise of mean power 1.

    Parameters
    ----------
    bank : (n, n_frames, n_bands) float32 array
    """

    bank: Powers

    @classmethod
    @lru_cache(maxsize=4)
    def of_size(cls, n_frames: int, n_bands: int) -> Textures:
        """Textures of clips of that size, always the same."""
        rng = np.random.default_rng(0)
        draws = rng.random((DEGREES, TEXTURES, n_frames, n_bands), dtype=np.float32)
        bank = -np.log(draws.prod(axis=0) + np.float32(1e-12)) / np.float32(DEGREES)
        return cls(bank.astype(np.float32))

    def take(self, n: int, rng: np.random.Generator) -> Powers:
        """A copy of ``n`` of them, each from a place of its own on."""
        return rolled(self.bank, rng.integers(0, len(self.bank), n), rng)


def rolled(
    clips: npt.NDArray[np.generic], chosen: npt.NDArray[np.int64], rng: np.random.Generator
) -> Powers:
    """Clips ``chosen`` as float32, each turned in time by a drawn number of frames."""
    steps = clips.shape[1]
    turned = (np.arange(steps) + rng.integers(0, steps, (len(chosen), 1))) % steps
    found: Powers = clips[chosen[:, None], turned].astype(np.float32, copy=False)
    return found


def colours(
    n: int, n_bands: int, tilt: tuple[float, float], depth: float, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Smooth random spectra in dB, shape (n, n_bands).

    Parameters
    ----------
    n, n_bands : int
    tilt : (float, float)
        Range of the slope from the lowest to the highest band, in dB.
    depth : float
        Largest amplitude of each of two waves along the bands, in dB.
    """
    place = np.linspace(0.0, 1.0, n_bands, dtype=np.float32)
    slope = rng.uniform(*tilt, (n, 1)).astype(np.float32)
    spectrum: npt.NDArray[np.float32] = slope * (place - np.float32(0.5))
    for waves in (1.0, 2.5):
        height = rng.uniform(0.0, depth, (n, 1)).astype(np.float32)
        phase = rng.uniform(0.0, 2.0 * np.pi, (n, 1)).astype(np.float32)
        spectrum += height * np.sin(np.float32(2.0 * np.pi * waves) * place + phase)
    return spectrum


def made(n: int, textures: Textures, period: float, rng: np.random.Generator) -> Powers:
    """Noise of mean power about 1, shape (n, n_frames, n_bands).

    Each clip has a colour of its own and one of four courses in time, drawn alike: steady,
    swelling at 0.5 to 8 Hz, with decaying bangs, or with a hum of one to three tones.

    Parameters
    ----------
    n : int
    textures : Textures
    period : float
        Time from one frame to the next, in seconds.
    rng : numpy.random.Generator
    """
    power = textures.take(n, rng)
    _, steps, bands = power.shape
    power *= from_decibels(colours(n, bands, (-35.0, 15.0), 6.0, rng))[:, None, :]
    course = rng.integers(0, 4, n)
    swelling, banging, humming = (np.flatnonzero(course == kind) for kind in (1, 2, 3))
    power[swelling] *= _swells(len(swelling), steps, period, rng)[:, :, None]
    power[banging] *= _bangs(len(banging), steps, period, rng)[:, :, None]
    power[humming] += _hum(len(humming), bands, rng)[:, None, :]
    power /= power.mean(axis=(1, 2), keepdims=True) + np.float32(1e-20)
    return power


def _swells(n: int, steps: int, period: float, rng: np.random.Generator) -> Powers:
    """Courses in time of slow amplitude modulation, shape (n, n_frames)."""
    rate = rng.uniform(0.5, 8.0, (n, 1))
    phase = rng.uniform(0.0, 1.0, (n, 1))
    depth = rng.uniform(3.0, 15.0, (n, 1))
    wave = np.sin(2.0 * np.pi * (np.arange(steps) * period * rate + phase))
    return from_decibels(depth * wave)


def _bangs(n: int, steps: int, period: float, rng: np.random.Generator) -> Powers:
    """Courses in time of a quiet noise with up to four bangs, shape (n, n_frames)."""
    course = np.ones((n, steps), np.float32)
    time = np.arange(steps) * period
    for _ in range(4):
        start = rng.uniform(-0.5, 1.0, (n, 1)) * steps * period
        decay = rng.uniform(0.05, 0.4, (n, 1))
        height = rng.uniform(10.0, 35.0, (n, 1))
        since = time - start
        level = np.where(since >= 0.0, height - 60.0 * since / decay, -100.0)
        course += from_decibels(level)
    return course


def _hum(n: int, bands: int, rng: np.random.Generator) -> Powers:
    """Powers of one to three steady tones, shape (n, n_bands)."""
    power = np.zeros((n, bands), np.float32)
    count = rng.integers(1, 4, n)
    for tone in range(3):
        band = rng.integers(0, bands, n)
        level = from_decibels(rng.uniform(5.0, 25.0, n))
        power[np.arange(n), band] += np.where(tone < count, level, np.float32(0.0))
    return power


def babble(power: Powers, n: int, rng: np.random.Generator) -> Powers:
    """Sums of three to six talkers of drawn loudness out of ``power``, shape (n, ...)."""
    loudness = power.mean(axis=(1, 2), keepdims=True) + np.float32(1e-20)
    count = rng.integers(3, 7, n)
    total = np.zeros((n, *power.shape[1:]), np.float32)
    for talker in range(6):
        speaking = np.flatnonzero(talker < count)
        chosen = rng.integers(0, len(power), len(speaking))
        level = from_decibels(rng.uniform(-6.0, 0.0, len(speaking)))[:, None, None]
        total[speaking] += rolled(power, chosen, rng) * (level / loudness[chosen])
    return total
