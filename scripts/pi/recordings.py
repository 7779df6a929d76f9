"""Real recordings for scripts that try the device side."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from pi.machine import Failed

WORDS = "speech_commands_v0.02_test"
NOISE = "speech_commands_noise"


def recordings(root: Path, given: Path | None, work: Path) -> Path:
    """The folder with real recordings, unpacked beside the work if it has to be.

    Parameters
    ----------
    root : Path
        The checkout.
    given : Path, optional
        The folder that the caller named; by default EDGEMEM_DATA, else the archives beside the
        checkout.
    work : Path

    Raises
    ------
    Failed
        If there are none.
    """
    named = given or (Path(value) if (value := os.environ.get("EDGEMEM_DATA")) else None)
    if named is None:
        subprocess.run([root / "scripts/recordings", work / "data"], check=True)
        named = work / "data"
    if not all((named / name).is_dir() for name in (WORDS, NOISE)):
        raise Failed(
            f"needs the recordings {WORDS} and {NOISE}; name the folder that has both with "
            "--data or EDGEMEM_DATA (docs/data.md)"
        )
    return named.resolve()
