"""The target as a user meets it: convert, run, verify, evaluate, and the file in other hands."""

from __future__ import annotations

import json
import subprocess
import sys
import wave
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
from click.testing import CliRunner, Result

from edgemem import artefact, conversion, pretrained
from edgemem import target as targets
from edgemem.artefact import Artefact, Golden
from edgemem.cells import LMU, Cell, Dense, Norm, Stack
from edgemem.cli import main
from edgemem.errors import ArtefactError, ConfigError, MissingExtraError, ShapeError
from edgemem.frontend import FrontEnd
from edgemem.model import Model, Sample, save
from edgemem.runtime.rule import DetectorConfig
from edgemem_nir import NirOptions
from edgemem_nir.hdf5 import parse
from edgemem_nir.network import Network, Node
from edgemem_nir.runner import NirRunner
from edgemem_nir.writing import to_bytes

LABELS = ("_silence_", "_unknown_", "low", "high")
FRONTEND = FrontEnd(n_mels=4, f_max=8000.0, stack=2)
GOLDEN = Golden(np.zeros((1, 1, 3), np.float32), np.zeros((1, 1, 3), np.float32))


def model(activation: str = "linear") -> Model:
    layer = LMU(8, 8, 4, 12.0, 2, input_to_hidden=True, activation=activation)
    cell: Cell = Stack((Norm(8), layer, Dense(8, 4)))
    rng = np.random.default_rng(5)
    params = {key: 0.4 * rng.normal(size=shape) for key, shape in cell.params.items()}
    x = rng.normal(size=(4, 50, 8)).astype(np.float32)
    return Model(
        name="linear",
        frontend=FRONTEND,
        cell=cell,
        params={**cell.constants, **params},
        labels=LABELS,
        protocol="folders",
        detector=DetectorConfig(window=4, threshold=0.9, release=0.5, refractory=0.1),
        calibration=Sample(x, np.zeros(0, np.int64)),
        validation=Sample(x, np.zeros(4, np.int64)),
        card={"data": "noise"},
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A model, its NIR file, and a clip to hear."""
    path = tmp_path_factory.mktemp("nir")
    save(model(), path / "linear.model")
    converted = run("convert", path / "linear.model", "--target", "nir", "--out", path / "out.nir")
    assert converted.exit_code == 0, converted.output
    with wave.open(str(path / "clip.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        noise = 3000 * np.random.default_rng(1).normal(size=16000)
        file.writeframes(noise.astype("<i2").tobytes())
    yield path


def run(*args: object) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args])


def test_the_conversion_loses_nothing() -> None:
    _, report = conversion.convert(model(), "nir")
    assert report.distance < 1e-6
    assert report.agreement == 1.0


def test_the_step_is_the_front_end_s_hop_unless_another_is_asked_for() -> None:
    def dt(**options: Any) -> Any:
        data, _ = conversion.convert(model(), "nir", options)
        return parse(artefact.from_bytes(data, "here").payload, "here").metadata["dt"]

    assert dt() == 160 * 2 / 16000
    assert dt(dt=0.5) == 0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dt": -0.1}, "dt: must be a number of seconds, 0 or greater"),
        ({"dt": float("nan")}, "dt: must be a number of seconds"),
        ({"levels": 0}, "levels: must be from 1 to 1024"),
        ({"levels": 5000}, "levels: must be from 1 to 1024"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        NirOptions(**options)


def test_activations_cost_what_their_levels_say() -> None:
    found = [conversion.convert(model("relu"), "nir", {"levels": n})[1] for n in (64, 256)]
    assert 1e-4 < found[1].distance < found[0].distance / 2 < 0.05


def test_any_reader_of_nir_opens_the_file(folder: Path) -> None:
    graph = nir.read(folder / "out.nir")
    kinds = sorted(type(node).__name__ for node in graph.nodes.values())
    assert kinds.count("I") == 1
    assert {"Input", "Output", "Affine", "Linear", "I"} == set(kinds)
    assert graph.metadata["dt"] == 0.02


def test_verify_run_and_evaluate(folder: Path) -> None:
    verified = run("verify", folder / "out.nir")
    assert verified.exit_code == 0, verified.output
    heard = run("run", folder / "out.nir", folder / "clip.wav")
    assert heard.exit_code == 0, heard.output
    for number in range(12):
        clip = folder / "set" / "low" / f"ab{number}_nohash_0.wav"
        clip.parent.mkdir(parents=True, exist_ok=True)
        clip.write_bytes((folder / "clip.wav").read_bytes())
    measured = [
        run("evaluate", folder / name, "--data", folder / "set", "--json")
        for name in ("out.nir", "linear.model")
    ]
    assert [result.exit_code for result in measured] == [0, 0], measured[0].output
    ours, trained = (json.loads(result.output) for result in measured)
    assert ours["accuracy"] == trained["accuracy"]


def test_equal_models_give_equal_bytes_in_other_processes(folder: Path, tmp_path: Path) -> None:
    args = ["convert", folder / "linear.model", "--target", "nir", "--out", tmp_path / "b.nir"]
    subprocess.run([sys.executable, "-m", "edgemem.cli", *map(str, args)], check=True)
    assert (tmp_path / "b.nir").read_bytes() == (folder / "out.nir").read_bytes()


def test_lem_is_refused_with_the_reason(tmp_path: Path) -> None:
    lem = pretrained.resolve("kws12-lem", pretrained.MODEL)
    refused = run("convert", lem, "--target", "nir", "--out", tmp_path / "lem.nir")
    assert refused.exit_code == 1
    assert "cannot lower sigmoid; sigmoid: NIR has no node for a function" in refused.output
    assert "mul: its products of two signals have no node in NIR" in refused.output
    assert not (tmp_path / "lem.nir").exists()


def built(network: Network | bytes) -> Artefact:
    payload = network if isinstance(network, bytes) else to_bytes(network)
    return artefact.build(payload, {"target": "nir"}, (), GOLDEN, {})


def ends(*names: str) -> dict[str, Node]:
    kinds = {"x": "Input", "y": "Output"}
    return {name: Node(kinds[name[0]], {"shape": np.array([3])}) for name in names}


BAD: dict[str, tuple[Network | bytes, str]] = {
    "damaged": (b"nothing", "a new file is cut short, damaged, or no NIR file"),
    "no step": (Network(ends("x", "y"), (("x", "y"),)), "does not say how long a step is"),
    "two inputs": (
        Network(ends("x1", "x2", "y"), (("x1", "y"), ("x2", "y")), {"dt": 0.1}),
        r"3 inputs and outputs \(x1, x2, y\), expected one of each",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_cannot_be_run(name: str) -> None:
    network, message = BAD[name]
    with pytest.raises(ArtefactError, match=message):
        NirRunner(built(network))


def test_an_altered_file(folder: Path, tmp_path: Path) -> None:
    data = bytearray((folder / "out.nir").read_bytes())
    data[3000] ^= 1
    (tmp_path / "out.nir").write_bytes(data)
    refused = run("verify", tmp_path / "out.nir")
    assert refused.exit_code == 1 and "does not match its digest" in refused.output


def test_a_runner_shows_its_nodes(folder: Path) -> None:
    runner = targets.load(artefact.read(folder / "out.nir"))
    assert isinstance(runner, targets.Inspectable)
    assert runner.tensors() == {} and runner.output_scale is None
    y = runner.step(np.ones(8, np.float32))
    last = [values.array for name, values in runner.tensors().items() if name.endswith("_y")]
    np.testing.assert_allclose(last[0], y, rtol=1e-6)
    with pytest.raises(ShapeError, match=r"expected \(8,\)"):
        runner.step(np.ones(7, np.float32))


def test_without_h5py(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = artefact.read(folder / "out.nir")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'edgemem-toolkit\[nir\]'"):
        targets.load(opened)


def test_the_manifest_says_what_it_is(folder: Path) -> None:
    opened = artefact.read(folder / "out.nir")
    assert opened.target == "nir" and opened.labels == LABELS
    assert json.loads(json.dumps(opened.manifest))["tolerance"]["distance"] == 0.4
    assert replace(opened, origin="there").payload.startswith(b"\x89HDF")
