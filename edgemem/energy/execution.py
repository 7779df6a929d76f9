"""What a simulated execution gives back: outputs, counts, and what each population did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from edgemem.energy.counts import Counts
from edgemem.errors import ShapeError

Features = NDArray[np.float32]


@dataclass(frozen=True)
class Activity:
    """What the units of one population sent.

    Parameters
    ----------
    name : str
        Label of the equation's term, as in the graph (``h_new``, ``dt``).
    sent : (n_units,) integer array
        Spikes or messages of each unit, over all sequences and frames.
    chances : int
        How often each unit could have sent one.
    seconds : float
        Time that passed in the network's own time, over all sequences; 0 where it has none.
    """

    name: str
    sent: NDArray[Any]
    chances: int
    seconds: float = 0.0

    @property
    def size(self) -> int:
        """Number of units."""
        return int(self.sent.size)

    @property
    def share(self) -> float:
        """Spikes or messages per chance, mean over units."""
        return float(self.sent.mean()) / max(self.chances, 1)

    @property
    def dead(self) -> int:
        """Units that never sent anything."""
        return int(np.count_nonzero(self.sent == 0))

    def rates(self) -> NDArray[np.float64]:
        """Spikes or messages per second of each unit, (n_units,); zeros without ``seconds``."""
        return np.asarray(self.sent / self.seconds if self.seconds else 0.0 * self.sent, float)

    def to_dict(self) -> dict[str, Any]:
        """Size, share, dead units, mean and peak rate, as JSON values."""
        rates = self.rates()
        return {
            "name": self.name,
            "units": self.size,
            "sent": int(self.sent.sum()),
            "share": self.share,
            "dead": self.dead,
            "mean_rate": float(rates.mean()),
            "peak_rate": float(rates.max(initial=0.0)),
        }


@dataclass(frozen=True)
class Execution:
    """The run of some sequences, each from the zero state.

    Parameters
    ----------
    outputs : (n, t, n_out) float32 array
    counts : Counts
        Over all sequences.
    populations : tuple of Activity
    probes : mapping of (n, t, ...) array
        The values that were asked for, after each frame, in the units of the float network.
    spikes : mapping of (n, t, steps, n_units) int8 array
        For probed populations of spiking machines, the spikes of each step of each frame, with
        their sign.
    """

    outputs: Features
    counts: Counts
    populations: tuple[Activity, ...] = ()
    probes: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    spikes: Mapping[str, NDArray[Any]] = field(default_factory=dict)


def check_sequences(x: Features, n_in: int) -> None:
    """Refuse what :meth:`Simulated.simulate` cannot run.

    Raises
    ------
    ShapeError
        If ``x`` is not of shape (n, t, n_in) with t of 1 or more.
    """
    if x.ndim != 3 or x.shape[2] != n_in or not x.shape[1]:
        raise ShapeError(
            f"simulate: got sequences of shape {x.shape}, expected (n, t, {n_in}) with t of 1 or "
            "more"
        )


@runtime_checkable
class Simulated(Protocol):
    """A runner (:class:`edgemem.target.Runner`) that counts, and takes many sequences at once."""

    @property
    def n_in(self) -> int: ...

    @property
    def n_out(self) -> int: ...

    @property
    def probes(self) -> tuple[str, ...]:
        """Names that :meth:`simulate` can be asked for: labelled terms of the equations."""
        ...

    def simulate(self, x: Features, probes: Sequence[str] = ()) -> Execution:
        """Run sequences, each from the zero state, beside what :meth:`step` is doing.

        Parameters
        ----------
        x : (n, t, n_in) float32 array
        probes : sequence of str

        Raises
        ------
        UnknownNameError
            If a probe does not exist; it lists those that do.
        """
        ...


@runtime_checkable
class Counted(Protocol):
    """A runner whose steps take the same whatever comes in, and that knows what that is."""

    @property
    def step_counts(self) -> Counts:
        """One step, as :mod:`edgemem.energy.dense` counts."""
        ...
