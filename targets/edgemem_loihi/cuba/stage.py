"""Populations that are computed together: those before them are known for several steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemem_loihi.cuba.currents import Arriving, Currents
from edgemem_loihi.cuba.kernel import Bools, Moment, Workspace
from edgemem_loihi.cuba.part import Part
from edgemem_loihi.cuba.recording import Tap


class Stage:
    """Parts, and what brings spikes to them.

    Parameters
    ----------
    parts : sequence of Part
    sources : sequence of Currents
        From the inputs and from the populations.
    space : Workspace
    """

    def __init__(
        self, parts: Sequence[Part], sources: Sequence[Currents], space: Workspace
    ) -> None:
        self.parts, self._sources, self._space = parts, sources, space

    def run(
        self,
        arriving: Bools,
        fired: Bools,
        moment: Callable[[Part, int], Moment],
        taps: Sequence[Tap],
        start: int,
    ) -> None:
        """Some steps, part by part.

        Parameters
        ----------
        arriving : (steps, batch, width of the inputs) bool array
        fired : (steps + 1, batch, width) bool array
            From the step before on; the spikes of this stage are written.
        moment : callable
            Of a part and a step from 0 on.
        taps : sequence of Tap
        start : int
            Step of the taps at which these steps begin.
        """
        steps = len(arriving)
        for source, spikes in zip(self._sources, (arriving, fired[:-1])):
            source.collect(spikes.reshape(steps * spikes.shape[1], spikes.shape[2]))
        for k, part in enumerate(self.parts):
            q: NDArray[Any] = self._space.arriving(steps, part.u.shape[1])
            sums = Arriving(q.reshape(steps * q.shape[1], q.shape[2]))
            for source in self._sources:
                source.add(k, sums)
            sums.sums()
            for t in range(steps):
                part.step(q[t], moment(part, t))
                np.copyto(fired[t + 1, :, part.columns], part.fired)
                for tap in taps:
                    tap.take(part, start + t)
