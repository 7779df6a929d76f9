"""A network from its file: a converted one, a trained one, one that says too little."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import edgemem
from edgemem.errors import ArtefactError, ConfigError, UnknownNameError
from edgemem.model import Model
from edgemem.runtime.network import describe, open_network


@pytest.fixture
def converted(tone_model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict:
    """Manifest of a converted network; its runner is a stand-in."""
    manifest = {
        "target": "stand-in",
        "labels": list(tone_model.labels),
        "frontend": tone_model.frontend.to_dict(),
        "detector": tone_model.detector.to_dict(),
        "protocol": "folders",
    }
    runner = SimpleNamespace(n_in=4, n_out=4, reset=lambda: None, step=lambda x: x)
    opened = SimpleNamespace(manifest=manifest)
    read = SimpleNamespace(read=lambda path: opened)
    monkeypatch.setattr(edgemem, "artefact", read, raising=False)
    loader = SimpleNamespace(load=lambda artefact, reference_kernels: runner)
    monkeypatch.setattr(edgemem, "target", loader, raising=False)
    (tmp_path / "tones.tflite").write_bytes(b"TFL3")
    return manifest


def test_a_converted_network_takes_all_from_its_manifest(
    converted: dict, tone_model: Model, tmp_path: Path
) -> None:
    network = open_network(tmp_path / "tones.tflite")
    assert network.labels == tone_model.labels
    assert network.frontend == tone_model.frontend
    assert network.detector == tone_model.detector
    assert network.listener().push(np.zeros(1600, np.int16)) == []
    about = describe(tmp_path / "tones.tflite")
    assert about == {"file": str(tmp_path / "tones.tflite"), "bytes": 4, **converted}


@pytest.mark.parametrize("key", ["labels", "frontend", "detector"])
def test_a_manifest_without_what_sound_needs_is_refused(
    converted: dict, tmp_path: Path, key: str
) -> None:
    del converted[key]
    with pytest.raises(ArtefactError, match=f"does not say its {key}, which sound needs"):
        open_network(tmp_path / "tones.tflite")


def test_a_manifest_from_a_later_front_end_names_the_field(converted: dict, tmp_path: Path) -> None:
    converted["frontend"]["pcen"] = True
    with pytest.raises(ConfigError, match="unknown field 'pcen'"):
        open_network(tmp_path / "tones.tflite")


def test_a_trained_model_runs_as_its_equations(tone_model: Model, tone_file: Path) -> None:
    runner = open_network(tone_file).runner
    x = np.array([-60.0, -20.0, -90.0, 3.0], np.float32)
    expected = tone_model.params["W"] @ x + tone_model.params["b"]
    runner.reset()
    np.testing.assert_allclose(runner.step(x), expected, rtol=1e-6)


def test_a_file_that_is_not_there_lists_the_known_names(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="known: "):
        open_network(tmp_path / "none.tflite")
