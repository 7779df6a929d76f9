"""Sound files of every container, damaged, most of them in their headers."""

from __future__ import annotations

import io
from functools import cache, partial
from pathlib import Path

import numpy as np

from edgemem.runtime.soundfiles import about
from edgemem.runtime.sources import clip_blocks, read_clip
from fuzzing.case import Case
from fuzzing.structures import mutated_bytes

CONTAINERS = {
    "wav": [("WAV", "PCM_16"), ("WAV", "PCM_24"), ("WAV", "FLOAT"), ("WAVEX", "PCM_16")],
    "flac": [("FLAC", "PCM_16"), ("FLAC", "PCM_24")],
    "ogg": [("OGG", "VORBIS"), ("OGG", "OPUS")],
    "mp3": [("MP3", "MPEG_LAYER_III")],
    "aiff": [("AIFF", "PCM_16")],
    "au": [("AU", "PCM_16")],
    "caf": [("CAF", "ALAC_16"), ("CAF", "PCM_16")],
    "w64": [("W64", "PCM_16"), ("RF64", "PCM_16")],
}
"""Containers and codings by the ending of names."""

HEADER = 120
"""Bytes in which most of the damage is done."""


def cases() -> dict[str, Case]:
    """By kind of file."""
    return {f"sound-{ending}": Case(partial(_sound, ending), _read) for ending in CONTAINERS}


def _read(path: Path) -> None:
    about(path)
    samples = read_clip(path)
    assert sum(len(block) for block in clip_blocks(path)) == len(samples)


def _sound(ending: str, rng: np.random.Generator, folder: Path) -> Path:
    kinds = CONTAINERS[ending]
    whole = _whole(*kinds[int(rng.integers(len(kinds)))])
    head = HEADER if rng.uniform() < 0.7 else len(whole)
    path = folder / f"a.{ending}"
    path.write_bytes(mutated_bytes(whole[:head], rng) + whole[head:])
    return path


@cache
def _whole(container: str, coding: str) -> bytes:
    import soundfile

    file = io.BytesIO()
    sound = np.random.default_rng(0).uniform(-0.3, 0.3, (2000, 2))
    soundfile.write(file, sound, 48000, coding, format=container)
    return file.getvalue()
