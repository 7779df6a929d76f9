"""``edgemem doctor`` on this machine, as a person calls it."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgemem.cli import main

NETWORK = "kws12-lmu-tiny"

# The ALSA file plugin over null: a microphone that gives a file's samples, as fast as it can.
ASOUND = """\
</usr/share/alsa/alsa.conf>
pcm.vmic {{ type file slave.pcm "null" file "/dev/null" infile "{sound}" format "raw" }}
pcm.!default {{ type plug slave.pcm "vmic" }}
"""


def test_a_real_run_names_what_this_python_uses() -> None:
    command = [sys.executable, "-m", "edgemem.cli", "doctor", NETWORK, "--no-microphone", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    levels = {finding["check"]: finding["level"] for finding in found["findings"]}
    assert set(levels.values()) <= {"ok", "warning"}
    says = {finding["check"]: finding["found"] for finding in found["findings"]}
    assert says["python"].startswith(".".join(map(str, sys.version_info[:3])))
    assert says["numpy"] == importlib.metadata.version("numpy")
    name, version = says["interpreter"].split()[:2]
    assert importlib.metadata.version(name) == version
    assert f"runs with {name} {version}" in says["network"]
    assert all(bool(f["remedy"]) == (f["level"] != "ok") for f in found["findings"])


def test_a_file_that_is_none_fails_in_one_line_with_a_remedy() -> None:
    result = CliRunner().invoke(main, ["doctor", "kws99", "--no-microphone"])
    assert result.exit_code == 1
    (line,) = (line for line in result.stdout.splitlines() if line.startswith("failed"))
    assert "kws99" in line
    assert result.stdout.splitlines()[-1].startswith("1 failed")


def test_a_damaged_file_fails(tmp_path: Path) -> None:
    (tmp_path / "x.tflite").write_bytes(b"nothing of the kind")
    result = CliRunner().invoke(main, ["doctor", str(tmp_path / "x.tflite"), "--no-microphone"])
    assert result.exit_code == 1
    assert "failed   network" in result.stdout


@pytest.mark.skipif(
    shutil.which("arecord") is None, reason="arecord is not here; scripts/install-tools installs it"
)
def test_a_virtual_microphone_is_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = tmp_path / "sound.raw"
    sound.write_bytes(bytes(range(256)) * 1000)
    asound = tmp_path / "asound.conf"
    asound.write_text(ASOUND.format(sound=sound), encoding="utf-8")
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(asound))
    result = CliRunner().invoke(main, ["doctor", NETWORK, "--recorder", "arecord", "--json"])
    found = {finding["check"]: finding for finding in json.loads(result.stdout)["findings"]}
    assert result.exit_code == 0, result.stdout
    assert found["microphone"]["found"].startswith("heard by arecord")
    # it has no clock, and that is seen
    assert found["sample rate"]["level"] == "warning"


@pytest.mark.skipif(
    shutil.which("arecord") is None, reason="arecord is not here; scripts/install-tools installs it"
)
def test_a_microphone_that_is_not_there_fails() -> None:
    command = ["doctor", NETWORK, "--recorder", "arecord", "--device", "hw:CARD=Nowhere"]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 1
    assert "failed   microphone" in result.stdout
