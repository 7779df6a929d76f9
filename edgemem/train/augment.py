"""Variation of training clips: on log-mel features, where sounds mix by adding powers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgemem.frontend import FrontEnd
from edgemem.frontend.powers import band_features, band_powers, from_decibels
from edgemem.train.noises import Textures, babble, colours, made, rolled
from edgemem.train.rooms import reverberate

Frames = npt.NDArray[np.float32]

WAVES = 2.0
"""Largest height of the waves on the response of a microphone, in dB."""


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
    made : float
        Share of noise that is made in place of recorded, in mixes and in silence.
    babble : float
        Share of the mixes whose noise is babble, out of the clips of the same batch.
    reverberation : float
        Share of the clips that are heard in a room.
    t60 : tuple of float
        Range of the reverberation time in the middle band, in seconds.
    direct : tuple of float
        Range of the ratio of direct to reverberant energy, in dB.
    microphone : tuple of float
        Range of the slope of a microphone's response from the lowest to the highest band, in dB;
        two waves of up to 2 dB lie on it.
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
    made: float = 0.0
    babble: float = 0.0
    reverberation: float = 0.0
    t60: tuple[float, float] = (0.1, 0.6)
    direct: tuple[float, float] = (0.0, 15.0)
    microphone: tuple[float, float] = (0.0, 0.0)
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
        Noise clips, as long as the clips that are varied; may be none.
    """

    def __init__(
        self, config: Augmentation, frontend: FrontEnd, background: npt.NDArray[Any]
    ) -> None:
        self.config = config
        self.frontend = frontend
        self.background = background
        self.textures = Textures.of_size(*background.shape[1:])

    def speech(self, frames: Frames, rng: np.random.Generator) -> Frames:
        """Varied copies of clips, shape (n, n_frames, n_bands)."""
        varied = self._move(frames, rng)
        if self.frontend.kind == "logmel" and len(frames):
            varied = band_features(
                self._heard(band_powers(varied, self.frontend), rng), self.frontend
            )
        return self._mask(varied, rng)

    def silence(self, n: int, rng: np.random.Generator) -> Frames:
        """Clips of background noise alone, shape (n, n_frames, n_bands)."""
        if self.frontend.kind != "logmel":
            return rolled(self.background, rng.integers(0, len(self.background), n), rng)
        power = self._noise(n, rng)
        power *= from_decibels(rng.uniform(*self.config.silence_level, (n, 1, 1)))
        loudness = power.mean(axis=(1, 2), keepdims=True)
        return band_features(power + self._floor(power.shape, rng) * loudness, self.frontend)

    def _heard(self, power: Frames, rng: np.random.Generator) -> Frames:
        """Powers as a microphone hears them: in a room, with noise, near or far."""
        c = self.config
        n, _, bands = power.shape
        power *= from_decibels(rng.uniform(*c.level, (n, 1, 1)))
        inside = np.flatnonzero(rng.random(n) < c.reverberation)
        if len(inside):
            power[inside] = self._in_rooms(power[inside], rng)
        loudness = power.mean(axis=(1, 2), keepdims=True)
        noisy = rng.random((n,)) < (c.noise if len(self.background) or c.made or c.babble else 0.0)
        if noisy.any():
            noise = self._mix(int(noisy.sum()), power, rng)
            noise /= noise.mean(axis=(1, 2), keepdims=True) + 1e-20
            noise *= from_decibels(-rng.uniform(*c.snr, (len(noise), 1, 1)))
            power[noisy] += noise * loudness[noisy]
        power += self._floor(power.shape, rng) * loudness
        if any(c.microphone):
            power *= from_decibels(colours(n, bands, c.microphone, WAVES, rng))[:, None, :]
        return power

    def _in_rooms(self, power: Frames, rng: np.random.Generator) -> Frames:
        n, _, bands = power.shape
        c = self.config
        # air and furniture swallow high sounds sooner than low ones
        slope = rng.uniform(0.0, 0.6, (n, 1)) * np.linspace(0.5, -0.5, bands)
        t60 = rng.uniform(*c.t60, (n, 1)) * (1.0 + slope)
        return reverberate(power, t60, rng.uniform(*c.direct, (n,)), self.frontend.frame_period)

    def _mix(self, n: int, speech: Frames, rng: np.random.Generator) -> Frames:
        """Powers of noise to mix into speech: babble, or what there is in silence."""
        talking = np.flatnonzero(rng.random(n) < self.config.babble)
        noise = self._noise(n, rng)
        if len(talking):
            noise[talking] = babble(speech, len(talking), rng)
        return noise

    def _noise(self, n: int, rng: np.random.Generator) -> Frames:
        """Powers of recorded and of made noise, shape (n, n_frames, n_bands)."""
        made_up = rng.random(n) < (self.config.made if len(self.background) else 1.0)
        recorded = np.flatnonzero(~made_up)
        noise = np.empty((n, *self.background.shape[1:]), np.float32)
        chosen = rng.integers(0, len(self.background) or 1, len(recorded))
        noise[recorded] = band_powers(rolled(self.background, chosen, rng), self.frontend)
        if made_up.any():
            period = self.frontend.frame_period
            noise[made_up] = made(int(made_up.sum()), self.textures, period, rng)
        return noise

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

    def _floor(self, shape: tuple[int, ...], rng: np.random.Generator) -> Frames:
        """Power of a steady noise with a random spectral tilt, relative to the clip's own."""
        n, _, bands = shape
        c = self.config
        power = np.zeros(shape, np.float32)
        present = np.flatnonzero(rng.random(n) < c.floor)
        count = len(present)
        if not count:
            return power
        tilt = rng.uniform(-15.0, 15.0, (count, 1, 1)) * np.linspace(-0.5, 0.5, bands)
        level = from_decibels(tilt - rng.uniform(*c.floor_snr, (count, 1, 1)))
        power[present] = self.textures.take(count, rng) * level
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
                length = rng.integers(0, longest + 1, (n,))
                start = rng.integers(0, size, (n,))
                place = np.arange(size)
                inside = (place >= start[:, None]) & (place < (start + length)[:, None])
                hidden |= np.expand_dims(inside, 3 - axis)
        return np.where(hidden, frames.mean(axis=(1, 2), keepdims=True), frames)
