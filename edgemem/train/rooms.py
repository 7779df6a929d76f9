"""Late reverberation of power spectra: what a room adds to frames that follow one another."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Powers = npt.NDArray[np.float32]


def reverberate(
    power: Powers, t60: npt.NDArray[Any], direct: npt.NDArray[Any], period: float
) -> Powers:
    """Frames with the late reverberation of a room on top.

    Past a few milliseconds the echoes of a room are dense and their phases random, so that their
    powers add; the energy of its impulse response falls exponentially (Polack 1988). Along frames
    that is ``P' = P + 10^(-D/10) R`` with ``R_t = rho R_(t-1) + (1 - rho) P_t`` and ``rho`` the
    decay over one frame; before the first frame the room has heard that frame for ever.

    Parameters
    ----------
    power : (n, n_frames, n_bands) float32 array
    t60 : (n, n_bands) array
        Time in which the energy falls by 60 dB, in seconds.
    direct : (n,) array
        Ratio of direct to reverberant energy D, in dB.
    period : float
        Time from one frame to the next, in seconds.
    """
    rho = (10.0 ** (-6.0 * period / t60)).astype(np.float32)
    share = (10.0 ** (-direct / 10.0)).astype(np.float32)[:, None]
    fresh = share * (1.0 - rho)
    heard = np.empty_like(power)
    late = share * power[:, 0]
    for step in range(power.shape[1]):
        late *= rho
        late += fresh * power[:, step]
        np.add(power[:, step], late, out=heard[:, step])
    return heard
