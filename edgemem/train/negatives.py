"""Sounds that are no word of a list though they hold parts of its words."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgemem.frontend import FrontEnd
from edgemem.frontend.powers import band_powers

Frames = npt.NDArray[np.float32]
Places = npt.NDArray[np.intp]

SPLICED = 0.5
"""Share of spliced words; the others are words that have just begun."""


def negatives(
    first: Frames, second: Frames, frontend: FrontEnd, rng: np.random.Generator
) -> Frames:
    """Parts of words, shape (n, n_frames, n_bands).

    Half of them begin as ``first`` and end as ``second``, each cut where between 35 and 65 % of its
    sound is over. The others are the first 15 to 40 % of the sound of ``first``, at the end of the
    clip: a word that is being said.

    Parameters
    ----------
    first, second : (n, n_frames, n_bands) array
        Clips of different words.
    frontend : FrontEnd
        Of the clips. The sound of log-mel features is their power, that of cepstra is how far
        their first coefficient lies above its least.
    rng : numpy.random.Generator
    """
    n, steps, _ = first.shape
    spliced = rng.random((n,)) < SPLICED
    share = np.where(spliced, rng.uniform(0.35, 0.65, (2, n)), rng.uniform(0.15, 0.4, (2, n)))
    cut, on = (passed(loudness(f, frontend), s) for f, s in zip((first, second), share))
    step = np.arange(steps)
    late = (step >= cut[:, None]) & spliced[:, None]
    begun = np.where(spliced, 0, steps - cut)[:, None]
    before = np.clip(step - begun, 0, steps - 1)
    after = np.clip(step + (on - cut)[:, None], 0, steps - 1)
    parts: Frames = np.where(late[:, :, None], _at(second, after), _at(first, before))
    return parts


def loudness(frames: Frames, frontend: FrontEnd) -> Frames:
    """How loud each frame is, shape (n, n_frames)."""
    if frontend.kind != "logmel":
        return np.asarray(frames[:, :, 0] - frames[:, :, 0].min(axis=1, keepdims=True))
    loud: Frames = band_powers(frames, frontend).mean(axis=2)
    return loud


def passed(power: Frames, share: npt.NDArray[np.float64]) -> Places:
    """Frames at which ``share`` of each clip's sound above its floor is over.

    Parameters
    ----------
    power : (n, n_frames) array
    share : (n,) array
        Between 0 and 1.
    """
    sound = np.maximum(power - np.quantile(power, 0.2, axis=1, keepdims=True), 0.0)
    total = np.cumsum(sound, axis=1, dtype=np.float64)
    found: Places = (total < share[:, None] * total[:, -1:]).sum(axis=1)
    return found


def _at(frames: Frames, index: Places) -> Frames:
    return np.take_along_axis(frames, index[:, :, None], axis=1)
