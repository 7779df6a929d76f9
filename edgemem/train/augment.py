"""Variation of training clips: on log-mel features, where sounds mix by adding powers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgemem.frontend import FrontEnd

Frames = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Augmentation:
    """How far clips are varied; every amount is drawn anew for every clip and epoch.

    Parameters
    ----------
    shift : float
        Largest shift in time, in seconds.
    stretch : float
        Largest relative change of speed.
    level : tuple of float
        Range of the change of level, in dB.
    noise : float
        Share of the clips that background noise is mixed into.
    snr : tuple of float
        Range of the signal-to-noise ratio of the mix, in dB.
    floor : float
        Share of the clips that get a steady, coloured noise floor.
    floor_snr : tuple of float
        Range of the ratio of signal to floor, in dB.
    silence_level : tuple of float
        Range of the change of level of background noise that stands for silence, in dB.
    time_masks, band_masks : int
        Number of masked stretches of time and of bands (SpecAugment, Park et al. 2019).
    time_mask, band_mask : int
        Largest length of each, in frames and bands.
    """

    shift: float = 0.15
    stretch: float = 0.1
    level: tuple[float, float] = (-10.0, 6.0)
    noise: float = 0.4
    snr: tuple[float, float] = (0.0, 30.0)
    floor: float = 0.25
    floor_snr: tuple[float, float] = (10.0, 40.0)
    silence_level: tuple[float, float] = (-30.0, 10.0)
    time_masks: int = 2
    time_mask: int = 8
    band_masks: int = 2
    band_mask: int = 4


class Augmenter:
    """Applies an :class:`Augmentation` to batches of unstacked frames.

    Parameters
    ----------
    config : Augmentation
    frontend : FrontEnd
        Of the frames. Levels and noise apply to log-mel features alone; cepstra are shifted,
        stretched and masked.
    background : (k, n_frames, n_bands) array
        Noise clips; may be empty.
    """

    def __init__(
        self, config: Augmentation, frontend: FrontEnd, background: npt.NDArray[Any]
    ) -> None:
        self.config = config
        self.frontend = frontend
        self.background = background

    def speech(self, frames: Frames, rng: np.random.Generator) -> Frames:
        """Varied copies of clips, shape (n, n_frames, n_bands)."""
        c = self.config
        varied = self._move(frames, rng)
        if self.frontend.kind == "logmel":
            power = self._power(varied)
            power *= _decibels(rng.uniform(*c.level, len(frames)))
            loudness = power.mean(axis=(1, 2), keepdims=True)
            noisy = rng.random(len(frames)) < (c.noise if len(self.background) else 0.0)
            if noisy.any():
                noise = self._power(self._noise(int(noisy.sum()), rng))
                noise /= noise.mean(axis=(1, 2), keepdims=True) + 1e-20
                snr = _decibels(-rng.uniform(*c.snr, len(noise)))
                power[noisy] += noise * loudness[noisy] * snr
            power += self._floor(power.shape, rng) * loudness
            varied = self._features(power)
        return self._mask(varied, rng)

    def silence(self, n: int, rng: np.random.Generator) -> Frames:
        """Clips of background noise alone, shape (n, n_frames, n_bands)."""
        noise = self._noise(n, rng)
        if self.frontend.kind != "logmel":
            return noise
        power = self._power(noise) * _decibels(rng.uniform(*self.config.silence_level, n))
        loudness = power.mean(axis=(1, 2), keepdims=True)
        return self._features(power + self._floor(power.shape, rng) * loudness)

    def _move(self, frames: Frames, rng: np.random.Generator) -> Frames:
        """Stretch around the middle, shift, and repeat the edge where the clip ends."""
        n, steps, _ = frames.shape
        c = self.config
        reach = c.shift * self.frontend.sample_rate / self.frontend.hop_length
        shift = rng.uniform(-reach, reach, (n, 1))
        speed = 1.0 + rng.uniform(-c.stretch, c.stretch, (n, 1))
        middle = (steps - 1) / 2.0
        source = (np.arange(steps) - middle) * speed + middle + shift
        index = np.clip(np.rint(source), 0, steps - 1).astype(np.intp)
        return np.take_along_axis(frames, index[:, :, None], axis=1)

    def _noise(self, n: int, rng: np.random.Generator) -> Frames:
        chosen = self.background[rng.integers(0, len(self.background), n)].astype(np.float32)
        steps = chosen.shape[1]
        turned = (np.arange(steps) + rng.integers(0, steps, (n, 1))) % steps
        return np.take_along_axis(chosen, turned[:, :, None], axis=1)

    def _floor(self, shape: tuple[int, ...], rng: np.random.Generator) -> Frames:
        """Power of a steady noise with a random spectral tilt, relative to the clip's own."""
        n, steps, bands = shape
        c = self.config
        power = np.zeros(shape, np.float32)
        present = np.flatnonzero(rng.random(n) < c.floor)
        count = len(present)
        tilt = rng.uniform(-15.0, 15.0, (count, 1, 1)) * np.linspace(-0.5, 0.5, bands)
        level = _exp10(tilt - rng.uniform(*c.floor_snr, (count, 1, 1)))
        # a frame's band power is a mean over a few FFT bins of exponential variates
        draws = rng.random((3, count, steps, bands), dtype=np.float32)
        power[present] = -np.log(draws.prod(axis=0) + np.float32(1e-12)) / np.float32(3.0) * level
        return power

    def _mask(self, frames: Frames, rng: np.random.Generator) -> Frames:
        n, steps, bands = frames.shape
        c = self.config
        hidden = np.zeros((n, steps, bands), bool)
        for count, longest, size, axis in (
            (c.time_masks, c.time_mask, steps, 1),
            (c.band_masks, c.band_mask, bands, 2),
        ):
            for _ in range(count):
                length = rng.integers(0, longest + 1, n)
                start = rng.integers(0, size, n)
                place = np.arange(size)
                inside = (place >= start[:, None]) & (place < (start + length)[:, None])
                hidden |= np.expand_dims(inside, 3 - axis)
        return np.where(hidden, frames.mean(axis=(1, 2), keepdims=True), frames)

    def _power(self, features: Frames) -> Frames:
        return _exp10((features - self.frontend.offset) / self.frontend.gain)

    def _features(self, power: Frames) -> Frames:
        decibels = np.float32(10.0 / np.log(10.0)) * np.log(power + np.float32(1e-20))
        features: Frames = decibels * np.float32(self.frontend.gain)
        features += np.float32(self.frontend.offset)
        low, high = self.frontend.low, self.frontend.high
        if low is not None or high is not None:
            np.clip(features, low, high, out=features)
        return features


def _exp10(decibels: npt.NDArray[Any]) -> Frames:
    power: Frames = np.exp(np.asarray(decibels, np.float32) * np.float32(np.log(10.0) / 10.0))
    return power


def _decibels(level: npt.NDArray[Any]) -> Frames:
    """Factors on power, shape (n, 1, 1)."""
    return _exp10(level)[:, None, None]
