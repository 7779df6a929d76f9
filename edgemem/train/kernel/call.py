"""A compiled kernel over NumPy arrays."""

from __future__ import annotations

import ctypes
import functools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemem.errors import UnsupportedOpError
from edgemem.ir.graph import Shape
from edgemem.ir.passes.adjoint import Recurrence
from edgemem.train.kernel.build import compiler, library, registers
from edgemem.train.kernel.places import TILE
from edgemem.train.kernel.plan import Plan, plan
from edgemem.train.kernel.source import source

Floats = NDArray[np.float32]

SWITCH = "EDGEMEM_KERNEL"
"""Environment variable; 0 keeps everything in TensorFlow."""

ALIGNMENT = 64
"""Bytes; arrays so aligned become tensors without a copy."""

MOST_SAVED = 1 << 29
"""Bytes of saved values above which the backward pass computes them again.

Up to there saving is cheaper: a number is written and read once, where computing it again takes
the products of the step a second time (a quarter more time altogether, for an LEM of 64 units).
"""


def kernel_of(recurrence: Recurrence, shapes: Mapping[str, Shape], places: int) -> Kernel | None:
    """The kernel of a recurrence, compiled once in a process.

    Parameters
    ----------
    recurrence : Recurrence
    shapes : mapping
        Shapes of its weights, drives and states, without batch axes.
    places : int
        Steps of all sequences together, by which it is decided what is saved.

    Returns
    -------
    Kernel or None
        None if there is no compiler, it fails, :data:`SWITCH` is 0, or an op has no kernel.
    """
    if os.environ.get(SWITCH) == "0" or compiler() is None:
        return None
    ordered = tuple(sorted((name, tuple(shape)) for name, shape in shapes.items()))
    kernel = _kernel(recurrence, ordered, True)
    if kernel is not None and 4 * places * kernel.plan.saved_size > MOST_SAVED:
        kernel = _kernel(recurrence, ordered, False)
    return kernel


@functools.cache
def _kernel(
    recurrence: Recurrence, shapes: tuple[tuple[str, Shape], ...], save: bool
) -> Kernel | None:
    try:
        planned = plan(recurrence, dict(shapes), save)
    except UnsupportedOpError:
        return None
    loaded = library(source(planned, registers()))
    return None if loaded is None else Kernel(planned, loaded)


def n_threads() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def tile_of(batch: int, threads: int) -> int:
    """Sequences in a tile: at most :data:`TILE`, and as many tiles for every thread."""
    rounds = max(1, -(-batch // (threads * TILE)))
    return max(1, -(-batch // (threads * rounds)))


@dataclass(frozen=True, eq=False)
class Kernel:
    """Forward and backward of one recurrence.

    Parameters
    ----------
    plan : Plan
    library : ctypes.CDLL
    threads : int
        How many to use; 0 for all processors.
    """

    plan: Plan
    library: Any
    threads: int = 0

    def forward(self, *arrays: Floats) -> list[Floats]:
        """States after every step.

        Parameters
        ----------
        *arrays : array
            Weights; drives, (batch, n_steps, ...); start states, (batch, ...), each in the order
            of the recurrence.

        Returns
        -------
        list of array
            States after every step, (batch, n_steps, ...); then what :meth:`backward` wants.
        """
        r = self.plan.recurrence
        batch, steps = arrays[len(r.weights)].shape[:2]
        shapes = [(batch, steps, *self.plan.shapes[state]) for state in r.states]
        # vectors at the very end may reach a little further
        room = batch * steps * self.plan.saved_size + 64
        return self._call(self.library.forward, arrays, [*shapes, (room,)], batch, steps)

    def backward(self, *arrays: Floats) -> list[Floats]:
        """Adjoints of the weights, the drives and the start states.

        Parameters
        ----------
        *arrays : array
            Those of :meth:`forward`, what it returned, and the adjoint of each state after every
            step.
        """
        n_given = sum(len(names) for names in self.names)
        weights = arrays[: len(self.plan.recurrence.weights)]
        batch, steps = arrays[len(weights)].shape[:2]
        shapes = [array.shape for array in arrays[:n_given]]
        return self._call(self.library.backward, arrays, shapes, batch, steps)

    @property
    def names(self) -> tuple[tuple[str, ...], ...]:
        """Names of weights, drives and states, in the order in which arrays are given."""
        r = self.plan.recurrence
        return r.weights, r.drives, r.states

    def _call(
        self,
        function: Any,
        arrays: Sequence[Floats],
        shapes: Sequence[tuple[int, ...]],
        batch: int,
        steps: int,
    ) -> list[Floats]:
        given = [np.ascontiguousarray(array, np.float32) for array in arrays]
        made = [_empty(shape) for shape in shapes]
        threads = self.threads or n_threads()
        sizes = (ctypes.c_long(n) for n in (batch, steps, tile_of(batch, threads), threads))
        if function(_pointers(given), _pointers(made), *sizes):
            raise MemoryError("no memory for the scratch of a recurrence")
        return made


def _pointers(arrays: Sequence[Floats]) -> Any:
    return (ctypes.c_void_p * len(arrays))(*(array.ctypes.data for array in arrays))


def _empty(shape: Sequence[int]) -> Floats:
    """An aligned array with nothing in it yet."""
    size = int(np.prod(shape, dtype=np.int64))
    room = np.empty(4 * size + ALIGNMENT, np.uint8)
    start = -room.ctypes.data % ALIGNMENT
    return room[start : start + 4 * size].view(np.float32).reshape(shape)
