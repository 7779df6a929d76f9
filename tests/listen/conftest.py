"""Virtual microphones and patience, for tests of listening."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

PATIENCE = 60.0


@pytest.fixture
def until() -> Callable[[Callable[[], bool], str], None]:
    """``until(holds, what)``: wait for something, with a generous limit."""

    def wait(holds: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < end, f"waited {PATIENCE} s for {what}"
            time.sleep(0.01)

    return wait


@pytest.fixture
def noise() -> npt.NDArray[np.int16]:
    """Four seconds of samples that are nowhere alike."""
    return np.random.default_rng(0).integers(-30000, 30000, 64000).astype(np.int16)


@pytest.fixture
def alsa(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, noise: npt.NDArray[np.int16]) -> Path:
    """An ALSA configuration whose device vmic gives the noise over and over, as fast as it goes."""
    if shutil.which("arecord") is None:
        pytest.skip("no arecord; scripts/install-tools installs it")
    sound = tmp_path / "vmic.raw"
    sound.write_bytes(noise.astype("<i2").tobytes())
    config = tmp_path / "asound.conf"
    config.write_text(
        "</usr/share/alsa/alsa.conf>\n"
        'pcm.vmic { type file slave.pcm "null" file "/dev/null" '
        f'infile "{sound}" format "raw" }}\n'
        'pcm.!default { type plug slave.pcm "vmic" }\n'
    )
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(config))
    return config
