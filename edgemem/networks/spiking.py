"""Spiking networks in core Nengo and in NengoDL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args

import nengo
import numpy as np
from numpy.typing import NDArray

from edgemem.energy import Execution, check_sequences
from edgemem.errors import ConfigError
from edgemem.networks.spiking_build import Spiking as Spiking
from edgemem.networks.spiking_build import build as build
from edgemem.networks.spiking_build import currents as currents
from edgemem.ops import Array
from edgemem.spiking import SpikingNetwork
from edgemem.spiking.simulation import activities, counted

Features = NDArray[np.float32]
Signs = NDArray[np.int8]

Backend = Literal["nengo", "nengo-dl"]

MINIBATCH = 16
"""Sequences that NengoDL runs side by side."""

FRAMES = 8
"""Frames that are run before what was probed is taken out of a simulator."""


class Session(Protocol):
    """An open simulator of a :class:`Spiking` network."""

    batch: int
    """Sequences that it runs side by side."""

    def reset(self) -> None:
        """Back to empty membranes."""
        ...

    def run(self, pulses: Array) -> None:
        """Go on with input (batch, n_steps, n_in)."""
        ...

    def take(self, probe: Any) -> Array:
        """What a probe saw of the last run, (batch, n_steps, n)."""
        ...


@dataclass(frozen=True)
class NengoMachine:
    """A spiking network that is run by a Nengo simulator, step by step.

    It gives what :func:`edgemem.spiking.simulate` gives: the same spikes in core Nengo, which
    computes in float64; nearly the same in NengoDL's float32.

    Parameters
    ----------
    network : SpikingNetwork
    backend : {"nengo", "nengo-dl"}
        Core Nengo takes one sequence after the other, NengoDL :data:`MINIBATCH` side by side.

    Raises
    ------
    ConfigError
        If there is no such backend.
    """

    network: SpikingNetwork
    backend: Backend

    def __post_init__(self) -> None:
        if self.backend not in get_args(Backend):
            raise ConfigError(f"no backend named {self.backend!r}; known: nengo, nengo-dl")

    @classmethod
    def of(cls, runner: Any, backend: Backend) -> NengoMachine:
        """The network of a runner of the target ``spiking``.

        Raises
        ------
        ConfigError
            If the runner is another target's, or the backend unknown.
        """
        network = getattr(runner, "network", None)
        if not isinstance(network, SpikingNetwork):
            raise ConfigError(
                f"backend {backend!r} runs spiking networks: convert for the target spiking, or "
                "leave --backend out"
            )
        return cls(network, backend)

    @property
    def n_in(self) -> int:
        return self.network.n_in

    @property
    def n_out(self) -> int:
        return self.network.n_out

    @property
    def probes(self) -> tuple[str, ...]:
        """Names that :meth:`simulate` can be asked for."""
        return self.network.probes

    def simulate(self, x: Features, probes: Sequence[str] = ()) -> Execution:
        """See :class:`edgemem.energy.Simulated`."""
        check_sequences(x, self.network.n_in)
        built = build(self.network, probes)
        tally = _Tally(built, probes)
        with _open(self.backend, built, len(x)) as session:
            for first in range(0, len(x), session.batch):
                part = x[first : first + session.batch]
                tally.add(_frames(session, built, part.astype(np.float64)), *part.shape[:2])
        return tally.execution(len(x) * x.shape[1])


def _frames(session: Session, built: Spiking, x: Array) -> Iterator[Session]:
    """Run sequences from empty membranes, :data:`FRAMES` frames at a time.

    A batch and a block that are not full are filled up with silence.
    """
    more = [(0, session.batch - len(x)), (0, -x.shape[1] % FRAMES), (0, 0)]
    pulses = currents(built.network, np.pad(x, more))
    block = FRAMES * built.network.steps
    session.reset()
    for first in range(0, pulses.shape[1], block):
        session.run(pulses[:, first : first + block])
        yield session


class _Tally:
    """Collects what probes saw."""

    def __init__(self, built: Spiking, probes: Sequence[str]) -> None:
        self._built = built
        self._network = built.network
        self._sent = {p.name: np.zeros(p.size, np.int64) for p in built.network.populations}
        self._outputs: list[Array] = []
        self._values: dict[str, list[Array]] = {name: [] for name in probes}
        self._spikes: dict[str, list[Signs]] = {n: [] for n in probes if n in built.spikes}

    def add(self, blocks: Iterator[Session], n: int, t: int) -> None:
        """The blocks of ``t`` frames of ``n`` sequences."""
        outputs: list[Array] = []
        values: dict[str, list[Array]] = {name: [] for name in self._values}
        spikes: dict[str, list[Signs]] = {name: [] for name in self._spikes}
        for first, session in zip(range(0, t, FRAMES), blocks):
            left = (n, min(FRAMES, t - first))
            outputs.append(self._last(session, self._built.output, left))
            for name, found in values.items():
                found.append(self._last(session, self._built.values[name], left))
            for name, probe in self._built.spikes.items():
                train = self._framed(session, probe, left) * self._network.dt
                signs = np.rint(train).astype(np.int8)
                self._sent[name] += np.abs(signs).sum(axis=(0, 1, 2), dtype=np.int64)
                if name in spikes:
                    spikes[name].append(signs)
        self._outputs.append(np.concatenate(outputs, axis=1))
        for name, found in values.items():
            self._values[name].append(np.concatenate(found, axis=1))
        for name, sent in spikes.items():
            self._spikes[name].append(np.concatenate(sent, axis=1))

    def execution(self, frames: int) -> Execution:
        """All of it."""
        shapes = self._network.graph.shapes()
        values = {name: np.concatenate(found) for name, found in self._values.items()}
        return Execution(
            np.concatenate(self._outputs).astype(np.float32),
            counted(self._network, self._sent, frames),
            activities(self._network, self._sent, frames),
            {name: v.reshape(*v.shape[:2], *shapes[name]) for name, v in values.items()},
            {name: np.concatenate(found) for name, found in self._spikes.items()},
        )

    def _framed(self, session: Session, probe: Any, left: tuple[int, int]) -> Array:
        """What a probe saw of each step, (n, t, steps, size)."""
        seen = session.take(probe)
        framed = seen.reshape(len(seen), -1, self._network.steps, seen.shape[-1])
        return framed[: left[0], : left[1]]

    def _last(self, session: Session, probe: Any, left: tuple[int, int]) -> Array:
        """What a membrane held at the end of each frame, (n, t, size)."""
        return self._framed(session, probe, left)[:, :, -1]


def _open(backend: Backend, built: Spiking, n: int) -> AbstractContextManager[Session]:
    if backend == "nengo":
        return _Core(built)
    from edgemem.networks.spiking_dl import open_session

    return open_session(built, min(n, MINIBATCH))


class _Core(AbstractContextManager[Session]):
    """Core Nengo: one sequence at a time, in float64."""

    batch = 1

    def __init__(self, built: Spiking) -> None:
        self._dt = built.network.dt
        self._pulses: Array = np.zeros((0, built.network.n_in))
        self._before = built.input.output
        self._input = built.input
        built.input.output = self._play
        self._simulator = nengo.Simulator(built, dt=self._dt, progress_bar=False)

    def __exit__(self, *error: Any) -> None:
        self._simulator.close()
        self._input.output = self._before

    def reset(self) -> None:
        self._simulator.reset()
        self._first = 0

    def run(self, pulses: Array) -> None:
        self._first = self._simulator.n_steps
        self._pulses = pulses[0]
        self._simulator.clear_probes()
        self._simulator.run_steps(pulses.shape[1])

    def take(self, probe: Any) -> Array:
        return np.array(self._simulator.data[probe])[None]

    def _play(self, t: float) -> Array:
        step = round(t / self._dt) - 1 - self._first if len(self._pulses) else -1
        return np.asarray(self._pulses[step] if step >= 0 else np.zeros(self._pulses.shape[1]))
