"""What the compartments of several populations are set to, side by side."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

import numpy as np

from edgemem_loihi.cuba.chip import Compartments, Ints


@dataclass(frozen=True)
class Registers:
    """See :class:`~.chip.Compartments`; every field is a (n,) int32 array.

    ``vth``, ``bias``, ``vmin`` and ``vmax`` are the values that mantissas and exponents stand for.
    """

    decay_u: Ints
    decay_v: Ints
    vth: Ints
    bias: Ints
    refractory: Ints
    vmin: Ints
    vmax: Ints

    @classmethod
    def of(cls, populations: Iterable[Compartments]) -> Registers:
        """Those of ``populations``, in that order."""
        listed = list(populations)
        return cls(
            *(
                np.concatenate([np.full(c.size, getattr(c, f.name), np.int32) for c in listed])
                for f in fields(cls)
            )
        )

    def part(self, columns: slice) -> Registers:
        """Those of some neighbours."""
        return Registers(*(getattr(self, f.name)[columns] for f in fields(self)))
