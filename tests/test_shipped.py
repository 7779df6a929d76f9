"""The networks that come with the package, as a user finds them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgemem import artefact, conversion, pretrained, target
from edgemem.model import load
from edgemem.verification import replay, verify

pytestmark = pytest.mark.slow

NAMES = ("kws12-lem", "kws12-lmu", "kws12-lmu-small", "kws12-lmu-tiny")
LIMITS = {
    "kws12-lem": 210_000,
    "kws12-lmu": 210_000,
    "kws12-lmu-small": 60_000,
    "kws12-lmu-tiny": 40_000,
}


def edgemem(*arguments: str) -> str:
    """Standard output of a command, in a process of its own as on a device."""
    command = [sys.executable, "-m", "edgemem.cli", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_they_are_all_there_with_their_cards() -> None:
    assert pretrained.names() == NAMES
    for name in NAMES:
        card = (pretrained.FOLDER / f"{name}.md").read_text()
        assert pretrained.summary(name) in edgemem("models")
        size = pretrained.resolve(name).stat().st_size
        assert f"{size:,} bytes" in card and size < LIMITS[name]
        assert f"{load(pretrained.resolve(name, pretrained.MODEL)).n_params:,}" in card


@pytest.mark.parametrize("name", NAMES)
def test_the_converted_file_is_of_the_model_beside_it(name: str) -> None:
    model = load(pretrained.resolve(name, pretrained.MODEL))
    manifest = artefact.read(pretrained.resolve(name)).manifest
    assert manifest["model"] == model.digest
    assert manifest["labels"] == list(model.labels)


@pytest.mark.parametrize("name", NAMES)
def test_golden_vectors_agree_in_the_device_interpreter(name: str) -> None:
    assert "agree" in edgemem("verify", name)


@pytest.mark.parametrize("name", NAMES)
def test_golden_vectors_are_equal_in_every_bit_in_reference_kernels(name: str) -> None:
    assert verify(artefact.read(pretrained.resolve(name)), reference_kernels=True).equal == 1.0


def test_reference_kernels_give_the_bits_of_fixed_for_a_minute() -> None:
    name = "kws12-lmu"
    model = load(pretrained.resolve(name, pretrained.MODEL))
    fixed = target.load(artefact.from_bytes(conversion.convert(model, "fixed")[0], name))
    form = fixed.input_format  # type: ignore[attr-defined]
    # as golden inputs are: no value half-way between two integers
    heard = np.resize(model.calibration.features, (1, 3000, fixed.n_in))
    steps = np.rint(heard / float(form.scale)) + form.zero_point
    x = form.dequantize(np.clip(steps, form.lowest, form.highest)).astype(np.float32)
    expected, _ = replay(fixed, x)
    runner = target.load(artefact.read(pretrained.resolve(name)), reference_kernels=True)
    np.testing.assert_array_equal(replay(runner, x)[0], expected)


@pytest.mark.parametrize("name", NAMES)
def test_a_conversion_of_the_model_keeps_its_decisions(name: str, tmp_path: Path) -> None:
    out = str(tmp_path / "again.tflite")
    report = json.loads(edgemem("convert", name, "--target", "tflite", "--out", out, "--json"))
    assert report["accuracy_trained"] > 0.92
    assert report["accuracy_converted"] > report["accuracy_trained"] - 0.01


@pytest.mark.skipif("EDGEMEM_DATA" not in os.environ, reason="EDGEMEM_DATA names no recordings")
def test_real_recordings_are_heard(tmp_path: Path) -> None:
    archive = Path(os.environ["EDGEMEM_DATA"]) / "speech_commands_v0.02_test"
    for folder in sorted(path for path in archive.iterdir() if path.is_dir()):
        (tmp_path / folder.name).mkdir()
        for clip in sorted(folder.iterdir())[:20]:
            shutil.copy(clip, tmp_path / folder.name / clip.name)
    found = json.loads(edgemem("evaluate", "kws12-lmu", "--data", str(tmp_path), "--json"))
    assert found["clips"] == 240
    assert found["accuracy"] > 0.9
