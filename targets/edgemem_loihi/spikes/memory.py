"""A linear memory by itself."""

from __future__ import annotations

import numpy as np

from edgemem.errors import UnsupportedOpError
from edgemem.ops import Array
from edgemem_loihi.spikes.code import Code
from edgemem_loihi.spikes.design import Design, Value

_ITERATIONS = 50


def memory(A: Array, B: Array, inputs: Code, code: Code, period: int) -> Design:
    """``m' = A m + B u`` as one population ``m``, one step of the chip for each step.

    Parameters
    ----------
    A : (q, q) array
    B : (q, d) array
    inputs : Code
        Of ``u``, d values.
    code : Code
        Of ``m``, q values.
    period : int
        Steps of the dither.
    """
    value = Value({"u": B, "m": A}, np.zeros(len(A)), code, holds=True)
    return Design({"u": inputs}, {"m": value}, {}, period, period)


def in_window(
    name: str, A: Array, G: Array, steps: int, kept: float, hold: int
) -> tuple[Array, Array]:
    """``m' = A m + G v`` as ``steps`` additions of what relays bring one step late.

    Between them and the next frame's, a state keeps ``kept`` of itself in each step:

    .. math::

        x_{k+1} = \\text{kept}\\, x_k + M x_{k-1} + F v, \\qquad x_0 = x_{-1},
        \\quad k = 0 \\ldots S - 1

    followed by ``hold`` steps with nothing but ``kept``. ``M`` is found by Newton's method; all
    matrices are functions of ``A`` and commute.

    Parameters
    ----------
    name : str
        Name of the state, for messages.
    A : (n, n) array
    G : (n, k) array
    steps : int
    kept : float
    hold : int

    Returns
    -------
    M : (n, n) array
    F : (n, k) array

    Raises
    ------
    UnsupportedOpError
        If there is no such ``M``.
    """
    eye = np.eye(len(A))
    wanted = A / kept**hold
    M = (A - eye) / steps
    for _ in range(_ITERATIONS):
        x, slope, _ = _response(M, steps, kept)
        try:
            change = np.linalg.solve(slope, x - wanted)
        except np.linalg.LinAlgError:
            break
        M = M - change
        if np.abs(change).max() <= 1e-12 * np.abs(M).max():
            break
    x, _, driven = _response(M, steps, kept)
    if not np.abs(x - wanted).max() <= 1e-6 * np.abs(wanted).max():
        raise UnsupportedOpError(
            f"loihi1: the state {name!r} has no form in {steps} small steps; the profile loihi2 "
            "runs it"
        )
    # what a frame's state is worth at its end, G in all, is held until the next one begins
    return M, np.linalg.solve(driven, G)


def _response(M: Array, steps: int, kept: float) -> tuple[Array, Array, Array]:
    """State after the steps for a state of 1, its derivative by ``M``, and for a drive of 1."""
    eye, zero = np.eye(len(M)), np.zeros_like(M)
    x, before = eye, eye
    slope, slope_before = zero, zero
    driven, driven_before = zero, zero
    for _ in range(steps):
        x, before, slope, slope_before, driven, driven_before = (
            kept * x + M @ before,
            x,
            kept * slope + M @ slope_before + before,
            slope,
            kept * driven + M @ driven_before + eye,
            driven,
        )
    return x, slope, driven
