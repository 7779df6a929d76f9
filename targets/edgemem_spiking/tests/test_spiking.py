"""The target's file: what it holds, and what is refused."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from edgemem import artefact
from edgemem.artefact import Artefact, Golden
from edgemem.cells import LEM
from edgemem.energy import Simulated
from edgemem.errors import ArtefactError, ConfigError, UnknownNameError
from edgemem.frontend import FrontEnd
from edgemem.ir import Graph, trace
from edgemem.target import Inspectable
from edgemem_spiking import TARGET, SpikingOptions
from edgemem_spiking.runner import SpikingRunner

CALIBRATION = np.random.default_rng(0).normal(size=(6, 40, 3)).astype(np.float32)


@dataclass(frozen=True)
class Net:
    """A model as far as the target reads it."""

    name: str = "net"
    labels: tuple[str, ...] = ("a", "b", "c", "d")
    scheme: None = None

    def graph(self) -> Graph:
        cell = LEM(3, 4)
        return trace(cell, cell.init(np.random.default_rng(1)))

    reference = graph


@dataclass(frozen=True)
class Hearing(Net):
    """One with a front end."""

    frontend: FrontEnd = field(default_factory=FrontEnd)


def converted(options: SpikingOptions, model: Net | None = None) -> Artefact:
    model = model or Net()
    made = TARGET.convert(model, options, CALIBRATION)
    golden = Golden(np.zeros((1, 1, 3), np.float32), np.zeros((1, 1, 4), np.float32))
    built = artefact.build(
        made.payload, {"target": "spiking", **made.facts}, model.labels, golden, made.parts
    )
    return artefact.from_bytes(artefact.to_bytes(built), "test.spiking")


def runner(options: SpikingOptions | None = None, model: Net | None = None) -> SpikingRunner:
    return SpikingRunner(converted(options or SpikingOptions(), model))


def test_options_reach_the_network() -> None:
    network = runner(SpikingOptions(32, "rate", 2.0, True)).network
    assert (network.steps, network.code, network.input_spikes) == (32, "rate", True)
    plain = runner(SpikingOptions(32, "rate", 1.0, True)).network
    np.testing.assert_allclose(2.0 * network.amplitudes["x"], plain.amplitudes["x"])


def test_a_frame_is_as_long_as_the_front_end_says() -> None:
    assert runner(model=Hearing()).network.hop == FrontEnd().frame_period
    assert runner().network.hop == 0.01


def test_steps_and_simulation_agree() -> None:
    machine = runner()
    assert isinstance(machine, Simulated)
    assert isinstance(machine, Inspectable)
    x = CALIBRATION[:1, :12]
    run = machine.simulate(x, ["y_new"])
    machine.step(x[0, 0])  # whatever the runner is doing, a simulation starts from zero
    machine.reset()
    for t, frame in enumerate(x[0]):
        np.testing.assert_allclose(machine.step(frame), run.outputs[0, t], atol=1e-6)
    np.testing.assert_allclose(machine.tensors()["y_new"].reals, run.probes["y_new"][0, -1])


def test_more_steps_lose_less() -> None:
    expected, _ = Net().graph().scan(CALIBRATION.astype(np.float64))
    errors = [
        float(np.abs(runner(SpikingOptions(k)).simulate(CALIBRATION).outputs - expected).mean())
        for k in (16, 64, 256)
    ]
    assert errors[2] < 0.5 * errors[1] < 0.3 * errors[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (SpikingOptions(0), "steps-per-frame is 0: .* takes 4 steps or more"),
        (SpikingOptions(3), "steps-per-frame is 3: .* takes 4 steps or more"),
        (SpikingOptions(64, scale=0.0), "scale is 0.0"),
    ],
)
def test_refuses_options(options: SpikingOptions, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TARGET.convert(Net(), options, CALIBRATION)


def test_refuses_an_unknown_probe() -> None:
    with pytest.raises(UnknownNameError, match="no probe named 'm_new'; known: dt"):
        runner().simulate(CALIBRATION, ["m_new"])


@pytest.mark.parametrize("text", [b"{}", b"\xff", b'{"graph": 3}'])
def test_refuses_a_damaged_file(text: bytes) -> None:
    whole = converted(SpikingOptions())
    damaged = replace(whole, parts={**whole.parts, "spiking.json": text})
    with pytest.raises(ArtefactError, match=r"test.spiking: spiking.json holds no network"):
        SpikingRunner(damaged)
