"""The networks that come with the package, as a user finds them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edgemem import artefact, pretrained
from edgemem.model import load

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
