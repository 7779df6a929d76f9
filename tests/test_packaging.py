"""What ``pip install`` brings: files, entry points, and one interpreter for each machine."""

from __future__ import annotations

import ast
import configparser
import email
import email.message
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
SOURCES = (
    *("edgemem", "targets", "setup.py", "pyproject.toml", "MANIFEST.in"),
    *("README.md", "CHANGELOG.md", "SECURITY.md", "LICENSE"),
)
TARGETS = sorted(folder.name for folder in (ROOT / "targets").glob("edgemem_*"))
# Python warns without it from 3.12 on; the first 3.10s do not know it.
FILTER: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
INTERPRETERS = {"tflite-runtime", "ai-edge-litert"}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what is packed: a build leaves folders beside setup.py."""
    folder = tmp_path_factory.mktemp("sources")
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def sdist(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> tarfile.TarFile:
    """The source distribution, which is made first: the wheel's build would leave it its list."""
    folder = tmp_path_factory.mktemp("sdist")
    code = "import sys; from setuptools.build_meta import build_sdist; build_sdist(sys.argv[1])"
    command = [sys.executable, "-c", code, str(folder)]
    done = subprocess.run(command, cwd=sources, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return tarfile.open(next(folder.glob("edgemem*.tar.gz")))


@pytest.fixture(scope="module")
def wheel(
    sdist: tarfile.TarFile, sources: Path, tmp_path_factory: pytest.TempPathFactory
) -> zipfile.ZipFile:
    return build_wheel(sources, tmp_path_factory.mktemp("wheel"))


def build_wheel(source: Path, folder: Path) -> zipfile.ZipFile:
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"]
    command += ["--quiet", "--wheel-dir", str(folder), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return zipfile.ZipFile(next(folder.glob("edgemem*.whl")))


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> email.message.Message:
    return email.message_from_bytes(_info(wheel, "METADATA"))


def _info(wheel: zipfile.ZipFile, name: str) -> bytes:
    (path,) = (n for n in wheel.namelist() if n.endswith(f".dist-info/{name}"))
    return wheel.read(path)


def requirements(
    metadata: email.message.Message,
    version: str,
    platform: str = "linux",
    extra: str = "",
    machine: str = "aarch64",
) -> dict[str, Requirement]:
    """What a machine installs, by name."""
    environment = {
        "python_version": version,
        "sys_platform": platform,
        "platform_machine": machine,
        "extra": extra,
    }
    listed = [Requirement(text) for text in metadata.get_all("Requires-Dist", [])]
    wanted = [r for r in listed if r.marker is None or r.marker.evaluate(environment)]
    assert len({r.name for r in wanted}) == len(wanted), "a package is asked for twice"
    return {r.name: r for r in wanted}


def test_the_wheel_holds_every_module_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    for source, prefix in ((ROOT / "edgemem", "edgemem"), (ROOT / "targets", "")):
        expected = {
            "/".join(part for part in (prefix, path.relative_to(source).as_posix()) if part)
            for path in source.rglob("*.py")
            if "tests" not in path.parts and path.parent != ROOT / "targets"
        }
        assert expected - set(wheel.namelist()) == set()
    tops = {name.split("/")[0] for name in wheel.namelist() if ".dist-info" not in name}
    assert tops == {"edgemem", *TARGETS}
    assert [name for name in wheel.namelist() if "/tests/" in name or "conftest" in name] == []


def test_the_wheel_says_that_it_is_typed(wheel: zipfile.ZipFile) -> None:
    assert {f"{name}/py.typed" for name in ("edgemem", *TARGETS)} <= set(wheel.namelist())


def test_the_wheel_holds_the_pretrained_networks_and_their_cards(wheel: zipfile.ZipFile) -> None:
    folder = ROOT / "edgemem" / "pretrained"
    files = [p for p in folder.iterdir() if p.suffix in {".model", ".tflite", ".md"}]
    for file in files:
        assert wheel.read(f"edgemem/pretrained/{file.name}") == file.read_bytes()
    if not files:
        pytest.skip("no pretrained networks in this checkout")


def test_the_source_distribution_makes_the_same_wheel(
    sdist: tarfile.TarFile, wheel: zipfile.ZipFile, tmp_path: Path
) -> None:
    tops = {member.name.partition("/")[2] for member in sdist.getmembers()}
    assert {*SOURCES, "PKG-INFO"} <= tops
    assert [name for name in tops if "/tests/" in name or "conftest" in name] == []
    for member in sdist.getmembers():
        assert member.isfile() or member.isdir()
    sdist.extractall(tmp_path, **FILTER)
    (source,) = tmp_path.iterdir()
    again = build_wheel(source, tmp_path)
    assert again.namelist() == wheel.namelist()
    # RECORD has the digest of every file
    assert _info(again, "RECORD") == _info(wheel, "RECORD")


def test_entry_points_name_the_command_and_every_target(wheel: zipfile.ZipFile) -> None:
    parser = configparser.ConfigParser()
    parser.read_string(_info(wheel, "entry_points.txt").decode())
    assert dict(parser["console_scripts"]) == {"edgemem": "edgemem.cli:main"}
    spoken = {name: name[len("edgemem_") :].replace("_", "-") for name in TARGETS}
    expected = {spoken[name]: f"{name}:TARGET" for name in TARGETS}
    assert dict(parser["edgemem.targets"]) == expected


def reader_of_toml(version: str) -> set[str]:
    """The standard library reads TOML from Python 3.11 on."""
    return {"tomli"} if version in {"3.9", "3.10"} else set()


@pytest.mark.parametrize("version", ["3.9", "3.10", "3.11"])
@pytest.mark.parametrize("machine", ["armv7l", "armv8l"])
def test_a_raspberry_pi_of_32_bits_gets_tflite_runtime(
    metadata: email.message.Message, version: str, machine: str
) -> None:
    wanted = requirements(metadata, version, machine=machine)
    assert set(wanted) == {"click", "numpy", "tflite-runtime", *reader_of_toml(version)}
    assert wanted["tflite-runtime"].specifier.contains("2.14.0")
    # tflite-runtime 2.14 breaks under numpy 2.
    assert wanted["numpy"].specifier.contains("1.26.4")
    assert not wanted["numpy"].specifier.contains("2.0.0")


@pytest.mark.parametrize(
    ("version", "platform", "machine"),
    [
        *((f"3.{minor}", "linux", "aarch64") for minor in range(9, 15)),
        *((f"3.{minor}", "linux", "x86_64") for minor in range(9, 15)),
        ("3.11", "darwin", "arm64"),
        ("3.10", "win32", "AMD64"),
    ],
)
def test_everything_else_gets_ai_edge_litert(
    metadata: email.message.Message, version: str, platform: str, machine: str
) -> None:
    wanted = requirements(metadata, version, platform, machine=machine)
    assert set(wanted) == {"click", "numpy", "ai-edge-litert", *reader_of_toml(version)}
    assert wanted["numpy"].specifier.contains("2.0.2")
    # training on TensorFlow 2.12 stays below
    assert wanted["numpy"].specifier.contains("1.23.5")


@pytest.mark.parametrize("version", ["3.10", "3.11", "3.12", "3.13"])
def test_training_gets_versions_that_work_together(
    metadata: email.message.Message, version: str
) -> None:
    wanted = requirements(metadata, version, extra="train")
    tried = {"tensorflow": ("2.21", "2.22"), "tf-keras": ("2.21", "2.22"), "nengo": ("4.1", "4.2")}
    for name, (oldest, next_one) in tried.items():
        assert wanted[name].specifier.contains(f"{oldest}.0")
        assert not wanted[name].specifier.contains(f"{next_one}.0")
    # pip cannot build it from Python 3.12 on, and would fail: it is installed before
    assert ("nengo-dl" in wanted) == (version in {"3.10", "3.11"})
    assert "keras-lmu" not in wanted


def test_an_unknown_python_is_refused(metadata: email.message.Message) -> None:
    assert metadata["Requires-Python"] == ">=3.9"
    assert set(metadata.get_all("Provides-Extra", [])) >= {
        "train",
        "convert",
        "synth",
        "audio",
        "plot",
        "test",
    }


def extras_in_messages() -> Iterator[tuple[str, str]]:
    """Every place that says that something is missing, with the extra that it names."""
    for path in sorted([*(ROOT / "edgemem").rglob("*.py"), *(ROOT / "targets").rglob("*.py")]):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = getattr(node.func, "id", "") if isinstance(node, ast.Call) else ""
            if called == "MissingExtraError":
                yield f"{path.relative_to(ROOT)}:{node.lineno}", ast.literal_eval(node.args[2])


def test_every_extra_that_a_message_names_exists(metadata: email.message.Message) -> None:
    known = set(metadata.get_all("Provides-Extra", []))
    found = dict(extras_in_messages())
    assert len(found) > 5
    assert {place: extra for place, extra in found.items() if extra not in known} == {}
