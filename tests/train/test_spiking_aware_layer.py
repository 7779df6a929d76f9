"""The graph that trains on spikes: what it computes, its gradients, and its firing rates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgemem.cells import LEM, LMU, Cell, Dense, Stack
from edgemem.errors import ConfigError
from edgemem.frameworks import tf
from edgemem.ir import Graph, trace
from edgemem.ops import QUANTIZE, FloatOps
from edgemem.quantize.rounding import sources
from edgemem.spiking.network import Code, SpikingNetwork, prepare
from edgemem.spiking.populations import Plan
from edgemem.spiking.simulation import simulate
from edgemem.train.fused_spiking import FusedSpiking, mean_rates
from edgemem.train.spikes import amplitude_of, inverse_of, on_spikes
from edgemem.train.spiking_aware import SpikingAware

pytestmark = pytest.mark.training

BATCH, N_STEPS = 4, 9
STACKS = {
    "lmu": Stack(
        (
            LMU(3, 5, 4, 8.0, 3, input_to_hidden=True, use_bias=True, activation="relu"),
            LMU(5, 4, 3, 6.0, 2, activation="relu"),
            Dense(4, 2),
        )
    ),
    "lem": Stack((LEM(3, 5, 0.5), Dense(5, 2))),
}
STEPS = 20
AWARE = SpikingAware(epochs=1, learning_rate=0.01, steps=STEPS)


def sequences(seed: int = 1, n: int = BATCH) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.2, 1.0, (n, N_STEPS, 3)).astype(np.float32)


def drawn(cell: Cell) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    arrays = {n: rng.normal(0.0, 0.5, shape) for n, shape in cell.params.items()}
    return {**arrays, **cell.constants}


class Linear(SpikingNetwork):
    """Its memories read what they hold, as they do in training."""

    @property
    def plan(self) -> Plan:
        plan = super().plan
        reads = {
            name: tuple(r.removesuffix(":spikes") if r in plan.carried else r for r in inputs)
            for name, inputs in plan.reads.items()
        }
        memories = {n.name for n in self.graph.nodes if n.inputs[0] in self.graph.constants}
        kept = {name: reads[name] if name in memories else plan.reads[name] for name in reads}
        return replace(plan, reads=kept)


def network_of(name: str, code: Code = "delta") -> SpikingNetwork:
    cell = STACKS[name]
    return prepare(trace(cell, drawn(cell)), calibration(code), steps=STEPS, code=code)


def calibration(code: Code) -> np.ndarray:
    """Loud for changes, which training does not limit; quiet for values, which exceed them."""
    return (4.0 if code == "delta" else 0.5) * sequences(9, 16)


def as_trained(network: SpikingNetwork) -> SpikingNetwork:
    return Linear(network.graph, network.amplitudes, network.steps, network.code)


def rewritten(network: SpikingNetwork) -> Graph:
    graph = on_spikes(network)
    held = {amplitude_of(p): network.amplitudes[p.name] for p in network.populations}
    inverse = {inverse_of(p): 1.0 / network.amplitudes[p.name] for p in network.populations}
    return graph.with_params({**graph.params, **held, **inverse})


@pytest.mark.parametrize("name", STACKS)
@pytest.mark.parametrize("code", ["delta", "rate"])
def test_the_graph_computes_what_a_simulation_on_spikes_gives(name: str, code: Code) -> None:
    network = network_of(name, code)
    y, _ = rewritten(network).scan(sequences().astype(np.float64))
    expected = simulate(as_trained(network), sequences()).outputs
    np.testing.assert_allclose(y, expected, atol=1e-5)
    # and spikes are not floats
    floats, _ = network.graph.scan(sequences().astype(np.float64))
    assert np.abs(floats - expected).max() > 0.01


def built(name: str, code: Code = "delta") -> tuple[FusedSpiking, SpikingNetwork]:
    cell, aware = STACKS[name], replace(AWARE, code=code)
    layer = FusedSpiking(cell, drawn(cell), calibration(code), aware, N_STEPS, BATCH)
    layer.build(None)
    return layer, network_of(name, code)


class Shifted(FloatOps):
    """Rounding as the shift that it was along other weights, after the clip: smooth in between."""

    def __init__(self, shifts: list[np.ndarray] | None = None) -> None:
        self.shifts = [] if shifts is None else shifts
        self._given = None if shifts is None else iter(shifts)

    def quantize(self, a, scale, zero_point, lowest, highest):
        clipped = np.clip(a, scale * lowest, scale * highest)
        if self._given is not None:
            return clipped + next(self._given)
        self.shifts.append(super().quantize(a, scale, zero_point, lowest, highest) - clipped)
        return clipped + self.shifts[-1]


def outputs(graph: Graph, ops: FloatOps, weights: dict[str, np.ndarray]) -> np.ndarray:
    states, steps = graph.zero_state((BATCH,)), []
    for t in range(N_STEPS):
        x = sequences()[:, t].astype(np.float64)
        states, y = graph.evaluate(ops, {**graph.params, **weights}, states, x)
        steps.append(y)
    return np.stack(steps, axis=1)


@pytest.fixture(scope="module", params=[("lmu", "delta"), ("lem", "rate")], ids="-".join)
def layer_run(request):
    """Outputs and rates of a layer, and the gradients of a weighted sum of its outputs."""
    layer, network = built(*request.param)
    seen = np.random.default_rng(3).normal(size=(BATCH, N_STEPS, 2))

    @tf.function
    def run():
        with tf.GradientTape() as tape:
            found = layer(tf.constant(sequences().reshape(BATCH, -1)), training=False)
            y, rates = tf.split(found, [N_STEPS * 2, layer.n_rates], axis=1)
            total = tf.reduce_sum(y * seen.reshape(BATCH, -1).astype(np.float32))
        return y, rates, tape.gradient(total, dict(layer.arrays))

    return request.param[0], layer, network, seen, run()


def test_a_layer_gives_the_outputs_and_rates_of_a_simulation(layer_run) -> None:
    _, _, network, _, (y, rates, _) = layer_run
    run = simulate(as_trained(network), sequences())
    # single floats may send a spike more or less
    near = np.abs(y.numpy().reshape(run.outputs.shape) - run.outputs) < 1e-4
    assert near.mean() > 0.9
    expected = np.concatenate([a.sent / a.chances for a in run.populations])
    np.testing.assert_allclose(rates.numpy().mean(axis=0), expected, atol=0.02)


def test_gradients_pass_straight_through_the_spikes(layer_run) -> None:
    name, layer, network, seen, (_, _, found) = layer_run
    graph = rewritten(network)
    recorded = Shifted()
    outputs(graph, recorded, {})

    def loss(changed: dict[str, np.ndarray]) -> float:
        return float((outputs(graph, Shifted(recorded.shifts), changed) * seen).sum())

    rng = np.random.default_rng(4)
    for new, made_of in sources(STACKS[name]).items():
        array = graph.params[new]
        at = tuple(int(rng.integers(size)) for size in array.shape)
        moved = np.zeros(array.shape)
        moved[at] = 1e-6
        slope = (loss({new: array + moved}) - loss({new: array - moved})) / 2e-6
        unit = np.broadcast_to(layer._units[made_of[0]], array.shape)[at]
        ours = found[made_of[0]].numpy()[at] / unit
        assert ours == pytest.approx(slope, rel=0.02, abs=0.02), new


def test_rates_are_those_of_the_spikes_and_their_gradient_does_not_shrink_all_values() -> None:
    wanted = tf.constant(np.random.default_rng(5).normal(size=(BATCH, N_STEPS, 3, 2)))
    sent = tf.round(wanted * 4.0) / 4.0
    with tf.GradientTape() as tape:
        tape.watch(wanted)
        rates = mean_rates(sent, wanted)
    np.testing.assert_allclose(rates, np.abs(sent.numpy()).mean(axis=1).reshape(BATCH, 6))
    slope = tape.gradient(rates, wanted).numpy()
    # sum of d(mean |w| / rms(w)) / dw over sequences, times rms(w), by hand
    w = wanted.numpy()
    total, square = np.abs(w).mean(axis=1).sum(axis=0), (w**2).mean(axis=(0, 1))
    expected = np.sign(w) / N_STEPS - total * w / (BATCH * N_STEPS * square)
    np.testing.assert_allclose(slope, expected, atol=1e-6)
    np.testing.assert_allclose((slope * w).sum(axis=(0, 1)), 0.0, atol=1e-6)


def test_amplitudes_settle_on_those_of_a_conversion() -> None:
    layer, network = built("lem")
    layer.amplitudes[network.populations[0].name].assign(np.full(5, 7.0))
    layer.settle()
    for name, amplitude in network.amplitudes.items():
        np.testing.assert_allclose(layer.amplitudes[name].numpy(), amplitude, rtol=1e-5)


def test_steps_that_are_too_few_for_the_windows_of_a_frame_are_refused() -> None:
    cell = STACKS["lmu"]
    replace(AWARE, steps=4).check(cell, drawn(cell))
    with pytest.raises(ConfigError, match="takes 4 steps or more"):
        replace(AWARE, steps=3).check(cell, drawn(cell))


def test_only_counts_of_spikes_are_rounded() -> None:
    network = network_of("lmu")
    rounded = [n.name for n in rewritten(network).nodes if n.op == QUANTIZE]
    assert rounded == [f"{p.name}:held" for p in network.populations]
