"""One value of a step, as whoever computes it holds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Values:
    """A tensor after a step: ``real = scale * (array - zero_point)``.

    Parameters
    ----------
    array : array
        Integers where there is a scale, else floats.
    op : str
        What computed it.
    scale : float or None
        Size of one step of the integers; None where the values are floats.
    zero_point : int
        The integer that stands for 0.
    """

    array: NDArray[Any]
    op: str = ""
    scale: float | None = None
    zero_point: int = 0

    @property
    def reals(self) -> NDArray[np.float64]:
        """What the values stand for, in float64."""
        values = self.array.astype(np.float64)
        return values if self.scale is None else (values - self.zero_point) * self.scale
