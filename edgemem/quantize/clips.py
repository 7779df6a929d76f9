"""Calibration sequences out of a folder of recordings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgemem.errors import AudioError, DataError
from edgemem.runtime.soundfiles import ENDINGS
from edgemem.runtime.sources import read_clip

if TYPE_CHECKING:
    from edgemem.frontend import FrontEnd

CLIPS = 128
"""So many recordings, spread evenly over the sorted list of all."""

STEPS = 100
"""Greatest length of a sequence."""

SILENCE = 64
"""Recordings that all swing by no more than this from peak to peak, of 65,536, hold nothing to
measure ranges on: 60 dB below full scale."""


def sequences(root: Path, frontend: FrontEnd) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Features of the recordings under ``root``, streamed one after the other and cut evenly.

    Parameters
    ----------
    root : Path
        Any folder of sound files, or one such file.
    frontend : FrontEnd

    Returns
    -------
    features : (n, t, n_features) float32 array
    skipped : tuple of str
        For each recording that could not be used, what is wrong with it.

    Raises
    ------
    DataError
        If there is no recording that can be used, or all of them are silent.
    """
    paths = [root] if root.is_file() else sorted(root.rglob("*"))
    paths = [path for path in paths if path.suffix.lower() in ENDINGS]
    chosen = paths[:: max(1, len(paths) // CLIPS)][:CLIPS]
    stream = frontend.stream()
    parts, skipped, swing = [], [], 0
    for path in chosen:
        try:
            samples = read_clip(path, frontend.sample_rate)
        except AudioError as error:
            skipped.append(str(error))
            continue
        parts.append(stream.push(samples))
        swing = max(swing, int(samples.max()) - int(samples.min()))
    frames = np.concatenate(parts) if parts else np.zeros((0, frontend.n_features), np.float32)
    if not len(frames):
        raise DataError(
            f"{root}: no recording to calibrate on; "
            + (
                skipped[0]
                if skipped
                else f"expected wav or FLAC files of {frontend.sample_rate} Hz"
            )
        )
    if swing <= SILENCE:
        raise DataError(
            f"{root}: its recordings never leave silence: none swings by more than {swing} of "
            "65,536 steps; calibrate on recordings in which something is heard"
        )
    steps = min(len(frames), STEPS)
    n = len(frames) // steps
    cut = np.ascontiguousarray(frames[: n * steps].reshape(n, steps, -1), np.float32)
    return cut, tuple(skipped)
