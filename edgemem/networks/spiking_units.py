"""What a spiking network is built of in Nengo: units that fire in windows, and membranes.

Time is cut into frames of ``steps`` simulator steps. What travels are currents whose integral over
a frame is a value: a spike of one step, or one step's pulse at the start of a frame. Membranes
integrate them from the frame's first step on.
"""

from __future__ import annotations

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


class WindowedSpikes(NeuronType):  # type: ignore[misc]
    """Integrate-and-fire units that fire within one window of each frame.

    A unit integrates its input from the frame's first step on. In the window its membrane ``v``
    grows at every step by ``clip(f(charge) / amplitude, -1, 1)``; where it is half a spike or more,
    a spike is sent (of height ``1 / dt``, with its sign) and taken off ``v``.

    Parameters
    ----------
    steps : int
        Simulator steps of a frame.
    start, window : int
        First step of the window, and its length.
    amplitude : (n_units,) array
        Charge, behind the function ``f``, at which a unit spikes in every step of its window.
    carries : bool
        Whether ``v`` is kept from window to window; otherwise it starts each at zero.
    """

    spiking = True
    negative = True
    state: ClassVar[dict[str, Any]] = {
        "voltage": Choice([0.0]),
        "charge": Choice([0.0]),
        "clock": Choice([0.0]),
    }
    probeable = ("output", "input", "voltage", "charge")

    steps = IntParam("steps", low=1)
    start = IntParam("start", low=0)
    window = IntParam("window", low=1)
    amplitude = NdarrayParam("amplitude", shape=("*",), dtype=np.float64)
    carries = BoolParam("carries")

    def __init__(
        self, steps: int, start: int, window: int, amplitude: Array, carries: bool = False
    ) -> None:
        super().__init__()
        self.steps = steps
        self.start = start
        self.window = window
        self.amplitude = amplitude
        self.carries = carries

    def function(self, charge: Array) -> Array:
        """From what a membrane has integrated to the value that its spikes stand for."""
        raise NotImplementedError

    def gain_bias(self, max_rates: Array, intercepts: Array) -> tuple[Array, Array]:
        return np.ones_like(max_rates), np.zeros_like(max_rates)

    def max_rates_intercepts(self, gain: Array, bias: Array) -> tuple[Array, Array]:
        return np.ones_like(gain), np.zeros_like(gain)

    def step(self, dt: float, J: Array, output: Array, **state: Array) -> None:
        voltage, charge, clock = state["voltage"], state["charge"], state["clock"]
        now = int(clock[0])
        if now == 0:
            charge[...] = 0.0
        charge += J * dt
        output[...] = 0.0
        if self.start <= now < self.start + self.window:
            if now == self.start and not self.carries:
                voltage[...] = 0.0
            voltage += np.clip(self.function(charge) / self.amplitude, -1.0, 1.0)
            spikes = np.floor(voltage + (1.0 - THRESHOLD))
            voltage -= spikes
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


UNITS: dict[str, type[WindowedSpikes]] = {
    "tanh": TanhSpikes,
    "sigmoid": SigmoidSpikes,
    "relu": ReluSpikes,
    "identity": IdentitySpikes,
}
"""By the names of :class:`edgemem.spiking.Population`."""


class FrameProcess(nengo.Process):  # type: ignore[misc]
    """A membrane with a clock that counts the steps of a frame.

    Parameters
    ----------
    size : int
        Of the output.
    steps : int
        Simulator steps of a frame.
    """

    size = IntParam("size", low=1)
    steps = IntParam("steps", low=1)

    inputs: ClassVar[int] = 1
    """Inputs of the size of the output, one behind the other."""

    def __init__(self, size: int, steps: int) -> None:
        super().__init__(default_size_in=self.inputs * size, default_size_out=size)
        self.size = size
        self.steps = steps

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

    def output(self, now: int, charges: list[Array], given: list[Array], dt: float) -> Array:
        """Output of the step ``now`` of a frame; ``charges`` are updated in place."""
        raise NotImplementedError


class Membrane(FrameProcess):
    """What the input has brought since the frame began."""

    def output(self, now: int, charges: list[Array], given: list[Array], dt: float) -> Array:
        if now == 0:
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

    With ``A`` and ``B`` what the two have brought since the frame began, a step in which they grow
    by ``a`` and ``b`` adds ``a (B + b) + A b``, so that after the frame ``A B`` was added up.
    """

    inputs: ClassVar[int] = 2

    def output(self, now: int, charges: list[Array], given: list[Array], dt: float) -> Array:
        (A, B), (a, b) = charges, given
        if now == 0:
            A[...] = 0.0
            B[...] = 0.0
        change = a * (B + b) + A * b
        A += a
        B += b
        return np.asarray(change / dt)


class FrameStart(nengo.Process):  # type: ignore[misc]
    """A pulse of one at the start of each frame; without input.

    Parameters
    ----------
    steps : int
        Simulator steps of a frame.
    """

    steps = IntParam("steps", low=1)

    def __init__(self, steps: int) -> None:
        super().__init__(default_size_in=0, default_size_out=1)
        self.steps = steps

    def make_step(
        self, shape_in: Any, shape_out: Any, dt: float, rng: Any, state: dict[str, Array]
    ) -> Step:
        def step(t: float) -> Array:
            # t is dt at the first step
            return np.array([float(round(t / dt - 1) % self.steps == 0) / dt])

        return step
