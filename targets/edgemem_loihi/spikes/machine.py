"""A network on spikes, frame by frame, with the host's two ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgemem.ir import INPUT
from edgemem.ops import Array
from edgemem_loihi.spikes.encoder import Encoder
from edgemem_loihi.spikes.lowered import OUTPUT, WRITTEN, Lowered
from edgemem_loihi.spikes.units import UnitEmulator


@dataclass(frozen=True)
class Frame:
    """What one frame gave.

    Parameters
    ----------
    output : (batch, n_out) array
    values : mapping of (batch, n) array
        Means over the last window of the frame, of the values that were asked for.
    spikes : mapping of (batch, steps, n_comparators) int8 array
        With the sign of what they add.
    """

    output: Array
    values: dict[str, Array]
    spikes: dict[str, NDArray[np.int8]]


class Machine:
    """Sequences side by side.

    Parameters
    ----------
    lowered : Lowered
    batch : int
    strict : bool
        Whether an overflow of the chip's registers is an error.

    Attributes
    ----------
    emulator : UnitEmulator
    """

    def __init__(self, lowered: Lowered, batch: int, strict: bool) -> None:
        self._design, self._frames = lowered.design, lowered.frames
        self.emulator = UnitEmulator(self._design, batch, strict)
        self._lines = Encoder(self._design.inputs[INPUT], batch)
        self._written = Encoder(self._design.inputs[WRITTEN], batch)

    def reset(self) -> None:
        """Back to the zero state; counts start again as well."""
        self.emulator.reset()
        self._lines.reset()
        self._written.reset()

    def frame(self, x: Array, wanted: Sequence[str] = ()) -> Frame:
        """One frame with the inputs ``x``, (batch, n_in).

        Parameters
        ----------
        x : array
        wanted : sequence of str
            Values whose means and spikes are kept.
        """
        kept: dict[str, list[NDArray[np.bool_]]] = {n: [] for n in (OUTPUT, *wanted)}
        for k in range(self._frames.steps):
            inputs = self._inputs(x, k)
            spikes = {**inputs, **self.emulator.step(inputs)}
            for name, parts in kept.items():
                parts.append(spikes[name])
        rasters = {name: np.stack(parts, axis=1) for name, parts in kept.items()}
        codes = self._design.codes
        return Frame(
            self._mean(OUTPUT, rasters[OUTPUT]),
            {name: self._mean(name, rasters[name]) for name in wanted},
            {name: np.sign(codes[name].worth).astype(np.int8) * rasters[name] for name in wanted},
        )

    def _inputs(self, x: Array, k: int) -> dict[str, NDArray[np.bool_]]:
        """Lines of the host in step ``k`` of a frame."""
        lines = self._lines.spikes(x)
        first, last = self._frames.written
        written = self._written.spikes(x) if first <= k < last else np.zeros_like(lines)
        return {INPUT: lines, WRITTEN: written}

    def _mean(self, name: str, spikes: NDArray[np.bool_]) -> Array:
        coded = self._design.codes[name]
        read = spikes[:, slice(*self._frames.read)]
        return np.asarray(coded.offset + read.mean(axis=1) @ coded.decoder().T)
