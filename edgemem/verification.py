"""The golden vectors of a converted file, replayed wherever the file is."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemem import target
from edgemem.artefact import Artefact
from edgemem.errors import ToleranceError
from edgemem.target import Features, Runner


@dataclass(frozen=True)
class Verification:
    """How far a file's outputs are here from those where it was converted.

    Parameters
    ----------
    target : str
    distance : float
        RMS difference from the golden outputs over their RMS.
    allowed : float
        The greatest distance that the file allows.
    clips, steps : int
        Number of golden clips, and of steps in all of them.
    step_microseconds : float
        Mean time of a step, input in and output out.
    """

    target: str
    distance: float
    allowed: float
    clips: int
    steps: int
    step_microseconds: float

    def to_dict(self) -> dict[str, Any]:
        """The fields, as JSON values."""
        return asdict(self)


def verify(opened: Artefact, reference_kernels: bool = False) -> Verification:
    """Replay the golden vectors of a file on this machine.

    Raises
    ------
    ToleranceError
        If the outputs are further from the golden ones than the file allows.
    """
    golden = opened.golden
    y, step_time = replay(target.load(opened, reference_kernels), golden.x)
    found = Verification(
        target=opened.target,
        distance=distance(y, golden.y),
        allowed=float(opened.manifest.get("tolerance", {}).get("replay", 0.0)),
        clips=len(golden.x),
        steps=int(golden.x.shape[0] * golden.x.shape[1]),
        step_microseconds=step_time,
    )
    # also true of NaN
    if not found.distance <= found.allowed:
        raise ToleranceError(
            f"{opened.origin}: the golden vectors come back with a distance of "
            f"{found.distance:.2g}, allowed is {found.allowed:.2g}; this interpreter computes "
            "otherwise than the one where the file was made: try another version of it"
        )
    return found


def distance(y: NDArray[Any], expected: NDArray[Any]) -> float:
    """RMS of ``y - expected`` over RMS of ``expected``."""
    error = np.asarray(y, np.float64) - expected
    scale = np.sqrt(np.mean(np.square(expected, dtype=np.float64)))
    return float(np.sqrt(np.mean(error**2)) / max(scale, 1e-12))


def replay(runner: Runner, x: Features) -> tuple[Features, float]:
    """Outputs of a runner over clips, its state reset before each.

    Parameters
    ----------
    runner : Runner
    x : (n, t, n_in) float32 array

    Returns
    -------
    y : (n, t, n_out) float32 array
    step_microseconds : float
        Mean time of a step.
    """
    y = np.empty((*x.shape[:2], runner.n_out), np.float32)
    start = perf_counter()
    for clip, outputs in zip(x, y):
        runner.reset()
        for t, frame in enumerate(clip):
            outputs[t] = runner.step(frame)
    taken = perf_counter() - start
    return y, 1e6 * taken / max(1, x.shape[0] * x.shape[1])
