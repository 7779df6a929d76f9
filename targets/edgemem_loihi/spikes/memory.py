"""Linear memories in steps of the chip."""

from __future__ import annotations

import numpy as np

from edgemem.errors import UnsupportedOpError
from edgemem.ops import Array
from edgemem_loihi.spikes.code import Code
from edgemem_loihi.spikes.design import Design, Value


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
    return Design({"u": inputs}, {"m": value}, period)


def in_substeps(name: str, A: Array, G: Array, steps: int) -> tuple[Array, Array]:
    """``m' = A m + G v`` in ``steps`` smaller steps with the same ``v``.

    ``A_s = A^(1/S)`` and ``G_s = (A - I)^-1 (A_s - I) G``, so that ``S`` steps give
    ``A_s^S m + (I + A_s + ... + A_s^(S-1)) G_s v = A m + G v``.

    Parameters
    ----------
    name : str
        For messages.
    A : (n, n) array
    G : (n, k) array
    steps : int

    Raises
    ------
    UnsupportedOpError
        If ``A`` has no real root of that order.
    """
    from scipy.linalg import expm, logm

    if steps == 1:
        return A, G
    continuous = logm(A)
    root = expm(np.real(continuous) / steps)
    if np.abs(np.linalg.matrix_power(root, steps) - A).max() > 1e-6 * np.abs(A).max():
        raise UnsupportedOpError(
            f"loihi1: the matrix of the state {name!r} has no real root, so that one frame cannot "
            f"be cut into {steps} chip steps; the profile loihi2 runs it"
        )
    total = sum(np.linalg.matrix_power(root, k) for k in range(steps))
    return root, np.linalg.solve(total, G)


def frame_mean(root: Array, G: Array, steps: int) -> tuple[Array, Array]:
    """How the memory at a frame's end follows from its mean over the frame.

    With ``m_k`` after step ``k`` of a frame with constant ``v``, ``mean = C m_0 + D v`` and
    ``m_S = A m_0 + E v``; hence ``m_S = P mean + R v`` with ``P = A C^-1`` and ``R = E - P D``.

    Parameters
    ----------
    root, G : arrays
        Of :func:`in_substeps`.
    steps : int

    Returns
    -------
    P : (n, n) array
    R : (n, k) array
    """
    power, added = np.eye(len(root)), np.zeros_like(G)
    C, D = np.zeros_like(root), np.zeros_like(G)
    for _ in range(steps):
        power, added = root @ power, root @ added + G
        C, D = C + power / steps, D + added / steps
    P = np.linalg.solve(C.T, power.T).T
    return P, added - P @ D
