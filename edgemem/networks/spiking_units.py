"""What a spiking network is built of in Nengo: units that fire in windows, and membranes.

Time is cut into frames of ``steps`` simulator steps. What travels are currents, a spike of one step
or one step's pulse at the start of a frame, and membranes integrate them to values. Membranes that
``keep`` go on from frame to frame, so that currents say how values change; others start each frame
empty, so that currents say what they are.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import nengo
import numpy as np
from nengo.dists import Choice
from nengo.neurons import NeuronType
from nengo.params import BoolParam, IntParam, NdarrayParam

from edgemem.ops import Array, FloatOps
from edgemem.spiking.fire import THRESHOLD

Step = Callable[..., Array]


class WindowedSpikes(NeuronType, ABC):  # type: ignore[misc]
    """Integrate-and-fire units that fire within one window of each frame.

    A unit integrates its input to a ``charge``. In the window its membrane ``v`` grows at every
    step by ``clip(f(charge) / amplitude - sent / window, -1, 1)``; where it is half a spike or
    more, a spike is sent (of height ``1 / dt``, with its sign) and taken off ``v``. ``sent`` is the
    number of spikes before the window if the unit keeps, else 0.

    Parameters
    ----------
    steps : int
        Simulator steps of a frame.
    start, window : int
        First step of the window, and its length.
    amplitude : (n_units,) array
        Value at which a unit spikes in every step of its window.
    keeps : bool
        Whether charge and number of spikes are kept from frame to frame.
    carries : bool
        Whether ``v`` is kept from window to window; otherwise it starts each at zero.
    """

    spiking = True
    negative = True
    state: ClassVar[dict[str, Any]] = {
        "voltage": Choice([0.0]),
        "charge": Choice([0.0]),
        "sent": Choice([0.0]),
        "rate": Choice([0.0]),
        "clock": Choice([0.0]),
    }
    probeable = ("output", "input", "voltage", "charge", "rate")

    steps = IntParam("steps", low=1)
    start = IntParam("start", low=0)
    window = IntParam("window", low=1)
    amplitude = NdarrayParam("amplitude", shape=("*",), dtype=np.float64)
    keeps = BoolParam("keeps")
    carries = BoolParam("carries")

    def __init__(
        self,
        steps: int,
        start: int,
        window: int,
        amplitude: Array,
        keeps: bool = False,
        carries: bool = False,
    ) -> None:
        super().__init__()
        self.steps = steps
        self.start = start
        self.window = window
        self.amplitude = amplitude
        self.keeps = keeps
        self.carries = carries

    @abstractmethod
    def function(self, charge: Array) -> Array:
        """From what a membrane has integrated to the value that its spikes stand for."""

    def gain_bias(self, max_rates: Array, intercepts: Array) -> tuple[Array, Array]:
        return np.ones_like(max_rates), np.zeros_like(max_rates)

    def max_rates_intercepts(self, gain: Array, bias: Array) -> tuple[Array, Array]:
        return np.ones_like(gain), np.zeros_like(gain)

    def step(self, dt: float, J: Array, output: Array, **state: Array) -> None:
        voltage, charge, rate = state["voltage"], state["charge"], state["rate"]
        sent, clock = state["sent"], state["clock"]
        now = int(clock[0])
        if now == 0 and not self.keeps:
            charge[...] = 0.0
            sent[...] = 0.0
        charge += J * dt
        output[...] = 0.0
        if now == self.start:
            value = self.function(charge) / (self.amplitude / self.window)
            rate[...] = np.clip((value - sent) / self.window, -1.0, 1.0)
            voltage *= self.carries
        if self.start <= now < self.start + self.window:
            voltage += rate
            spikes = np.floor(voltage + (1.0 - THRESHOLD))
            voltage -= spikes
            sent += spikes
            output[...] = spikes / dt
        clock[...] = (now + 1) % self.steps


class TanhSpikes(WindowedSpikes):
    """:class:`WindowedSpikes` with ``f = tanh``."""

    def function(self, charge: Array) -> Array:
        return np.tanh(charge)


class SigmoidSpikes(WindowedSpikes):
    """:class:`WindowedSpikes` with the logistic function."""

    def function(self, charge: Array) -> Array:
        return FloatOps().sigmoid(charge)


class ReluSpikes(WindowedSpikes):
    """:class:`WindowedSpikes` with ``f(a) = max(a, 0)``."""

    def function(self, charge: Array) -> Array:
        return np.maximum(charge, 0.0)


class IdentitySpikes(WindowedSpikes):
    """:class:`WindowedSpikes` that send what their membranes hold."""

    def function(self, charge: Array) -> Array:
        return charge


UNITS: dict[str, Callable[..., WindowedSpikes]] = {
    "tanh": TanhSpikes,
    "sigmoid": SigmoidSpikes,
    "relu": ReluSpikes,
    "identity": IdentitySpikes,
}
"""By the names of :class:`edgemem.spiking.Population`."""


class FrameProcess(nengo.Process, ABC):  # type: ignore[misc]
    """A membrane with a clock that counts the steps of a frame.

    Parameters
    ----------
    size : int
        Of the output.
    steps : int
        Simulator steps of a frame.
    keeps : bool
        Whether it goes on from frame to frame.
    """

    size = IntParam("size", low=1)
    steps = IntParam("steps", low=1)
    keeps = BoolParam("keeps")

    inputs: ClassVar[int] = 1
    """Inputs of the size of the output, one behind the other."""

    def __init__(self, size: int, steps: int, keeps: bool) -> None:
        super().__init__(default_size_in=self.inputs * size, default_size_out=size)
        self.size = size
        self.steps = steps
        self.keeps = keeps

    def make_state(
        self, shape_in: Any, shape_out: Any, dt: float, dtype: Any = None
    ) -> dict[str, Array]:
        return {
            "clock": np.zeros(shape_out, dtype),
            **{f"charge{i}": np.zeros(shape_out, dtype) for i in range(self.inputs)},
        }

    def make_step(
        self, shape_in: Any, shape_out: Any, dt: float, rng: Any, state: dict[str, Array]
    ) -> Step:
        clock = state["clock"]
        charges = [state[f"charge{i}"] for i in range(self.inputs)]

        def step(t: float, x: Array | None = None) -> Array:
            now = int(clock[0])
            clock[...] = (now + 1) % self.steps
            given = [] if x is None else np.split(x * dt, self.inputs)
            return self.output(now, charges, given, dt)

        return step

    @abstractmethod
    def output(self, now: int, charges: list[Array], given: list[Array], dt: float) -> Array:
        """Output of the step ``now`` of a frame; ``charges`` are updated in place."""


class Membrane(FrameProcess):
    """What the input has brought."""

    def output(self, now: int, charges: list[Array], given: list[Array], dt: float) -> Array:
        if now == 0 and not self.keeps:
            charges[0][...] = 0.0
        charges[0] += given[0]
        return charges[0].copy()


class Latch(FrameProcess):
    """At the start of each frame a pulse with all that has come since the last one.

    Its input is late by one step (``synapse=0``), so that it holds a whole frame.
    """

    def output(self, now: int, charges: list[Array], given: list[Array], dt: float) -> Array:
        charges[0] += given[0]
        if now != 0:
            return np.zeros_like(charges[0])
        pulse: Array = charges[0] / dt
        charges[0][...] = 0.0
        return pulse


class Gate(FrameProcess):
    """The product of two values: each spike of one adds the other as it stands.

    With ``A`` and ``B`` what the two have brought, a step in which they grow by ``a`` and ``b``
    adds ``a (B + b) + A b``, and all steps together ``A B``.
    """

    inputs: ClassVar[int] = 2

    def output(self, now: int, charges: list[Array], given: list[Array], dt: float) -> Array:
        (A, B), (a, b) = charges, given
        if now == 0 and not self.keeps:
            A[...] = 0.0
            B[...] = 0.0
        change = a * (B + b) + A * b
        A += a
        B += b
        return np.asarray(change / dt)


class Begin(nengo.Process):  # type: ignore[misc]
    """A pulse of one at the start of each frame, or of the first one; without input.

    Parameters
    ----------
    steps : int
        Simulator steps of a frame.
    once : bool
        Whether only the first frame has one.
    """

    steps = IntParam("steps", low=1)
    once = BoolParam("once")

    def __init__(self, steps: int, once: bool) -> None:
        super().__init__(default_size_in=0, default_size_out=1)
        self.steps = steps
        self.once = once

    def make_step(
        self, shape_in: Any, shape_out: Any, dt: float, rng: Any, state: dict[str, Array]
    ) -> Step:
        def step(t: float) -> Array:
            now = round(t / dt) - 1  # t is dt at the first step
            return np.array([float((now if self.once else now % self.steps) == 0) / dt])

        return step
