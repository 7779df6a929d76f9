"""The machine as ``edgemem doctor`` looks at it; every look can be replaced by another one."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgemem.listen.sources import BLOCK
from edgemem.runtime.sources import SAMPLE_RATE

if TYPE_CHECKING:
    from edgemem.verification import Verification

Packages = Mapping[str, str]
"""Versions of installed distributions by their names."""

Python = tuple["tuple[int, ...]", str, "tuple[int, ...] | None"]
"""Version, processor, version of glibc (None elsewhere)."""

DISTRIBUTIONS = ("numpy", "ai-edge-litert", "tflite-runtime", "tensorflow")

SECONDS_OF_NOISE = 6.0
SECONDS_OF_SOUND = 2.0


@dataclass(frozen=True)
class Hearing:
    """How a network does here.

    Parameters
    ----------
    engine : str
        What computes its steps.
    share : float
        Processor time over the duration of the sound, from samples to events.
    verification : Verification or None
        What became of its golden vectors; None where its file has none.
    dc_blocker : bool
        Whether its front end takes out what is constant in the sound.
    """

    engine: str
    share: float
    verification: Verification | None = None
    dc_blocker: bool = False


@dataclass(frozen=True)
class Take:
    """A moment of a microphone's sound.

    Parameters
    ----------
    recorder : str
        What recorded it.
    devices : tuple of str
        What else could be asked for.
    samples : (n,) int16 array
    seconds : float
        How long these samples took to come.
    overruns : int
        How often the driver lost sound meanwhile.
    note : str
        What was heard instead of the device that was asked for.
    """

    recorder: str
    devices: tuple[str, ...]
    samples: npt.NDArray[np.int16]
    seconds: float
    overruns: int = 0
    note: str = ""


def look_at_python() -> Python:
    """Version and machine of this Python."""
    name, version = platform.libc_ver()
    numbers = tuple(map(int, re.findall(r"\d+", version))) if name == "glibc" else None
    return sys.version_info[:3], platform.machine(), numbers or None


def installed() -> Packages:
    """Which of :data:`DISTRIBUTIONS` are here."""
    found = {}
    for name in DISTRIBUTIONS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def try_network(file: str) -> Hearing:
    """Open a network, replay its golden vectors, and let it hear noise.

    Raises
    ------
    EdgememError
        As :func:`~edgemem.runtime.network.open_network` and
        :func:`~edgemem.verification.verify`.
    """
    from edgemem import artefact, pretrained
    from edgemem.runtime.network import open_network
    from edgemem.verification import engine_of, verify

    network = open_network(file)
    trained = network.path.suffix == pretrained.MODEL
    found = None if trained else verify(artefact.read(network.path))
    blocked = network.frontend.dc_pole is not None
    return Hearing(engine_of(network.runner), _share(network.listener()), found, blocked)


def _share(listener: Any) -> float:
    rng = np.random.default_rng(0)
    blocks = round(SECONDS_OF_NOISE * SAMPLE_RATE / BLOCK)
    noise = (1000 * rng.standard_normal((blocks, BLOCK))).astype(np.int16)
    listener.push(noise[0])  # what happens only once is no share of anything
    start = time.process_time()
    for block in noise[1:]:
        listener.push(block)
    return (time.process_time() - start) * SAMPLE_RATE / noise[1:].size


def hear(device: str | None, recorder: str | None) -> Take:
    """Record a moment.

    Raises
    ------
    EdgememError
        If there is no microphone, or it cannot be heard as it should.
    """
    from edgemem.listen.microphone import choose, devices, microphone

    chosen = choose(recorder, device)
    notes: list[str] = []
    stop = threading.Event()
    enough = 2 * SECONDS_OF_SOUND * SAMPLE_RATE
    taken: list[npt.NDArray[np.int16]] = []
    overruns = number = 0
    with closing(microphone(device, chosen, report=notes.append).blocks(stop)) as blocks:
        next(blocks)  # what it takes to begin is not to be measured
        start = now = time.monotonic()
        for sound in blocks:
            taken.append(sound.samples)
            overruns += sound.overruns
            number += sound.samples.size
            now = time.monotonic()
            if now - start >= SECONDS_OF_SOUND or number >= enough:
                break
        stop.set()
    known = tuple(entry.device for entry in devices(chosen))
    samples = np.concatenate(taken) if taken else np.zeros(0, np.int16)
    seconds = max(now - start, 1e-6)
    return Take(chosen, known, samples, seconds, overruns, "; ".join(notes))


def free_bytes(path: Path) -> int:
    """Free space on the disk of a path."""
    return shutil.disk_usage(path).free


def synchronised() -> bool | None:
    """Whether systemd says that the clock follows others; None where it does not say."""
    command = ["timedatectl", "show", "--property=NTPSynchronized", "--value"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return {"yes": True, "no": False}.get(done.stdout.strip())


@dataclass(frozen=True)
class Probes:
    """How a machine is looked at.

    Parameters
    ----------
    root : Path
        Where /proc, /sys, /run and /dev are.
    home : Path
        Where recordings would be kept.
    python, packages, network, hear, free_bytes, synchronised : callable
        As the functions of this module.
    now : callable
        Seconds since 1970.
    may_open : callable
        Whether a path may be read and written.
    """

    root: Path = Path("/")
    home: Path = Path()
    python: Callable[[], Python] = look_at_python
    packages: Callable[[], Packages] = installed
    network: Callable[[str], Hearing] = try_network
    hear: Callable[[str | None, str | None], Take] = hear
    free_bytes: Callable[[Path], int] = free_bytes
    synchronised: Callable[[], bool | None] = synchronised
    now: Callable[[], float] = time.time
    may_open: Callable[[Path], bool] = lambda path: os.access(path, os.R_OK | os.W_OK)
