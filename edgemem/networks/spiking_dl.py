"""Spiking networks in NengoDL: units and membranes in TensorFlow, sequences side by side.

Importing this module teaches NengoDL the parts of :mod:`edgemem.networks.spiking_units`.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from importlib import import_module
from typing import Any

import numpy as np
from nengo.builder.processes import SimProcess, build_process

from edgemem.frameworks import nengo_dl, tf
from edgemem.networks.spiking_build import Spiking
from edgemem.networks.spiking_units import (
    FrameProcess,
    Gate,
    IdentitySpikes,
    Latch,
    Membrane,
    ReluSpikes,
    SigmoidSpikes,
    TanhSpikes,
)
from edgemem.ops import Array
from edgemem.spiking.fire import THRESHOLD

Tensor = Any
_builder: Any = import_module("nengo_dl.builder")
_neurons: Any = import_module("nengo_dl.neuron_builders")
Builder, NengoBuilder = _builder.Builder, _builder.NengoBuilder
SimNeuronsBuilder = _neurons.SimNeuronsBuilder
OpBuilder: Any = _builder.OpBuilder
TFNeuronBuilder: Any = _neurons.TFNeuronBuilder


class _WindowedSpikes(TFNeuronBuilder):  # type: ignore[misc]
    """:class:`edgemem.networks.spiking_units.WindowedSpikes`, several populations at once."""

    function: Callable[[Tensor], Tensor]

    def build_pre(self, signals: Any, config: Any) -> None:
        # the base class knows amplitudes that are one number only
        OpBuilder.build_pre(self, signals, config)
        self.J_data = signals.combine([op.J for op in self.ops])
        self.output_data = signals.combine([op.output for op in self.ops])
        self.state_data = {
            name: signals.combine([op.state[name] for op in self.ops]) for name in self.ops[0].state
        }
        self._spike = self._constant(signals, lambda units: units.amplitude / units.window)
        self._start = self._constant(signals, lambda units: units.start)
        self._end = self._constant(signals, lambda units: units.start + units.window)
        self._steps = self._constant(signals, lambda units: units.steps)
        self._window = self._constant(signals, lambda units: units.window)
        self._keeps = self._constant(signals, lambda units: float(units.keeps))
        self._carries = self._constant(signals, lambda units: float(units.carries))

    def _constant(self, signals: Any, of: Callable[[Any], Any]) -> Tensor:
        """A number of each unit, (1, n_units)."""
        values = [np.broadcast_to(of(op.neurons), op.J.shape) for op in self.ops]
        return tf.constant(np.concatenate(values)[None], signals.dtype)

    def step(
        self,
        J: Tensor,
        dt: Tensor,
        voltage: Tensor,
        charge: Tensor,
        sent: Tensor,
        rate: Tensor,
        clock: Tensor,
    ) -> tuple[Tensor, ...]:
        kept = tf.where(clock < 0.5, self._keeps, 1.0)
        charge, sent = kept * charge + J * dt, kept * sent
        starts = tf.abs(clock - self._start) < 0.5
        fires = tf.logical_and(clock > self._start - 0.5, clock < self._end - 0.5)
        value = type(self).function(charge) / self._spike
        rate = tf.where(starts, tf.clip_by_value((value - sent) / self._window, -1.0, 1.0), rate)
        voltage = tf.where(starts, self._carries, 1.0) * voltage
        voltage = voltage + tf.where(fires, rate, 0.0)
        # outside its window a unit rests within half a spike of zero, and sends none
        spikes = tf.floor(voltage + (1.0 - THRESHOLD))
        clock = clock + 1.0
        return (
            spikes / dt,
            voltage - spikes,
            charge,
            sent + spikes,
            rate,
            tf.where(clock > self._steps - 0.5, 0.0, clock),
        )


class _Tanh(_WindowedSpikes):
    function = staticmethod(tf.tanh)


class _Sigmoid(_WindowedSpikes):
    function = staticmethod(tf.sigmoid)


class _Relu(_WindowedSpikes):
    function = staticmethod(tf.nn.relu)


class _Identity(_WindowedSpikes):
    function = staticmethod(tf.identity)


SimNeuronsBuilder.TF_NEURON_IMPL.update(
    {TanhSpikes: _Tanh, SigmoidSpikes: _Sigmoid, ReluSpikes: _Relu, IdentitySpikes: _Identity}
)


class _SimFrame(SimProcess):  # type: ignore[misc]
    """A :class:`FrameProcess` as an operator with a builder of its own."""


class _SimMembrane(_SimFrame):
    pass


class _SimLatch(_SimFrame):
    pass


class _SimGate(_SimFrame):
    pass


@NengoBuilder.register(FrameProcess)  # type: ignore[untyped-decorator]
def _build_frame_process(
    model: Any, process: FrameProcess, sig_in: Any = None, sig_out: Any = None, mode: str = "set"
) -> Any:
    found = build_process(model, process, sig_in, sig_out, mode)
    # the operator that was just added, under the class whose builder is below
    model.operators[-1].__class__ = _OPERATORS[type(process)]
    return found


_OPERATORS = {Membrane: _SimMembrane, Latch: _SimLatch, Gate: _SimGate}


class _FrameBuilder(OpBuilder, ABC):  # type: ignore[misc]
    """Membranes of several operators at once; all of one kind."""

    def build_pre(self, signals: Any, config: Any) -> None:
        super().build_pre(signals, config)
        inputs = self.ops[0].process.inputs
        self._input = signals.combine([op.input for op in self.ops])
        self._places = _places([op.output.shape[0] for op in self.ops], inputs)
        self._output = signals.combine([op.output for op in self.ops])
        self._clock = signals.combine([op.state["clock"] for op in self.ops])
        self._charges = [
            signals.combine([op.state[f"charge{i}"] for op in self.ops]) for i in range(inputs)
        ]
        steps = [np.full(op.output.shape, op.process.steps) for op in self.ops]
        self._steps = tf.constant(np.concatenate(steps)[None], signals.dtype)
        keeps = [np.full(op.output.shape, op.process.keeps) for op in self.ops]
        self._clears = tf.constant(~np.concatenate(keeps)[None])

    def build_step(self, signals: Any) -> None:
        clock = signals.gather(self._clock)
        brought = signals.gather(self._input) * signals.dt
        given = [tf.gather(brought, places, axis=1) for places in self._places]
        charges = [signals.gather(x) for x in self._charges]
        begins = clock < 0.5
        clears = tf.logical_and(begins, self._clears)
        cleared = [tf.where(clears, 0.0, charge) for charge in charges]
        output, held = self.output(begins, cleared, given, signals.dt)
        signals.scatter(self._output, output)
        for data, charge in zip(self._charges, held):
            signals.scatter(data, charge)
        clock = clock + 1.0
        signals.scatter(self._clock, tf.where(clock > self._steps - 0.5, 0.0, clock))

    @abstractmethod
    def output(
        self, begins: Tensor, charges: Sequence[Tensor], given: Sequence[Tensor], dt: Tensor
    ) -> tuple[Tensor, Sequence[Tensor]]:
        """Output of a step, and what membranes hold after it."""

    @staticmethod
    def mergeable(x: Any, y: Any) -> bool:
        return True


def _places(sizes: Sequence[int], inputs: int) -> list[Array]:
    """Where each of the inputs lies, of operators of these sizes one behind the other."""
    starts = inputs * np.cumsum([0, *sizes[:-1]])
    return [
        np.concatenate([np.arange(n) + start + i * n for start, n in zip(starts, sizes)])
        for i in range(inputs)
    ]


@Builder.register(_SimMembrane)
class _MembraneBuilder(_FrameBuilder):
    def output(
        self, begins: Tensor, charges: Sequence[Tensor], given: Sequence[Tensor], dt: Tensor
    ) -> tuple[Tensor, Sequence[Tensor]]:
        held = charges[0] + given[0]
        return held, [held]


@Builder.register(_SimLatch)
class _LatchBuilder(_FrameBuilder):
    def output(
        self, begins: Tensor, charges: Sequence[Tensor], given: Sequence[Tensor], dt: Tensor
    ) -> tuple[Tensor, Sequence[Tensor]]:
        held = charges[0] + given[0]
        return tf.where(begins, held / dt, 0.0), [tf.where(begins, 0.0, held)]


@Builder.register(_SimGate)
class _GateBuilder(_FrameBuilder):
    def output(
        self, begins: Tensor, charges: Sequence[Tensor], given: Sequence[Tensor], dt: Tensor
    ) -> tuple[Tensor, Sequence[Tensor]]:
        (A, B), (a, b) = charges, given
        return (a * (B + b) + A * b) / dt, [A + a, B + b]


class DLSession(AbstractContextManager["DLSession"]):
    """A simulator of NengoDL: see :class:`edgemem.networks.spiking.Session`."""

    def __init__(self, built: Spiking, batch: int) -> None:
        self.batch = batch
        self._input = built.input
        with built:
            nengo_dl.configure_settings(inference_only=True)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="No GPU support detected")
            self._simulator = nengo_dl.Simulator(
                built, dt=built.network.dt, minibatch_size=batch, progress_bar=False
            )

    def __exit__(self, *error: Any) -> None:
        self._simulator.close()

    def reset(self) -> None:
        self._simulator.reset()

    def run(self, pulses: Array) -> None:
        self._seen = self._simulator.predict_on_batch({self._input: pulses}, stateful=True)

    def take(self, probe: Any) -> Array:
        return np.asarray(self._seen[probe], np.float64)


def open_session(built: Spiking, batch: int) -> DLSession:
    """A simulator that runs ``batch`` sequences side by side."""
    return DLSession(built, batch)
