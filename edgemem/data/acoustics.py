"""Rooms, microphones and noise, made from random numbers; samples are float64 in +-1."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgemem.errors import MissingExtraError

try:
    from scipy import signal
except ImportError as missing:
    raise MissingExtraError("making spoken keywords", "scipy", "synth") from missing

Sound = npt.NDArray[np.float64]

# Slope of the spectrum of a coloured noise: power falls as 1/f^slope.
COLOURS = {"white": 0.0, "pink": 1.0, "brown": 2.0}
_LOWEST = 20.0  # Hz; below it coloured noise falls off, or its drift would be all there is


def resample(samples: npt.NDArray[np.int16], rate: int, wanted: int) -> Sound:
    """Samples at another rate, scaled to +-1 (polyphase filter)."""
    step = int(np.gcd(rate, wanted))
    scaled = samples.astype(np.float64) / 32768.0
    made: Sound = signal.resample_poly(scaled, wanted // step, rate // step)
    return made


def level(sound: Sound) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(sound**2)))


def coloured_noise(rng: np.random.Generator, n_samples: int, rate: int, slope: float) -> Sound:
    """Noise of root mean square 1 whose power falls as ``1 / f^slope`` above 20 Hz."""
    spectrum = np.fft.rfft(rng.standard_normal(n_samples))
    frequency = np.fft.rfftfreq(n_samples, 1.0 / rate)
    shape = np.maximum(frequency, _LOWEST) ** (-slope / 2.0)
    shape[frequency < _LOWEST] = 0.0
    noise: Sound = np.fft.irfft(spectrum * shape, n_samples)
    return noise / level(noise)


def hum(rng: np.random.Generator, n_samples: int, rate: int) -> Sound:
    """Mains hum at 50 Hz with overtones and a little hiss, of root mean square 1."""
    time = np.arange(n_samples) / rate
    sound = 0.1 * rng.standard_normal(n_samples)
    for harmonic in range(1, 13):
        phase = rng.uniform(0.0, 2.0 * np.pi)
        sound += np.sin(2.0 * np.pi * 50.0 * harmonic * time + phase) / harmonic
    return sound / level(sound)


def fan(rng: np.random.Generator, n_samples: int, rate: int) -> Sound:
    """Pink noise that swells and fades as a fan's does, of root mean square 1."""
    time = np.arange(n_samples) / rate
    swell = 1.0 + 0.4 * np.sin(2.0 * np.pi * rng.uniform(3.0, 9.0) * time)
    sound: Sound = swell * coloured_noise(rng, n_samples, rate, 1.0)
    return sound / level(sound)


def clatter(rng: np.random.Generator, n_samples: int, rate: int) -> Sound:
    """Knocks and ringing dishes over faint pink noise, of root mean square 1."""
    sound = 0.05 * coloured_noise(rng, n_samples, rate, 1.0)
    length = rate // 4
    time = np.arange(length) / rate
    for _ in range(3 * n_samples // rate):
        start = int(rng.integers(0, n_samples - length))
        tone = np.sin(2.0 * np.pi * rng.uniform(300.0, 6000.0) * time)
        decay = np.exp(-time / rng.uniform(0.005, 0.06))
        sound[start : start + length] += rng.uniform(0.2, 1.0) * tone * decay
    return sound / level(sound)


def room(rng: np.random.Generator, rate: int) -> Sound:
    """Impulse response of a small room: the direct sound, then noise that dies away.

    The reverberation time (to -60 dB) is 0.1..0.4 s, the energy of the reverberation 3..20 dB
    below that of the direct sound.
    """
    reverberation = rng.uniform(0.1, 0.4)
    below = rng.uniform(3.0, 20.0)
    n_samples = int(reverberation * rate)
    time = np.arange(n_samples) / rate
    tail = rng.standard_normal(n_samples) * 10.0 ** (-3.0 * time / reverberation)
    tail[: int(0.002 * rate)] = 0.0
    tail *= 10.0 ** (-below / 20.0) / np.sqrt(np.sum(tail**2))
    tail[0] = 1.0
    return tail


def microphone(rng: np.random.Generator, sound: Sound, rate: int) -> Sound:
    """Sound through a cheap microphone: rumble cut off, treble raised or lowered a little."""
    rumble = signal.butter(1, rng.uniform(60.0, 200.0), "highpass", fs=rate)
    tilt = rng.uniform(-0.4, 0.4)
    # y_n = x_n - tilt x_{n-1}: a tilt of the spectrum, treble up where tilt > 0.
    tilted: Sound = signal.lfilter([1.0, -tilt], [1.0], signal.lfilter(*rumble, sound))
    return tilted


def in_room(rng: np.random.Generator, sound: Sound, rate: int) -> Sound:
    """Sound as a microphone in a small room hears it, of the same length."""
    heard = signal.fftconvolve(sound, room(rng, rate))[: len(sound)]
    return microphone(rng, heard, rate)


def to_int16(sound: Sound) -> npt.NDArray[np.int16]:
    """16-bit samples; louder sound is limited."""
    limited: Sound = np.clip(np.rint(sound * 32767.0), -32768, 32767)
    return limited.astype(np.int16)
