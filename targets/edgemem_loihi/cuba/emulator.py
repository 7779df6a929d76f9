"""Loihi 1's CUBA LIF compartments, step by step, many sequences at once, in the chip's integers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemem.energy import Counts
from edgemem.errors import ConfigError, ShapeError, check_known
from edgemem_loihi.cuba.chip import Ints, Network
from edgemem_loihi.cuba.currents import Currents, fan_out, most
from edgemem_loihi.cuba.kernel import Bools, Moment, Workspace
from edgemem_loihi.cuba.layout import Layout, stages
from edgemem_loihi.cuba.overflow import Overflow, Refuse, Wrap
from edgemem_loihi.cuba.part import Part
from edgemem_loihi.cuba.recording import Recording, Tap
from edgemem_loihi.cuba.registers import Registers
from edgemem_loihi.cuba.stage import Stage

_BLOCK = 65_536
"""Compartments that are updated at a time: their registers stay in the cache."""
_NARROWEST = 256
"""Of one sequence: below that, calls cost more than what they do."""

_SPAN, _ROWS = 32, 256
"""Steps, and steps times sequences, that are computed at a time where that can be."""


class Emulator:
    """Run a network; every call goes on from the state that the last one left.

    Parameters
    ----------
    network : Network
    batch : int
        Sequences that run side by side.
    strict : bool
        Whether an overflow is an error; otherwise registers wrap as the chip's do, and
        :attr:`overflows` counts.

    Attributes
    ----------
    network : Network
    batch : int
    steps : int
        Steps since the zero state.
    """

    def __init__(self, network: Network, batch: int = 1, strict: bool = True) -> None:
        if batch < 1:
            raise ConfigError(f"emulator: a batch of {batch}; at least 1 is needed")
        self.network, self.batch = network, batch
        staged = stages(network)
        populations = {name: network.populations[name] for names in staged for name in names}
        self._inputs = Layout(network.inputs)
        self._layout = Layout({name: c.size for name, c in populations.items()})
        registers = Registers.of(populations.values())
        arriving = most(network.synapses, self._layout)
        # all weights are multiples of 64: 24 bits of a float hold sums of up to 30
        dtype = np.float32 if arriving.max() <= 1 << 30 else np.float64
        # where spikes go in circles, what arrives is known for one step only
        self._span = max(1, min(_SPAN, _ROWS // batch)) if _feeds_forward(network, staged) else 1
        widest = max(_NARROWEST, _BLOCK // batch)
        space = Workspace(batch, min(widest, self._layout.width), self._span, dtype)
        self._stages = []
        for names in staged:
            cuts = self._layout.cuts(names, widest)
            into = [s for s in network.synapses if s.target in names]
            own = [s for s in into if s.source in populations]
            outer = [s for s in into if s.source not in populations]
            rows = batch * self._span
            currents = [
                Currents(synapses, sources, self._layout, cuts, rows, dtype)
                for synapses, sources in ((outer, self._inputs), (own, self._layout))
            ]
            parts = [Part(c, registers.part(c), arriving[c], batch, space) for c in cuts]
            self._stages.append(Stage(parts, currents, space))
        self._parts = [part for stage in self._stages for part in stage.parts]
        self._fired = np.zeros((self._span + 1, batch, self._layout.width), bool)
        self._wrap = Wrap()
        self._overflow: Overflow = self._wrap
        if strict:
            self._overflow = Refuse()
        self.reset()

    def reset(self) -> None:
        """Back to the zero state; counts start again as well."""
        for part in self._parts:
            part.reset()
        self._fired[...] = False
        self._sent_in = np.zeros(self._inputs.width, np.int64)
        self.steps = 0
        self._wrap.counts.update(dict.fromkeys(self._wrap.counts, 0))

    @property
    def overflows(self) -> dict[str, int]:
        """Registers that wrapped since the zero state, by quantity."""
        return dict(self._wrap.counts)

    @property
    def sent(self) -> dict[str, NDArray[np.int64]]:
        """Spikes of every unit of the inputs and populations since the zero state, over the
        batch."""
        totals = np.concatenate([part.sent for part in self._parts])
        return {
            **{name: self._sent_in[c] for name, c in self._inputs.columns.items()},
            **{name: totals[self._layout.columns[name]] for name in self.network.populations},
        }

    def spikes(self, population: str) -> Bools:
        """Spikes of the last step, (batch, n)."""
        fired: Bools = self._fired[0]
        return fired[:, self._columns(population)].copy()

    def u(self, population: str) -> Ints:
        """Currents after the last step, (batch, n)."""
        return self._joined([part.u for part in self._parts], population)

    def v(self, population: str) -> Ints:
        """Voltages after the last step, (batch, n)."""
        return self._joined([part.v for part in self._parts], population)

    def step(self, inputs: Mapping[str, NDArray[np.generic]] | None = None) -> None:
        """One step.

        Parameters
        ----------
        inputs : mapping of (batch, n) bool array
            Spikes that arrive in this step; an input that is not named is silent.

        Raises
        ------
        ChipOverflowError
            In strict mode.
        """
        self._advance(self._arriving(inputs or {}, (self.batch,))[None], [], 0)

    def run(
        self,
        inputs: Mapping[str, NDArray[np.generic]] | None = None,
        steps: int | None = None,
        *,
        spikes: Sequence[str] = (),
        u: Sequence[str] = (),
        v: Sequence[str] = (),
    ) -> Recording:
        """Many steps.

        Parameters
        ----------
        inputs : mapping of (batch, steps, n) bool array
            Spikes that arrive in each step; an input that is not named is silent.
        steps : int, optional
            Needed without inputs.
        spikes, u, v : sequence of str
            Populations whose spikes, currents and voltages are kept after each step.

        Raises
        ------
        ChipOverflowError
            In strict mode.
        """
        given = inputs or {}
        if steps is None:
            if not given:
                raise ConfigError("run: without inputs, the number of steps must be given")
            steps = next(iter(given.values())).shape[1]
        arriving = np.ascontiguousarray(self._arriving(given, (self.batch, steps)).swapaxes(0, 1))
        recording = Recording(
            spikes={name: self._room(name, steps, bool) for name in spikes},
            u={name: self._room(name, steps, np.int32) for name in u},
            v={name: self._room(name, steps, np.int32) for name in v},
        )
        taps = [
            Tap(register, self._columns(name), into)
            for register, values in (
                ("fired", recording.spikes),
                ("u", recording.u),
                ("v", recording.v),
            )
            for name, into in values.items()
        ]
        for start in range(0, steps, self._span):
            self._advance(arriving[start : start + self._span], taps, start)
        return recording

    def counts(self, frames: int = 0) -> Counts:
        """What was done since the zero state, over the batch.

        Spikes of populations and inputs are messages; hops and cores are a matter of placement.

        Parameters
        ----------
        frames : int
            Time steps of the network that the emulated steps stand for.
        """
        sizes = self.network.sizes
        fan = fan_out(self.network.synapses, sizes)
        sent = self.sent
        active = sum(part.updates for part in self._parts)
        return Counts(
            frames=frames,
            synaptic_operations=sum(int(sent[name] @ fan[name]) for name in sizes),
            active_updates=active,
            idle_updates=self.steps * self.batch * self._layout.width - active,
            messages=sum(int(sent[name].sum()) for name in sizes),
            barriers=self.steps * self.batch,
        )

    def _advance(self, arriving: Bools, taps: Sequence[Tap], start: int) -> None:
        """Some steps; ``arriving`` has shape (steps, batch, width of the inputs)."""
        steps = len(arriving)
        for stage in self._stages:
            stage.run(arriving, self._fired[: steps + 1], self._moment, taps, start)
        self._sent_in += arriving.sum(axis=(0, 1))
        # what was sent last arrives next
        self._fired[0] = self._fired[steps]
        self.steps += steps

    def _room(self, population: str, steps: int, dtype: type[Any]) -> NDArray[Any]:
        columns = self._columns(population)
        return np.empty((self.batch, steps, columns.stop - columns.start), dtype)

    def _moment(self, part: Part, ahead: int) -> Moment:
        def where(row: int, column: int) -> str:
            unit = self._layout.unit(part.columns.start + column)
            return f"{unit} (sequence {row})" if self.batch > 1 else unit

        return Moment(self.steps + 1 + ahead, self._overflow, where)

    def _joined(self, values: Sequence[Ints], population: str) -> Ints:
        """The columns of a population out of an array of each part."""
        wanted = self._columns(population)
        return np.concatenate(
            [
                of_part[:, max(wanted.start - c.start, 0) : max(wanted.stop - c.start, 0)]
                for of_part, c in zip(values, (part.columns for part in self._parts))
            ],
            axis=1,
        )

    def _columns(self, population: str) -> slice:
        check_known("population", [population], self._layout.columns)
        return self._layout.columns[population]

    def _arriving(self, inputs: Mapping[str, NDArray[np.generic]], lead: tuple[int, ...]) -> Bools:
        joined = np.zeros((*lead, self._inputs.width), bool)
        check_known("input", inputs, self._inputs.columns)
        for name, spikes in inputs.items():
            expected = (*lead, self.network.inputs[name])
            if spikes.shape != expected:
                raise ShapeError(
                    f"input {name!r}: spikes of shape {spikes.shape}, expected {expected}"
                )
            joined[..., self._inputs.columns[name]] = spikes
        return joined


def _feeds_forward(network: Network, staged: Sequence[Sequence[str]]) -> bool:
    """Whether every population feeds later stages only."""
    stage = {name: k for k, names in enumerate(staged) for name in names}
    return all(stage[s.source] < stage[s.target] for s in network.synapses if s.source in stage)
