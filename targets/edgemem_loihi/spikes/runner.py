"""Device half: a network on binary spikes, step by step or many sequences at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgemem.energy import Activity, Counts, Execution, check_sequences
from edgemem.errors import ShapeError, check_known
from edgemem_loihi.placement.stored import read_placement
from edgemem_loihi.spikes.counting import fan_out
from edgemem_loihi.spikes.lowered import OUTPUT, read_design
from edgemem_loihi.spikes.machine import Machine

if TYPE_CHECKING:
    from edgemem.artefact import Artefact
    from edgemem.target import Features


class SpikesRunner:
    """See :class:`edgemem.target.Runner` and :class:`edgemem.energy.Simulated`.

    Parameters
    ----------
    artefact : Artefact

    Attributes
    ----------
    lowered : Lowered
    placement : Placement
    probes : tuple of str
        The input, memories, functions and the output; a memory's value is flat.
    overflows : int
        States that wrapped in the last :meth:`simulate` (hardware mode).
    """

    def __init__(self, artefact: Artefact) -> None:
        self.lowered, self._strict = read_design(artefact)
        self.placement = read_placement(artefact)
        design = self.lowered.design
        self.n_in = next(iter(design.inputs.values())).size
        self.n_out = design.values[OUTPUT].code.size
        self.engine = f"numpy {np.__version__}, binary spikes"
        self.probes = tuple(design.values)
        self.overflows = 0
        self._machine = Machine(self.lowered, 1, self._strict)

    def reset(self) -> None:
        self._machine.reset()

    def step(self, x: Features) -> Features:
        if x.shape != (self.n_in,):
            raise ShapeError(f"step: got an input of shape {x.shape}, expected ({self.n_in},)")
        frame = self._machine.frame(x[None].astype(np.float64))
        return np.asarray(frame.output[0], np.float32)

    def simulate(self, x: Features, probes: Sequence[str] = ()) -> Execution:
        """See :class:`edgemem.energy.Simulated`.

        Raises
        ------
        ChipOverflowError
            In strict mode, if a state leaves its register.
        """
        check_known("probe", probes, self.probes)
        check_sequences(x, self.n_in)
        machine = Machine(self.lowered, len(x), self._strict)
        frames = [machine.frame(x[:, t].astype(np.float64), probes) for t in range(x.shape[1])]
        self.overflows = machine.emulator.overflows
        n_frames = x.shape[0] * x.shape[1]
        return Execution(
            outputs=np.stack([f.output for f in frames], axis=1).astype(np.float32),
            counts=self._counts(machine.emulator.sent, n_frames),
            populations=self._activities(machine.emulator.sent, n_frames),
            probes={n: np.stack([f.values[n] for f in frames], axis=1) for n in probes},
            spikes={n: np.stack([f.spikes[n] for f in frames], axis=1) for n in probes},
        )

    def _counts(self, sent: dict[str, NDArray[np.int64]], frames: int) -> Counts:
        design, steps = self.lowered.design, self.lowered.frames.steps
        synapses = fan_out(design)
        messages, hops = self.placement.route(sent)
        codes = design.codes
        compartments = design.steps + sum(
            codes[name].comparators for name in (*design.values, *design.relays)
        )
        return Counts(
            frames=frames,
            synaptic_operations=int(sum(sent[name] @ synapses[name] for name in sent)),
            # thermometers have a state or a dither at every step
            active_updates=compartments * steps * frames,
            messages=messages,
            hops=hops,
            barriers=steps * frames,
        )

    def _activities(self, sent: dict[str, NDArray[np.int64]], frames: int) -> tuple[Activity, ...]:
        chances = frames * self.lowered.frames.steps
        return tuple(Activity(name, counts, chances) for name, counts in sent.items())
