"""Loihi 1's CUBA LIF compartments, step by step, many sequences at once, in the chip's integers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemem.energy import Counts
from edgemem.errors import ConfigError, ShapeError, UnknownNameError
from edgemem_loihi.cuba.chip import Ints, Network
from edgemem_loihi.cuba.currents import Currents, fan_out, most
from edgemem_loihi.cuba.kernel import Bools, Moment, Workspace
from edgemem_loihi.cuba.layout import Layout, order
from edgemem_loihi.cuba.overflow import Overflow, Refuse, Wrap
from edgemem_loihi.cuba.part import Part
from edgemem_loihi.cuba.recording import Recording
from edgemem_loihi.cuba.registers import Registers

_BLOCK = 32_768
"""Compartments that are updated at a time: their registers stay in the cache."""
_NARROWEST = 256
"""Of one sequence: below that, calls cost more than what they do."""


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
        populations = {name: network.populations[name] for name in order(network)}
        self._inputs = Layout(network.inputs)
        self._layout = Layout({name: c.size for name, c in populations.items()})
        registers = Registers.of(populations.values())
        arriving = most(network.synapses, self._layout)
        # all weights are multiples of 64: 24 bits of a float hold sums of up to 30
        dtype = np.float32 if arriving.max() <= 1 << 30 else np.float64
        cuts = self._layout.cuts(max(_NARROWEST, _BLOCK // batch))
        own = [s for s in network.synapses if s.source in populations]
        outer = [s for s in network.synapses if s.source not in populations]
        self._from = [
            Currents(synapses, sources, self._layout, cuts, batch, dtype)
            for synapses, sources in ((outer, self._inputs), (own, self._layout))
        ]
        space = Workspace(batch, max(c.stop - c.start for c in cuts), dtype)
        self._parts = [Part(c, registers.part(c), arriving[c], batch, space) for c in cuts]
        self._fired = np.zeros((batch, self._layout.width), bool)
        self._before = np.zeros_like(self._fired)
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
        return self._fired[:, self._columns(population)].copy()

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
        self._advance(self._arriving(inputs or {}, (self.batch,)))

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
        for t in range(steps):
            self._advance(arriving[t])
            for name, fired in recording.spikes.items():
                fired[:, t] = self.spikes(name)
            for name, currents in recording.u.items():
                currents[:, t] = self.u(name)
            for name, voltages in recording.v.items():
                voltages[:, t] = self.v(name)
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

    def _advance(self, arriving: Bools) -> None:
        """One step; ``arriving`` has shape (batch, width of the inputs)."""
        self.steps += 1
        # spikes of populations arrive one step later: what is written now is not what is read
        self._before, self._fired = self._fired, self._before
        for currents, spikes in zip(self._from, (arriving, self._before)):
            currents.collect(spikes)
        self._sent_in += arriving.sum(axis=0)
        for k, part in enumerate(self._parts):
            part.q[...] = 0.0
            for currents in self._from:
                currents.add(k, part.q)
            part.step(self._fired, self._moment(part))

    def _room(self, population: str, steps: int, dtype: type[Any]) -> NDArray[Any]:
        columns = self._columns(population)
        return np.empty((self.batch, steps, columns.stop - columns.start), dtype)

    def _moment(self, part: Part) -> Moment:
        def where(row: int, column: int) -> str:
            unit = self._layout.unit(part.columns.start + column)
            return f"{unit} (sequence {row})" if self.batch > 1 else unit

        return Moment(self.steps, self._overflow, where)

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
        if population not in self._layout.columns:
            raise UnknownNameError("population", population, self._layout.columns)
        return self._layout.columns[population]

    def _arriving(self, inputs: Mapping[str, NDArray[np.generic]], lead: tuple[int, ...]) -> Bools:
        joined = np.zeros((*lead, self._inputs.width), bool)
        for name, spikes in inputs.items():
            if name not in self._inputs.columns:
                raise UnknownNameError("input", name, self._inputs.columns)
            expected = (*lead, self.network.inputs[name])
            if spikes.shape != expected:
                raise ShapeError(
                    f"input {name!r}: spikes of shape {spikes.shape}, expected {expected}"
                )
            joined[..., self._inputs.columns[name]] = spikes
        return joined
