"""What a process loads: the rules that import-linter cannot see, and the lists it works from."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tomllib

from edgemem.conversion import convert
from edgemem.model import Model
from edgemem.runtime.sources import read_clip

ROOT = Path(__file__).parents[1]
TARGETS = sorted(folder.name for folder in (ROOT / "targets").glob("edgemem_*"))

DESK = {"edgemem_nengo_loihi", "edgemem_nir"}
"""Forms for other people's simulators: what runs them is no device."""
HOST = {
    "distributed",
    "tensorflow",
    "keras",
    "nengo",
    "nengo_dl",
    "scipy",
    "matplotlib",
    "optuna",
    "PIL",
    "soundfile",
    "soxr",
    "flatbuffers",
    "tflite",
}

# Prints the modules that are loaded at the end, on standard error.
PROBE = """
import atexit, json, sys
atexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.stderr))
"""


def loaded(code: str, *arguments: object) -> set[str]:
    """Every module in a fresh interpreter after ``code``."""
    command = [sys.executable, "-c", PROBE + code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(json.loads(done.stderr.splitlines()[-1]))


def packages(modules: set[str]) -> set[str]:
    return {name.split(".")[0] for name in modules}


def loaded_by(*arguments: object) -> set[str]:
    return loaded("from edgemem.cli import main\nmain(sys.argv[1:])", *arguments)


@pytest.fixture
def clip(
    tmp_path: Path,
    tone: Callable[..., npt.NDArray[np.int16]],
    write_wav: Callable[..., Path],
) -> Path:
    return write_wav(tmp_path / "low.wav", tone("low"))


def test_importing_edgemem_loads_the_standard_library_alone() -> None:
    modules = loaded("import edgemem")
    assert {name for name in modules if name.startswith("edgemem")} == {"edgemem"}
    assert packages(modules) & (HOST | {"numpy", "click", *TARGETS}) == set()


def test_help_loads_click_and_no_target() -> None:
    modules = packages(loaded_by("--help"))
    assert "click" in modules
    assert modules & (HOST | {"numpy", *TARGETS}) == set()


def test_run_loads_nothing_of_the_host(tone_file: Path, clip: Path) -> None:
    modules = loaded_by("run", tone_file, clip)
    assert "edgemem.runtime.loop" in modules
    assert packages(modules) & HOST == set()


def test_info_loads_nothing_of_the_host(tone_file: Path) -> None:
    assert packages(loaded_by("info", tone_file)) & HOST == set()


def test_models_loads_nothing_of_the_host() -> None:
    assert packages(loaded_by("models")) & (HOST | {"numpy"}) == set()


@pytest.mark.parametrize("target", sorted(set(TARGETS) - DESK))
def test_a_converted_network_loads_its_target_and_nothing_of_the_host(
    target: str, tone_model: Model, clip: Path, tmp_path: Path
) -> None:
    features = tone_model.frontend.features(read_clip(clip))[None]
    data, _ = convert(tone_model, target[len("edgemem_") :], calibration=features)
    (tmp_path / "tones.converted").write_bytes(data)
    for command in (
        ["run", tmp_path / "tones.converted", clip],
        ["verify", tmp_path / "tones.converted"],
    ):
        modules = loaded_by(*command)
        assert packages(modules) & (HOST | set(TARGETS)) == {target}
        assert f"{target}.convert" not in modules
        assert "edgemem.conversion" not in modules


@pytest.mark.parametrize("target", TARGETS)
def test_naming_a_target_loads_neither_its_converter_nor_its_interpreter(target: str) -> None:
    modules = loaded(f"import {target}\n{target}.TARGET.name")
    assert f"{target}.convert" not in modules
    assert packages(modules) & (HOST | {"tflite_runtime", "ai_edge_litert"}) == set()


def import_linter() -> dict[str, Any]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return settings["tool"]["importlinter"]


def test_the_contracts_know_every_target() -> None:
    settings = import_linter()
    contracts = {contract["id"]: contract for contract in settings["contracts"]}
    assert sorted(settings["root_packages"]) == ["edgemem", *TARGETS]
    assert sorted(contracts["core"]["forbidden_modules"]) == TARGETS
    assert sorted(contracts["targets"]["modules"]) == TARGETS


def test_the_layers_name_every_part_of_edgemem() -> None:
    settings = import_linter()
    layers = next(c["layers"] for c in settings["contracts"] if c["id"] == "layers")
    named = {name.split(".")[1] for layer in layers for name in layer.replace("|", " ").split()}
    parts = {path.stem for path in (ROOT / "edgemem").iterdir() if _is_part(path)}
    assert named == parts


def _is_part(path: Path) -> bool:
    if path.is_dir():
        return (path / "__init__.py").is_file()
    return path.suffix == ".py" and path.stem != "__init__"
