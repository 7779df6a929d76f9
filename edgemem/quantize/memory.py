"""What theory says of a linear memory ``m' = A m + B u`` in integers.

How far it can go and what rounding can add up to, so that its formats are chosen and not guessed.
Nothing here knows of Legendre: any stable ``A`` and ``B`` will do, in any basis.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgemem.errors import ToleranceError
from edgemem.ir import Graph
from edgemem.ir.passes.basis import Memory
from edgemem.ops import Array
from edgemem.quantize.formats import Format, per_row, symmetric

TAIL = 1e-3
"""Sums over all time stop where what is left is provably below this share; it is added on top."""

ROUNDING = 0.5 + 2.0**-5
"""What a rounded product may be off by, in steps: it is rounded twice, first to finer ones."""

DECAYED = 1e-2
"""A power of ``A`` this small in the maximum norm ends the search for one."""

MOST_DOUBLINGS = 17
"""Memories that have not decayed after ``2^17`` steps count as if they never did: half a step of
rounding in each of so many is more than 16 bits hold."""


@dataclass(frozen=True)
class MemoryBounds:
    """What no input can exceed, for each element of a memory.

    Parameters
    ----------
    u_max : float
        Greatest ``|u|``.
    state : (order,) array
        Greatest ``|m_i|`` for inputs of magnitude ``u_max`` or less.
    change : (order,) array
        Greatest ``|((A - I) m + B u)_i|`` for such inputs.
    rounding : (order,) array
        How far the state can be driven by rounding ``u`` and one product in each step, in steps.
    """

    u_max: float
    state: Array
    change: Array
    rounding: Array

    def state_format(self, roundings: int = 1) -> Format:
        """The finest 16-bit format, of a power-of-two scale, for state, change and input.

        None of the three can leave it, so that no step saturates.

        Parameters
        ----------
        roundings : int
            Products that are rounded to the format in one step: 1, or 2 for two halves.

        Raises
        ------
        ToleranceError
            If rounding alone could overflow 16 bits.
        """
        return symmetric(max(self.magnitude(roundings), self.u_max), 16, power_of_two=True)

    def magnitude(self, roundings: int = 1) -> float:
        """What 16 bits must cover for state and change, drift by rounding included."""
        drift = roundings * self.rounding
        # the change is the difference of two states, each of which may have drifted
        reach = (1 << 15) - 1 - 2.0 * drift
        if not np.all(reach > 0):
            raise ToleranceError(
                f"a memory of order {len(reach)} keeps rounding errors for so long that they could "
                "add up to more than 16 bits hold; train it with a shorter theta, or convert it "
                "to floats (--quantize none)"
            )
        steps = np.maximum(self.state / (reach + drift), self.change / reach)
        return float(steps.max()) * 2.0**15


def bounds(A: Array, B: Array, u_max: float) -> MemoryBounds:
    """What a memory can do on inputs of magnitude ``u_max``, by the L1 norm of its responses.

    ``m_t = sum_k A^k B u_{t-k}``, so that ``|m_i| <= sum_k |A^k B|_i u_max``, which the input
    ``u_{T-k} = u_max sign((A^k B)_i)`` comes up to. In the same way the change is bounded by
    ``(|B| + sum_k |A^k (A - I) B|) u_max``, and what rounding drives by ``sum_k |A^k| r`` with
    ``r = (1 + |B|)`` times :data:`ROUNDING`.

    Parameters
    ----------
    A : (order, order) array
        As it is after rounding, for bounds that hold for the integers.
    B : (order, 1) array
    u_max : float

    Raises
    ------
    ToleranceError
        If ``A`` does not decay.
    """
    order = len(A)
    power = _decayed_power(A)
    start = A @ B - B
    together, _ = _responses(A, np.concatenate([B, start], axis=1), power)
    injected = ROUNDING * (1.0 + np.abs(B[:, 0]))
    _, rounding = _responses(A, np.eye(order), power, injected)
    return MemoryBounds(
        u_max=u_max,
        state=together[:, 0] * u_max,
        change=(np.abs(B[:, 0]) + together[:, 1]) * u_max,
        rounding=rounding,
    )


def _decayed_power(A: Array) -> tuple[int, float]:
    """Some ``K`` with a small norm of ``A^K``, and that norm."""
    power, K = np.asarray(A, np.float64), 1
    for _ in range(MOST_DOUBLINGS + 1):
        norm = float(np.abs(power).sum(axis=1).max())
        if norm <= DECAYED:
            return K, norm
        if not np.isfinite(norm):
            break
        with np.errstate(over="ignore", invalid="ignore"):
            power = power @ power
        K *= 2
    raise ToleranceError(
        f"a memory of order {len(A)} keeps its values for more than {2**MOST_DOUBLINGS} steps (its "
        f"spectral radius is {radius(A):.6f}); train it with a shorter theta, or convert it to "
        "floats (--quantize none)"
    )


def _responses(
    A: Array, start: Array, power: tuple[int, float], weights: Array | None = None
) -> tuple[Array, Array]:
    """``sum_k |A^k start|``, and ``sum_k |A^k start| weights``, each with its tail on top.

    With ``q = ||A^K||`` all that follows a window of K steps is at most ``q / (1 - q)`` times the
    sum of norms over that window.
    """
    K, q = power
    columns = np.ones(start.shape[1]) if weights is None else weights
    total, weighed = np.zeros(start.shape), np.zeros(len(start))
    now = np.asarray(start, np.float64)
    while True:
        tails = np.zeros(start.shape[1])
        for _ in range(K):
            size = np.abs(now)
            total += size
            weighed += size @ columns
            tails += size.max(axis=0)
            now = A @ now
        tails *= q / (1.0 - q)
        if np.all(tails <= TAIL * total.max(axis=0)):
            return total + tails, weighed + tails @ columns


def radius(A: Array) -> float:
    """Largest magnitude of an eigenvalue: a memory is stable below 1."""
    return float(np.abs(np.linalg.eigvals(A)).max())


def held(graph: Graph, memory: Memory) -> Array:
    """``[A - I, B]`` as the integer form of ``graph`` has it: the sum of all its rounded parts."""
    parts = [
        np.concatenate([graph.params[own], graph.params[written]], axis=1)
        for own, written in zip(memory.own, memory.written)
    ]
    return np.asarray(np.sum([rounded(part) for part in parts], axis=0), np.float64)


def rounded(change: Array, halves: int = 1) -> Array:
    """``change`` as integers hold it: 8 bits with a scale for each row, or a sum of such halves.

    Parameters
    ----------
    change : (order, n) array
        ``[A - I, B]``.
    halves : int
        1 or 2. The second one holds what the first one leaves.
    """
    return np.asarray(sum(split(change, halves)), np.float64)


def split(change: Array, halves: int = 2) -> list[Array]:
    """Matrices that 8 bits with a scale for each row hold, the coarsest first."""
    parts = []
    left = np.asarray(change, np.float64)
    for _ in range(halves):
        form = per_row(left)
        parts.append(form.dequantize(form.quantize(left)))
        left = left - parts[-1]
    return parts


def expected_error(A: Array, B: Array, A_rounded: Array, B_rounded: Array) -> float:
    """Relative error of a memory with rounded matrices, on white noise.

    The root mean square, over elements, of each element's error divided by its size; the units
    of the elements do not matter. Covariances obey ``P = F P F^T + G G^T``.

    Parameters
    ----------
    A, A_rounded : (order, order) array
    B, B_rounded : (order, 1) array

    Returns
    -------
    float
        Infinite where the rounded memory does not decay.
    """
    order = len(A)
    if radius(A_rounded) >= 1.0:
        return np.inf
    both = np.zeros((2 * order, 2 * order))
    both[:order, :order], both[order:, order:] = A, A_rounded
    P = covariance(both, np.concatenate([B, B_rounded]))
    exact = np.diag(P)[:order]
    error = exact + np.diag(P)[order:] - 2.0 * np.diag(P[:order, order:])
    floor = np.finfo(np.float64).eps * exact.max()
    return float(np.sqrt(np.mean(np.maximum(error, 0.0) / np.maximum(exact, floor))))


def covariance(A: Array, B: Array) -> Array:
    """``sum_k A^k B B^T (A^T)^k``, by doubling the number of steps until nothing is added."""
    power, P = np.asarray(A, np.float64), np.asarray(B @ B.T, np.float64)
    for _ in range(2 * MOST_DOUBLINGS):
        more = power @ P @ power.T
        P = P + more
        if np.abs(more).max() <= 1e-15 * np.abs(P).max():
            break
        power = power @ power
    return P
