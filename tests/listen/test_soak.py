"""scripts/soak over minutes: nothing lost, nothing that drifts, memory that stays."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SOAK = Path(__file__).parents[2] / "scripts" / "soak"


def test_minutes_of_sound_through_the_whole_loop(
    tone_file: Path, tone_set: Path, tmp_path: Path
) -> None:
    picture = tmp_path / "memory.png"
    command = [sys.executable, str(SOAK), "--network", str(tone_file), "--data", str(tone_set)]
    command += ["--words", "8", "--hours", "0.05", "--json", "--plot", str(picture)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    checks = {name: found for name, (found, _, _) in json.loads(done.stdout)["checks"].items()}
    assert checks["seconds of sound heard"] == 180
    assert checks["samples dropped"] == 0
    assert checks["events"] >= 5
    assert picture.read_bytes().startswith(b"\x89PNG")
