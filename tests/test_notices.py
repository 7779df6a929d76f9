"""What standard error gets of native code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgemem import pretrained
from edgemem.notices import without_notices

OPEN = """
import sys
from pathlib import Path
from edgemem import artefact, target
target.load(artefact.read(Path(sys.argv[1])))
print("opened")
"""


def test_nothing_is_told_when_a_network_is_opened() -> None:
    path = Path(pretrained.__file__).parent / "kws12-lmu-tiny.tflite"
    command = [sys.executable, "-c", OPEN, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("opened\n", "")


def test_other_lines_are_passed_on_and_the_stream_is_put_back(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with without_notices(lambda line: b"delegate" in line):
        os.write(2, b"INFO: a delegate.\nERROR: something else\n")
    os.write(2, b"afterwards\n")
    assert capfd.readouterr().err == "ERROR: something else\nafterwards\n"


def test_lines_come_also_where_opening_fails(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="no"), without_notices(lambda line: False):
        os.write(2, b"why\n")
        raise ValueError("no")
    assert capfd.readouterr().err == "why\n"
