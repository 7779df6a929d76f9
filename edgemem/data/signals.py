"""Band-limited noise, and what it was some steps ago."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgemem.errors import ConfigError

Values = npt.NDArray[np.float64]

RMS = 0.5
"""Of Nengo's ``WhiteSignal``, before a signal is scaled to its largest value."""

_LARGEST_SEED = np.iinfo(np.int32).max


def white_signals(n: int, n_steps: int, dt: float, high: float, seed: int) -> Values:
    """Noise of equal power below a cut-off and none above, as Nengo's ``WhiteSignal`` draws it.

    A signal is periodic over its length and begins where it is nearest to zero.

    Parameters
    ----------
    n : int
    n_steps : int
        Steps of each signal.
    dt : float
        Length of a step, in seconds.
    high : float
        Cut-off, in hertz.
    seed : int

    Returns
    -------
    (n, n_steps) array
        Each signal scaled so that its largest absolute value is 1.

    Raises
    ------
    ConfigError
        If the cut-off is above half of the sampling rate, or no period fits into a signal.
    """
    if high > 0.5 / dt:
        raise ConfigError(f"a cut-off of {high:g} Hz is above half of {1 / dt:g} steps a second")
    if high * n_steps * dt < 1:
        raise ConfigError(f"{n_steps * dt:g} s hold no period of {high:g} Hz")
    rng = np.random.RandomState(seed)
    found = np.empty((n, n_steps))
    for place in range(n):
        own = np.random.RandomState(rng.randint(_LARGEST_SEED))
        signal = _white(own, n_steps, dt, high)
        found[place] = signal / np.abs(signal).max()
    return found


def _white(rng: np.random.RandomState, n_steps: int, dt: float, high: float) -> Values:
    n_frequencies = int(np.ceil(n_steps * dt / dt / 2.0))
    sigma = RMS * np.sqrt(0.5)
    spectrum = 1j * rng.normal(0.0, sigma, n_frequencies + 1)
    spectrum += rng.normal(0.0, sigma, n_frequencies + 1)
    spectrum[0] = 0.0
    spectrum[-1] = spectrum[-1].real
    spectrum[np.fft.rfftfreq(2 * n_frequencies, d=dt) > high] = 0.0
    signal = np.fft.irfft(spectrum)
    begins = int(np.argmin(np.abs(signal)))
    return np.asarray(np.roll(signal, -begins)[:n_steps], np.float64)


def delayed(x: npt.NDArray[np.float32], delays: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """What signals were some steps ago, where the longest delay has passed, else NaN.

    Parameters
    ----------
    x : (n, n_steps) array
    delays : (n_delays,) int64 array
        In steps.

    Returns
    -------
    (n, n_steps, n_delays) array
    """
    longest, n_steps = int(delays.max()), x.shape[1]
    y = np.full((*x.shape, len(delays)), np.nan, np.float32)
    for place, delay in enumerate(delays):
        y[:, longest:, place] = x[:, longest - delay : n_steps - delay]
    return y
