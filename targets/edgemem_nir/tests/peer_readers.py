"""NIR files of edgemem in simulators that read NIR: Norse, snnTorch, and NIRTorch's interpreter.

``scripts/test-peers`` runs it; PyTorch is no part of the test install.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from pathlib import Path

import nir
import nirtorch
import numpy as np
import numpy.typing as npt
import pytest
import torch

import edgemem_nir
from edgemem import model, pretrained
from edgemem.cells import LMU, Cell, Dense, Norm, Stack
from edgemem.ir import trace
from edgemem.runtime.detector import decide
from edgemem.spiking.lif import LIFNetwork, Population, Projection
from edgemem_nir.executor import Executor
from edgemem_nir.lower import lower
from edgemem_nir.writing import to_bytes

with warnings.catch_warnings():
    # Norse is written for an older PyTorch and an older NIRTorch, which say so
    warnings.simplefilter("ignore", DeprecationWarning)
    import norse.torch
    import snntorch
    from snntorch.export_nir import export_to_nir
    from snntorch.import_nir import import_from_nir

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

Array = npt.NDArray[np.float64]
Module = Callable[..., tuple[torch.Tensor, object]]

N_IN, N_UNITS, N_STEPS = 6, 12, 300
SNNTORCH_DT = 1e-4
"""The step that snnTorch's importer takes, whatever the file says."""


def spikes(seed: int = 0) -> Array:
    return (np.random.default_rng(seed).random((5, N_STEPS, N_IN)) < 0.2).astype(float)


def network(
    tau_syn: float, tau_mem: float, dt: float, recurrent: bool, layers: int = 1
) -> LIFNetwork:
    """Populations in a row, each with synapses on itself if ``recurrent``."""
    rng = np.random.default_rng(layers)
    populations, projections, source, n_source = {}, [], "x", N_IN
    for layer in range(layers):
        name = f"layer{layer}"
        populations[name] = Population(
            N_UNITS, tau_syn, tau_mem, np.full(N_UNITS, 0.2), np.zeros(N_UNITS)
        )
        projections.append(Projection(source, name, rng.normal(size=(N_UNITS, n_source))))
        if recurrent:
            weights = 0.4 * rng.normal(size=(N_UNITS, N_UNITS))
            projections.append(Projection(name, name, weights))
        source, n_source = name, N_UNITS
    return LIFNetwork(dt, {"x": N_IN}, populations, tuple(projections))


def ours(path: Path, x: Array) -> Array:
    executor = Executor(edgemem_nir.read(path))
    return executor.run({executor.inputs[0]: x})[executor.outputs[0]]


def theirs(module: Module, x: Array) -> Array:
    """What a PyTorch module gives, step by step."""
    state, outputs = None, []
    for t in range(x.shape[1]):
        y, state = module(torch.tensor(x[:, t], dtype=torch.float32), state)
        outputs.append(y.detach().numpy())
    return np.stack(outputs, axis=1)


def check_spikes(theirs: Array, ours: Array) -> None:
    """Every spike of every neuron in its own step; and a run in which something happens."""
    assert 0.02 < ours.mean() < 0.9
    np.testing.assert_array_equal(theirs, ours)


@pytest.mark.parametrize("recurrent", [False, True])
@pytest.mark.parametrize("tau_syn", [0.0, 0.004])
def test_norse_spikes_alike(tmp_path: Path, tau_syn: float, recurrent: bool) -> None:
    path, x = tmp_path / "net.nir", spikes()
    edgemem_nir.write(network(tau_syn, 0.01, 1e-3, recurrent), path)
    module = norse.torch.from_nir(nir.read(path), dt=1e-3)
    check_spikes(theirs(module, x), ours(path, x))


def test_norse_two_layers(tmp_path: Path) -> None:
    path, x = tmp_path / "net.nir", spikes()
    edgemem_nir.write(network(0.004, 0.01, 1e-3, recurrent=False, layers=2), path)
    module = norse.torch.from_nir(nir.read(path), dt=1e-3)
    check_spikes(theirs(module, x), ours(path, x))


def test_norse_integrate_and_fire(tmp_path: Path) -> None:
    path, x = tmp_path / "net.nir", spikes()
    edgemem_nir.write(network(0.0, np.inf, 1e-3, recurrent=False), path)
    module = norse.torch.from_nir(nir.read(path), ignore_warnings=True, dt=1e-3)
    check_spikes(theirs(module, x), ours(path, x))


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("tau_syn", [0.0, 4e-4])
def test_snntorch_spikes_alike(tmp_path: Path, tau_syn: float, layers: int) -> None:
    path, x = tmp_path / "net.nir", spikes()
    edgemem_nir.write(network(tau_syn, 1e-3, SNNTORCH_DT, recurrent=False, layers=layers), path)
    check_spikes(theirs(import_from_nir(nir.read(path)), x), ours(path, x))


def test_snntorch_sends_a_recurrent_layer_s_input_through_its_recurrent_weights(
    tmp_path: Path,
) -> None:
    """snnTorch 1.0.0 does not keep to the graph here; with what it does instead, spikes agree."""
    path, x = tmp_path / "net.nir", spikes()
    net = network(0.0, 1e-3, SNNTORCH_DT, recurrent=True)
    edgemem_nir.write(net, path)
    found = theirs(import_from_nir(nir.read(path)), x)
    assert np.mean(found != ours(path, x)) > 0.05
    forward, recurrent = (p.weights for p in net.projections)
    v, s, expected = np.zeros((5, N_UNITS)), np.zeros((5, N_UNITS)), []
    for t in range(N_STEPS):
        current = (x[:, t] @ forward.T + s) @ recurrent.T
        v = v - np.expm1(-SNNTORCH_DT / 1e-3) * (current - v)
        s = (v > 0.2).astype(float)
        v = v * (1 - s)
        expected.append(s)
    check_spikes(found, np.stack(expected, axis=1))


SHARED = {
    "threshold": torch.full((N_UNITS,), 0.4),
    "reset_mechanism": "zero",
    "reset_delay": False,
    "init_hidden": True,
}
SNNTORCH: dict[str, Callable[[], torch.nn.Module]] = {
    "Leaky": lambda: snntorch.Leaky(beta=torch.full((N_UNITS,), 0.9), **SHARED),
    "Synaptic": lambda: snntorch.Synaptic(
        alpha=torch.full((N_UNITS,), 0.8), beta=torch.full((N_UNITS,), 0.9), **SHARED
    ),
    "RLeaky": lambda: snntorch.RLeaky(beta=0.9, linear_features=N_UNITS, **SHARED),
}


@pytest.mark.parametrize("name", SNNTORCH)
def test_reads_what_snntorch_writes(tmp_path: Path, name: str) -> None:
    torch.manual_seed(0)
    layers = torch.nn.Sequential(torch.nn.Linear(N_IN, N_UNITS), SNNTORCH[name]())
    path, x = tmp_path / "net.nir", spikes()
    nir.write(path, export_to_nir(layers, torch.zeros(N_IN)))
    executor = Executor(edgemem_nir.read(path), SNNTORCH_DT)
    found = executor.run({executor.inputs[0]: x})[executor.outputs[0]]
    check_spikes(theirs(lambda frame, _: (layers(frame), None), x), found)


def test_reads_what_norse_writes(tmp_path: Path) -> None:
    torch.manual_seed(0)
    neurons = norse.torch.LIFBoxParameters(
        tau_mem_inv=torch.full((N_UNITS,), 100.0),
        v_th=torch.full((N_UNITS,), 0.2),
        v_leak=torch.zeros(N_UNITS),
    )
    layers = norse.torch.SequentialState(
        torch.nn.Linear(N_IN, N_UNITS), norse.torch.LIFBoxCell(neurons), torch.nn.Linear(N_UNITS, 4)
    )
    path, x = tmp_path / "net.nir", spikes()
    # Norse 1.1.0 writes dt * tau, so that only dt = 1 gives what its reader takes
    nir.write(path, norse.torch.to_nir(layers, torch.zeros(1, N_IN), dt=1.0))
    executor = Executor(edgemem_nir.read(path), 1e-3)
    found = executor.run({executor.inputs[0]: x})[executor.outputs[0]]
    np.testing.assert_allclose(theirs(layers, x), found, atol=1e-6)


class Integrator(torch.nn.Module):  # type: ignore[misc]
    """The node I, which none of the three runs by itself, at ``dt`` seconds a step."""

    def __init__(self, node: nir.I, dt: float) -> None:
        super().__init__()
        self.gain = torch.tensor(dt * node.r)

    def forward(self, x, state=None):  # type: ignore[no-untyped-def]
        v = (0 if state is None else state) + self.gain * x
        return v, v


class LeakyIntegrator(torch.nn.Module):  # type: ignore[misc]
    """The node LI, at ``dt`` seconds a step."""

    def __init__(self, node: nir.LI, dt: float) -> None:
        super().__init__()
        self.rate, self.r = torch.tensor(dt / node.tau), torch.tensor(node.r)

    def forward(self, x, state=None):  # type: ignore[no-untyped-def]
        v = 0 if state is None else state
        v = v + self.rate * (self.r * x - v)
        return v, v


def affine(node: nir.Affine) -> torch.nn.Linear:
    """NIRTorch 2.6's own map forgets the bias."""
    layer = torch.nn.Linear(node.weight.shape[1], node.weight.shape[0])
    layer.weight.data, layer.bias.data = torch.tensor(node.weight), torch.tensor(node.bias)
    return layer


LAYER = LMU(8, 8, 6, 12.0, 2, input_to_hidden=True, activation="linear")
CELLS: dict[str, Cell] = {
    "memory": Stack((Norm(N_IN), LMU(N_IN, 8, 6, 9.0, 4, activation="linear"), Dense(8, 3))),
    "all couplings": LMU(N_IN, 8, 6, 20.0, 2, True, True, True, True, True, "linear"),
    "stack": Stack((LMU(N_IN, 8, 12, 50.0, activation="linear"), Norm(8), LAYER, Dense(8, 3))),
}


@pytest.mark.parametrize("name", CELLS)
def test_nirtorch_runs_a_linear_memory(name: str) -> None:
    """Whole graphs with their cycles, in NIRTorch's order: what ``h`` reads is the new ``m``."""
    cell, dt = CELLS[name], 0.02
    rng = np.random.default_rng(3)
    params = {key: 0.3 * rng.normal(size=shape) for key, shape in cell.params.items()}
    graph = trace(cell, params)
    module = nirtorch.nir_to_torch(
        nir.read(io.BytesIO(to_bytes(lower(graph, dt)))),
        {
            nir.Affine: affine,
            nir.I: lambda node: Integrator(node, dt),
            nir.LI: lambda node: LeakyIntegrator(node, dt),
        },
    )
    x = rng.normal(size=(3, 100, N_IN))
    expected, _ = graph.scan(x)
    error = np.sqrt(np.mean((theirs(module, x) - expected) ** 2) / np.mean(expected**2))
    assert error < 1e-5


class Neurons(torch.nn.Module):  # type: ignore[misc]
    """Norse's LIF at ``dt`` seconds a step, whose state NIRTorch keeps."""

    def __init__(self, node: nir.LIF, dt: float) -> None:
        super().__init__()
        parameters = norse.torch.LIFBoxParameters(
            tau_mem_inv=torch.tensor(1 / node.tau),
            v_th=torch.tensor(node.v_threshold),
            v_leak=torch.tensor(node.v_leak),
            reset_method=norse.torch.functional.reset.reset_value,
        )
        self.cell = norse.torch.LIFBoxCell(parameters, dt=dt)

    def forward(self, x, state=None):  # type: ignore[no-untyped-def]
        return self.cell(x, state)


def test_nirtorch_runs_a_trained_network() -> None:
    """The pretrained network of keywords, its relu units as comparators: the same decisions."""
    trained = model.load(pretrained.resolve("kws12-lmu-small", pretrained.MODEL))
    network = lower(trained.graph(), 0.02, trained.calibration.features, 32)
    x = trained.validation.features[::8].astype(float)
    executor = Executor(network)
    ours = executor.run({executor.inputs[0]: x})[executor.outputs[0]]
    module = nirtorch.nir_to_torch(
        nir.read(io.BytesIO(to_bytes(network))),
        {
            nir.Affine: affine,
            nir.I: lambda node: Integrator(node, 0.02),
            nir.LIF: lambda node: Neurons(node, 0.02),
        },
    )
    found = theirs(module, x)
    # an input on the edge of a level may fall otherwise in float32
    assert np.sqrt(np.mean((found - ours) ** 2) / np.mean(ours**2)) < 1e-2
    window = trained.detector.window
    np.testing.assert_array_equal(decide(found, window), decide(ours, window))
