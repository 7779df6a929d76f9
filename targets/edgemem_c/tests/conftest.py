"""Generated C as a program that maps its input to its output, on each machine that is at hand."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edgemem_c.parts import CPart

STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror")
INCLUDES = "#include <stdint.h>\n#include <string.h>\n\n"


@dataclass(frozen=True)
class Machine:
    """A compiler with its flags, and what runs its programs."""

    compiler: str
    flags: tuple[str, ...]
    runner: tuple[str, ...] = ()


SANITISERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
MACHINES = {
    "host": Machine("gcc", ("-O2",)),
    "sanitised": Machine("gcc", ("-O1", "-g", *SANITISERS)),
    "arm64": Machine("aarch64-linux-gnu-gcc", ("-O2", "-static"), ("qemu-aarch64-static",)),
    "armv7": Machine("arm-linux-gnueabihf-gcc", ("-O2", "-static"), ("qemu-arm-static",)),
}

IN_CI = os.environ.get("CI") == "true"
"""scripts/install-tools has run there, so that no tool may be missing."""


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, None]:
    """A skip for want of a tool is a failure where the tools are installed by a script."""
    made = yield
    report = made.get_result()
    if IN_CI and report.skipped and "not installed" in str(report.longrepr):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: {report.longrepr}; scripts/install-tools"


Filter = Callable[[bytes], bytes]
Build = Callable[[CPart, str], Filter]


@pytest.fixture(params=MACHINES)
def machine(request: pytest.FixtureRequest) -> Machine:
    """A machine whose tools are installed."""
    found: Machine = MACHINES[request.param]
    for tool in (found.compiler, *found.runner):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    return found


@pytest.fixture
def build(machine: Machine, tmp_path: Path) -> Build:
    """``build(part, main)``: the program of a part and a ``main``, from bytes to bytes."""

    def build(part: CPart, main: str) -> Filter:
        source, program = tmp_path / "part.c", tmp_path / "program"
        text = f"{INCLUDES}#include <stdio.h>\n\n{part.header}{part.source}{main}"
        source.write_text(text, encoding="ascii")
        command = [machine.compiler, *STRICT, *machine.flags, "-o", str(program), str(source)]
        subprocess.run(command, check=True)

        def run(data: bytes) -> bytes:
            command = [*machine.runner, str(program)]
            return subprocess.run(command, input=data, capture_output=True, check=True).stdout

        return run

    return build


@pytest.fixture
def for_cortex_m4(tmp_path: Path) -> Callable[[CPart], str]:
    """The symbols of a part that is compiled for a Cortex-M4, one a line with its size."""
    for tool in ("arm-none-eabi-gcc", "arm-none-eabi-nm"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")

    def compile_part(part: CPart) -> str:
        source, compiled = tmp_path / "part.c", tmp_path / "part.o"
        source.write_text(INCLUDES + part.header + part.source, encoding="ascii")
        flags = ("-mcpu=cortex-m4", "-mthumb", "-O2", "-c", "-o", str(compiled))
        subprocess.run(["arm-none-eabi-gcc", *STRICT, *flags, str(source)], check=True)
        listed = subprocess.run(
            ["arm-none-eabi-nm", "-S", str(compiled)], capture_output=True, text=True, check=True
        )
        return listed.stdout

    return compile_part
