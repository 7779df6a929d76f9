"""How far two runs of a tensor are from each other, added up clip by clip."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemem.ir.values import Values

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Distance:
    """How far a tensor of B is from that of A over every frame of every clip.

    Parameters
    ----------
    tensor : str
    op : str
        What computes it in A.
    distance : float
        RMS of the difference over RMS of A's values.
    equal : float or None
        Share of equal values; None where a gain stands between the two.
    last_places : float or None
        Greatest difference in steps of the integers, where both are integers of one scale.
    gain : bool
        Whether each element of B was first multiplied by the factor that brings it nearest to A's
        (least squares): passes that balance a network change the units of inner values.
    by_frame : tuple of float
        ``distance`` of each frame number alone, over all clips.
    """

    tensor: str
    op: str
    distance: float
    equal: float | None
    last_places: float | None
    gain: bool
    by_frame: tuple[float, ...]

    def to_dict(self) -> dict[str, Any]:
        """The fields, as JSON values."""
        return {**asdict(self), "by_frame": list(self.by_frame)}


class Tally:
    """Sums over the clips of one tensor.

    Parameters
    ----------
    tensor, op : str
        Its name, and what computes it.
    scale : float or None
        Size of one step, where the values of both are whole numbers of it.
    gain : bool
        Whether each element of the second run gets a factor of its own.
    """

    def __init__(self, tensor: str, op: str, scale: float | None, gain: bool = False) -> None:
        self._tensor, self._op = tensor, op
        self._scale, self.gain = scale, gain
        self._count = self._equal = 0
        self._greatest = 0.0
        # sums over clips for each frame and element; with a gain, what it is fitted from
        self._aa, self._ab, self._bb, self._dd = (np.zeros((0, 1)) for _ in range(4))

    @classmethod
    def between(cls, tensor: str, a: Values, b: Values) -> Tally:
        """For a tensor as two runs hold it."""
        same = (a.scale, a.zero_point) == (b.scale, b.zero_point)
        gain = (a.scale is None) != (b.scale is None)
        return cls(tensor, a.op, a.scale if same else None, gain)

    def add(self, a: Values, b: Values) -> None:
        """Count one clip: arrays of shape (t, n)."""
        x, y = a.reals, b.reals
        self._count += x.size
        self._aa = _plus(self._aa, x * x)
        if self.gain:
            self._ab = _plus(self._ab, x * y)
            self._bb = _plus(self._bb, y * y)
            return
        difference = x - y
        self._equal += int(np.count_nonzero(~self.unequal(x, y)))
        self._greatest = max(self._greatest, float(np.abs(difference).max(initial=0.0)))
        self._dd = _plus(self._dd, difference**2)

    def unequal(self, x: Array, y: Array) -> NDArray[np.bool_]:
        """Where two arrays of reals differ: by half a step or more, if they have steps."""
        if self._scale is None:
            return np.asarray(x != y)
        return np.asarray(np.abs(x - y) >= 0.5 * self._scale)

    def result(self) -> Distance:
        """What the sums say."""
        errors, powers = self._errors().sum(axis=1), self._aa.sum(axis=1)
        places = None if self._scale is None else float(np.rint(self._greatest / self._scale))
        return Distance(
            tensor=self._tensor,
            op=self._op,
            distance=float(_ratio(errors.sum(), powers.sum())),
            equal=None if self.gain else self._equal / max(1, self._count),
            last_places=places,
            gain=self.gain,
            by_frame=tuple(_ratio(errors, powers).tolist()),
        )

    def _errors(self) -> Array:
        """Sum over clips of ``(a - g b)^2`` for each frame and element."""
        if not self.gain:
            return self._dd
        # g = sum_t a b / sum_t b b, which makes sum_t (a - g b)^2 least
        below = self._bb.sum(axis=0)
        g = np.divide(self._ab.sum(axis=0), below, out=np.zeros_like(below), where=below > 0)
        errors = self._aa - 2.0 * g * self._ab + g**2 * self._bb
        return np.asarray(np.maximum(errors, 0.0))


def _plus(total: Array, more: Array) -> Array:
    """Sum of arrays of which one may have more frames."""
    if len(total) < len(more):
        total, more = more, total
    total = total.copy()
    total[: len(more)] += more
    return total


def _ratio(error: Any, power: Any) -> Array:
    """RMS over RMS; the error itself where there is nothing to measure it against."""
    return np.asarray(np.sqrt(np.divide(error, np.where(np.asarray(power) > 0, power, 1.0))))
