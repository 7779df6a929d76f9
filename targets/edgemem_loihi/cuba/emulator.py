"""Loihi 1's CUBA LIF compartments, step by step, many sequences at once, in the chip's integers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from edgemem.energy import Counts
from edgemem.errors import ConfigError, ShapeError, UnknownNameError
from edgemem_loihi.cuba import limits
from edgemem_loihi.cuba.chip import Ints, Network
from edgemem_loihi.cuba.currents import Currents, fan_out, most
from edgemem_loihi.cuba.kernel import Kernel, Moment
from edgemem_loihi.cuba.layout import Layout, alike, runs
from edgemem_loihi.cuba.overflow import Overflow, Refuse, Wrap
from edgemem_loihi.cuba.recording import Recording

Bools = NDArray[np.bool_]

_BLOCK = 32_768
"""Compartments that are updated at a time: their registers stay in the cache."""


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
        populations = alike(network.populations)
        self._inputs = Layout(network.inputs)
        self._layout = Layout({name: c.size for name, c in populations.items()})
        arriving = most(network.synapses, self._layout)
        dtype = np.float32 if arriving.max() <= 1 << 24 else np.float64
        own = [s for s in network.synapses if s.source in populations]
        outer = [s for s in network.synapses if s.source not in populations]
        self._from_inputs = Currents(outer, self._inputs, self._layout, dtype)
        self._from_populations = Currents(own, self._layout, self._layout, dtype)
        self._kernels = []
        for names in runs(populations.items()):
            columns = self._layout.columns
            part = slice(columns[names[0]].start, columns[names[-1]].stop)
            kernel = Kernel(
                [populations[n] for n in names], arriving[part] * (1 << limits.WEIGHT_SHIFT)
            )
            self._kernels.append((part, kernel))
        self._refractory = np.concatenate([c.refractory for c in populations.values()])
        self._rests = bool((self._refractory > 1).any())
        self._q = np.zeros((batch, self._layout.width), dtype)
        self._rows = max(1, _BLOCK // self._layout.width)
        self._scratch = np.empty((min(self._rows, batch), self._layout.width), np.int32)
        self._wrap = Wrap()
        self._overflow: Overflow = self._wrap
        if strict:
            self._overflow = Refuse()
        self.reset()

    def reset(self) -> None:
        """Back to the zero state; counts start again as well."""
        shape = (self.batch, self._layout.width)
        self._u, self._v = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
        self._fired = np.zeros(shape, bool)
        self._active: NDArray[np.intp] = np.empty(0, np.intp)
        # flat indices of compartments at rest, and the first step in which they are not
        self._resting: NDArray[np.intp] = np.empty(0, np.intp)
        self._until: NDArray[np.intp] = np.empty(0, np.intp)
        self._sent = np.zeros(shape, np.int64)
        self._sent_in = np.zeros(self._inputs.width, np.int64)
        self._updates = 0
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
        totals = self._sent.sum(axis=0)
        return {
            **{name: self._sent_in[c] for name, c in self._inputs.columns.items()},
            **{name: totals[self._layout.columns[name]] for name in self.network.populations},
        }

    def spikes(self, population: str) -> Bools:
        """Spikes of the last step, (batch, n)."""
        return self._fired[:, self._columns(population)]

    def u(self, population: str) -> Ints:
        """Currents after the last step, (batch, n)."""
        return self._u[:, self._columns(population)]

    def v(self, population: str) -> Ints:
        """Voltages after the last step, (batch, n)."""
        return self._v[:, self._columns(population)]

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
        self._advance(self._joined(inputs or {}, (self.batch,)))

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
        arriving = np.ascontiguousarray(self._joined(given, (self.batch, steps)).swapaxes(0, 1))
        sources = {"spikes": self._fired, "u": self._u, "v": self._v}
        wanted = {"spikes": spikes, "u": u, "v": v}
        taken = [
            (kind, name, sources[kind][:, self._columns(name)])
            for kind, names in wanted.items()
            for name in names
        ]
        recording = Recording(
            *(
                {
                    name: np.empty((self.batch, steps, part.shape[1]), part.dtype)
                    for of, name, part in taken
                    if of == kind
                }
                for kind in wanted
            )
        )
        for t in range(steps):
            self._advance(arriving[t])
            for kind, name, part in taken:
                getattr(recording, kind)[name][:, t] = part
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
        return Counts(
            frames=frames,
            synaptic_operations=sum(int(sent[name] @ fan[name]) for name in sizes),
            active_updates=self._updates,
            idle_updates=self.steps * self.batch * self._layout.width - self._updates,
            messages=sum(int(sent[name].sum()) for name in sizes),
            barriers=self.steps * self.batch,
        )

    def _advance(self, arriving: Bools) -> None:
        """One step; ``arriving`` has shape (batch, width of the inputs)."""
        self.steps += 1
        self._q[...] = 0.0
        if self._inputs.width:
            self._from_inputs.add(arriving, np.flatnonzero(arriving), self._q)
            self._sent_in += arriving.sum(axis=0)
        self._from_populations.add(self._fired, self._active, self._q)
        for start in range(0, self.batch, self._rows):
            self._update(slice(start, min(start + self._rows, self.batch)))
        self._spike()

    def _update(self, rows: slice) -> None:
        scratch = self._scratch[: rows.stop - rows.start]
        for part, kernel in self._kernels:

            def where(row: int, column: int, part: slice = part) -> str:
                unit = self._layout.unit(part.start + column)
                return f"{unit} (sequence {rows.start + row})" if self.batch > 1 else unit

            self._updates += kernel.update(
                self._q[rows, part],
                self._u[rows, part],
                self._v[rows, part],
                self._fired[rows, part],
                scratch[:, part],
                Moment(self.steps, self._overflow, where),
            )

    def _spike(self) -> None:
        """Hold what rests at zero, reset what spiked."""
        fired, v = self._fired.reshape(-1), self._v.reshape(-1)
        if self._resting.size:
            fired[self._resting] = False
            v[self._resting] = 0
        self._active = active = np.flatnonzero(fired)
        v[active] = 0
        self._sent.reshape(-1)[active] += 1
        if self._rests:
            until = self.steps + self._refractory[active % self._layout.width]
            still = self._until > self.steps + 1
            new = until > self.steps + 1
            self._resting = np.concatenate([self._resting[still], active[new]])
            self._until = np.concatenate([self._until[still], until[new]])

    def _columns(self, population: str) -> slice:
        if population not in self._layout.columns:
            raise UnknownNameError("population", population, self._layout.columns)
        return self._layout.columns[population]

    def _joined(self, inputs: Mapping[str, NDArray[np.generic]], lead: tuple[int, ...]) -> Bools:
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
