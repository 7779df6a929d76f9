"""The golden vectors of a converted file, replayed wherever the file is."""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemem import target
from edgemem.artefact import Artefact
from edgemem.errors import ArtefactError, ToleranceError
from edgemem.target import Features, Inspectable, Runner

INTEGERS = "integers"
"""The manifest's word for golden outputs that are those of the integer semantics."""


@dataclass(frozen=True)
class Verification:
    """How far a file's outputs are here from its golden ones.

    Parameters
    ----------
    target : str
    engine : str
        What computed the steps here, with its version.
    processor : str
        Its machine, as ``uname -m`` calls it.
    distance : float
        RMS difference from the golden outputs over their RMS.
    allowed : float
        The greatest distance that the file allows.
    equal : float
        Share of steps whose outputs are all the same numbers: the same integers, where they are.
    decisions : float
        Share of steps whose greatest output is the same one.
    last_places : float or None
        Greatest difference in steps of the output's integers; None where it has none.
    clips, steps : int
        Number of golden clips, and of steps in all of them.
    step_microseconds : float
        Mean time of a step, input in and output out.
    """

    target: str
    engine: str
    processor: str
    distance: float
    allowed: float
    equal: float
    decisions: float
    last_places: float | None
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
    ArtefactError
        If the golden vectors are of another network.
    ToleranceError
        If the outputs are further from the golden ones than the file allows; with integers that
        are the same everywhere (a target that says so, or any with reference kernels), if one
        differs at all.
    """
    golden = opened.golden
    runner = target.load(opened, reference_kernels)
    ends = golden.x.shape[2], golden.y.shape[2]
    if ends != (runner.n_in, runner.n_out) or not golden.x.size:
        raise ArtefactError(
            f"{opened.origin}: golden vectors of {ends[0]} inputs and {ends[1]} outputs, and a "
            f"network of {runner.n_in} and {runner.n_out}; convert the model again"
        )
    y, step_time = replay(runner, golden.x)
    scale = scale_of(runner)
    found = Verification(
        target=opened.target,
        engine=engine_of(runner),
        processor=platform.machine(),
        distance=distance(y, golden.y),
        allowed=float(opened.manifest.get("tolerance", {}).get("replay", 0.0)),
        equal=float(np.mean(equal_steps(y, golden.y, scale))),
        decisions=float(np.mean(y.argmax(axis=-1) == golden.y.argmax(axis=-1))),
        last_places=None if scale is None else last_places(y, golden.y, scale),
        clips=len(golden.x),
        steps=int(golden.x.shape[0] * golden.x.shape[1]),
        step_microseconds=step_time,
    )
    exact = reference_kernels and opened.manifest.get("golden") == INTEGERS
    _check(found, opened.origin, exact or found.allowed == 0.0)
    return found


def _check(found: Verification, origin: str, exact: bool) -> None:
    # also true of NaN
    if not found.distance <= found.allowed:
        raise ToleranceError(
            f"{origin}: the golden vectors come back with a distance of "
            f"{found.distance:.2g}, allowed is {found.allowed:.2g}; {found.engine} computes "
            "otherwise than what made the file: try another version of it"
        )
    if exact and found.equal < 1.0:
        raise ToleranceError(
            f"{origin}: only {found.equal:.2%} of the steps come back as the golden vectors have "
            f"them, and integers must be the same everywhere; {found.engine} on "
            f"{found.processor} rounds otherwise: try another version of it"
        )


def engine_of(runner: Runner) -> str:
    """What computes the steps of ``runner``, as far as it says so."""
    return runner.engine if isinstance(runner, Inspectable) else type(runner).__name__


def scale_of(runner: Runner) -> float | None:
    """Size of one step of the outputs of ``runner``, if it says that they are integers."""
    return runner.output_scale if isinstance(runner, Inspectable) else None


def equal_steps(y: NDArray[Any], expected: NDArray[Any], scale: float | None) -> NDArray[np.bool_]:
    """Which steps of (..., n_out) have all outputs equal: as integers where there is a scale.

    Interpreters turn one integer into floats that differ in the last bit.
    """
    if scale is None:
        return np.asarray(np.all(y == expected, axis=-1))
    return np.asarray(np.all(places_off(y, expected, scale) == 0, axis=-1))


def last_places(y: NDArray[Any], expected: NDArray[Any], scale: float) -> float:
    """Greatest difference in steps of ``scale``, of which both are whole numbers."""
    return float(places_off(y, expected, scale).max(initial=0.0))


def places_off(y: NDArray[Any], expected: NDArray[Any], scale: float) -> NDArray[np.float64]:
    """Difference of every value, in whole steps of ``scale``."""
    return np.asarray(np.rint(np.abs(np.asarray(y, np.float64) - expected) / scale))


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
