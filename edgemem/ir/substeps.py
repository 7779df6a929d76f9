"""Linear states in smaller steps than a network's frames."""

from __future__ import annotations

import numpy as np

from edgemem.errors import ConfigError, UnsupportedOpError
from edgemem.ops import Array

_ITERATIONS = 60
_CLOSE = 1e-6


def in_substeps(name: str, A: Array, G: Array, steps: int) -> tuple[Array, Array]:
    """``m' = A m + G v`` cut into ``steps`` equal steps with the same ``v``.

    ``A_s = A^(1/S)`` and ``G_s = (I + A_s + ... + A_s^(S-1))^-1 G``, so that ``S`` steps of
    ``m' = A_s m + G_s v`` give ``A m + G v``.

    Parameters
    ----------
    name : str
        Name of the state, for messages.
    A : (n, n) array
    G : (n, k) array
    steps : int
        A power of two.

    Returns
    -------
    A_s : (n, n) array
    G_s : (n, k) array

    Raises
    ------
    ConfigError
        If ``steps`` is no power of two.
    UnsupportedOpError
        If ``A`` has no real root that does it.
    """
    if steps < 1 or steps & (steps - 1):
        raise ConfigError(f"{steps} steps of a frame; expected a power of two, 1 or more")
    root = A
    for _ in range(steps.bit_length() - 1):
        root = _square_root(name, root)
    total, power = np.zeros_like(A), np.eye(len(A))
    for _ in range(steps):
        total, power = total + power, power @ root
    if not np.abs(power - A).max(initial=0.0) <= _CLOSE * np.abs(A).max(initial=0.0):
        raise _no_root(name)
    return root, np.linalg.solve(total, G)


def start_from_mean(root: Array, G: Array, steps: int) -> tuple[Array, Array]:
    """How the state before a frame follows from its mean over the frame's steps.

    With ``m_k`` after step ``k`` of a frame with the same ``v``, ``mean = C m_0 + D v``; hence
    ``m_0 = C^-1 mean - C^-1 D v``.

    Parameters
    ----------
    root, G : arrays
        Of :func:`in_substeps`.
    steps : int

    Returns
    -------
    of_mean : (n, n) array
    of_drive : (n, k) array
    """
    power, added = np.eye(len(root)), np.zeros_like(G)
    C, D = np.zeros_like(root), np.zeros_like(G)
    for _ in range(steps):
        power, added = root @ power, root @ added + G
        C, D = C + power / steps, D + added / steps
    return np.linalg.inv(C), -np.linalg.solve(C, D)


def _square_root(name: str, A: Array) -> Array:
    """The principal square root, by Denman & Beavers' iteration (1976)."""
    Y, Z = A, np.eye(len(A))
    for _ in range(_ITERATIONS):
        try:
            Y_next, Z = (Y + np.linalg.inv(Z)) / 2.0, (Z + np.linalg.inv(Y)) / 2.0
        except np.linalg.LinAlgError:
            raise _no_root(name) from None
        change = np.abs(Y_next - Y).max(initial=0.0)
        Y = Y_next
        if change <= 1e-14 * np.abs(Y).max(initial=0.0):
            break
    return Y


def _no_root(name: str) -> UnsupportedOpError:
    return UnsupportedOpError(
        f"the matrix of the state {name!r} has no real root, so that a frame cannot be cut into "
        "smaller steps; spikes need them"
    )
