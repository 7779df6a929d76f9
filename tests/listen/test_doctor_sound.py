"""What doctor says of sound, on sound that is made to be so, and on speech."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from edgemem.listen.doctor_probes import Take
from edgemem.listen.doctor_sound import level
from edgemem.runtime.sources import SAMPLE_RATE, read_clip

TIME = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
RNG = np.random.default_rng(0)
ROOM = 30.0 * RNG.normal(size=TIME.size)
TONE = 3000.0 * np.sin(2 * np.pi * 440.0 * TIME)


def said(samples: np.ndarray) -> tuple[str, str, str]:
    held = np.clip(np.rint(samples), -32768, 32767).astype(np.int16)
    finding = level(Take("arecord", (), held, 2.0))
    return finding.level, finding.found, finding.remedy


def harmonics(mains: float) -> np.ndarray:
    return sum(900.0 / k * np.sin(2 * np.pi * mains * k * TIME + k) for k in (1, 2, 3, 5))


@pytest.mark.parametrize(
    ("samples", "found", "remedy"),
    [
        (np.zeros(0), "every sample is 0", "unmute"),
        (0 * TIME, "every sample is 0", "unmute"),
        (0 * TIME - 1, "every sample is -1: nothing but a constant", "channel select"),
        (0 * TIME + 4000, "every sample is 4000: nothing but a constant", "channel select"),
        (ROOM + 1000, "on an offset of 3.1% of full scale", "--dc-blocker"),
        (TONE - 6500, "on an offset of -19.8% of full scale", "--dc-blocker"),
        (harmonics(50.0) + ROOM / 10, "hum of 50 Hz", "ground"),
        (harmonics(59.97) + ROOM / 10, "hum of 60 Hz", "ground"),
        (0.5 * RNG.normal(size=TIME.size), "far too quiet", "turn it up"),
        (60 * TONE, "cut off", "turn it down"),
    ],
)
def test_each_kind_has_its_remedy(samples: np.ndarray, found: str, remedy: str) -> None:
    kind, what, advice = said(samples)
    assert kind == "warning" and found in what and remedy in advice


@pytest.mark.parametrize("gain", [1.0, 30.0])
@pytest.mark.parametrize(
    "samples", [ROOM, TONE / 30, ROOM + 0.5 * harmonics(50.0) / 30, ROOM + 250.0 / 30]
)
def test_sound_is_sound(samples: np.ndarray, gain: float) -> None:
    assert said(gain * samples)[0] == "ok"


def test_an_offset_is_no_fault_for_a_network_that_takes_it_out() -> None:
    held = np.rint(ROOM + 1000).astype(np.int16)
    finding = level(Take("arecord", (), held, 2.0), blocked=True)
    assert finding.level == "ok"
    assert "3.1% of full scale, which the network takes out" in finding.found
    quiet = np.rint(0.5 * RNG.normal(size=TIME.size) + 1000).astype(np.int16)
    assert level(Take("arecord", (), quiet, 2.0), blocked=True).level == "warning"


@pytest.mark.skipif("EDGEMEM_DATA" not in os.environ, reason="EDGEMEM_DATA names no recordings")
def test_speech_is_never_found_fault_with_for_its_spectrum() -> None:
    """Real words: some are cut off or quiet as they were recorded; none is hum or a constant."""
    root = Path(os.environ["EDGEMEM_DATA"]) / "speech_commands_v0.02_test"
    found = []
    for path in sorted(root.glob("[a-z]*/*.wav"))[::40]:
        found.append(said(read_clip(path))[1])
    assert len(found) > 90
    assert not [what for what in found if "hum" in what or "constant" in what]
