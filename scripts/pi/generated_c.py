"""Generated C, compiled for a processor and run over a recording."""

from __future__ import annotations

import re
import subprocess
import zipfile
from collections.abc import Sequence
from pathlib import Path

from pi.machine import Failed

SOURCE = Path(__file__).with_name("every_frame.c")
COMPILERS = {"arm64": "aarch64-linux-gnu-gcc", "armhf": "arm-linux-gnueabihf-gcc", "here": "gcc"}


def unpack(archive: Path) -> Path:
    """The sources of a file that ``edgemem convert --target c`` wrote."""
    folder = archive.with_suffix("")
    with zipfile.ZipFile(archive) as file:
        file.extractall(folder)
    return folder


def compile_for(arch: str, sources: Path) -> Path:
    """A program that writes what the network makes of every block of sound.

    Raises
    ------
    Failed
        If it does not compile, or warns.
    """
    (header,) = (path for path in sources.glob("*.h") if (path.with_suffix(".c")).exists())
    name = header.stem
    samples = re.search(r"define \w+_FRONTEND_SAMPLES \(?(\d+)", header.read_text("utf-8"))
    if samples is None:
        raise Failed(f"{header.name} does not say how many samples a call takes")
    program = sources / f"every_frame-{arch}"
    flags = ("-std=c99", "-O2", "-Wall", "-Wextra", "-Werror", "-static")
    command = [COMPILERS[arch], *flags, f"-DNAME={name}", f"-DSAMPLES={samples[1]}"]
    command += [f"-I{sources}", str(SOURCE), str(sources / f"{name}.c"), "-o", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"{COMPILERS[arch]} refuses generated C: {done.stderr.splitlines()[:3]}")
    return program


def outputs(program: Path, sound: bytes, emulator: Sequence[str] = ()) -> bytes:
    """What the program makes of raw sound: a record for every block.

    Raises
    ------
    Failed
        If it ends with another status than 0.
    """
    done = subprocess.run([*emulator, str(program)], input=sound, capture_output=True, check=False)
    if done.returncode:
        raise Failed(f"{program.name} ended with status {done.returncode}")
    return done.stdout
