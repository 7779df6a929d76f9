"""Files that somebody wrote to do harm: a sentence each, no signal, no traceback, little memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from fuzzing import sample, structures
from fuzzing.cases import CASES, MEMORY, PEERS
from fuzzing.children import HARMLESS, fuzz

from edgemem import artefact, target
from edgemem.files import npz_bytes, zip_bytes
from edgemem.reading import LARGEST_TEXT, read_npz, read_zip

pytestmark = pytest.mark.slow

FILES = 150
FEW = 12


@pytest.fixture
def beside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Children find the fuzzer, and keep what they compile here."""
    scripts = Path(__file__).parents[1] / "scripts"
    paths = [str(scripts), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_every_target_is_fuzzed() -> None:
    assert set(CASES) >= set(target.available())


KINDS = [
    pytest.param(kind, marks=pytest.mark.peers if kind in PEERS else ()) for kind in sorted(CASES)
]


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_are_read_or_refused(kind: str, beside: None) -> None:
    fell_out: list[str] = []
    files = FEW if CASES[kind].slow else FILES
    counts, peak = fuzz(kind, range(files), seed=0, say=fell_out.append)
    assert not fell_out, fell_out[0]
    assert counts["refused"] > files // 10 and sum(counts.values()) == files
    assert set(counts) <= set(HARMLESS) and peak < CASES[kind].memory


# files of up to 10 MB


def _sealed(manifest: dict[str, object], parts: dict[str, bytes]) -> bytes:
    return structures._sealed(manifest, b"", parts)


def _parts(name: str = "fixed") -> tuple[dict[str, object], dict[str, bytes]]:
    opened = artefact.from_bytes(structures.converted(name)[0], "sound")
    return dict(opened.manifest), dict(opened.parts)


def packed_zeros() -> bytes:
    """Arrays that unpack to a thousand times their size."""
    manifest, parts = _parts()
    arrays = {f"arrays/{n}": np.zeros(100 << 20, np.int8) for n in range(10)}
    return _sealed(manifest, {**parts, "program.npz": npz_bytes(arrays)})


def many_weights() -> bytes:
    """As many weights as a file of that size may unpack to."""
    manifest, parts = _parts()
    rng = np.random.default_rng(0)
    noise = {"arrays/noise": rng.integers(-128, 128, 9 << 20, np.int8)}
    zeros = {"arrays/zeros": np.zeros(18 << 20, np.int8)}
    arrays = {**read_npz(parts["program.npz"]), **noise, **zeros}
    return _sealed(manifest, {**parts, "program.npz": npz_bytes(arrays)})


def many_clips() -> bytes:
    """A model whose clips take all that it may unpack to."""
    data = structures.models()[0]
    plan, arrays = json.loads(read_zip(data)[1]["model.json"]), read_npz(data)
    arrays["validation/features"] = np.zeros((15 << 20, 1, 4), np.uint8)[: (15 << 18)]
    arrays["validation/labels"] = np.zeros(0, np.int64)
    parts = {f"{name}.npy": structures._npy(array) for name, array in arrays.items()}
    return zip_bytes({"model.json": json.dumps(plan).encode(), **parts}, compress=True)


def many_values() -> bytes:
    """JSON that is nothing but small values."""
    manifest, parts = _parts()
    return _sealed({**manifest, "more": [[] for _ in range(LARGEST_TEXT // 5)]}, parts)


def long_text() -> bytes:
    manifest, parts = _parts()
    return _sealed({**manifest, "more": "x" * (9 << 20)}, parts)


def many_files() -> bytes:
    manifest, parts = _parts()
    return _sealed(manifest, {**parts, **{f"p{n}": b"" for n in range(50_000)}})


def large_tensors() -> bytes:
    manifest, parts = _parts()
    plan = json.loads(parts["program.json"])
    plan["tensors"] = {f"t{n}": [[1 << 20], 16, 1.0, 0] for n in range(1000)}
    return _sealed(manifest, {**parts, "program.json": json.dumps(plan).encode()})


def _network(payload: bytes) -> bytes:
    opened = artefact.from_bytes(structures.converted("tflite")[0], "sound")
    return structures._sealed(dict(opened.manifest), payload, opened.parts)


def many_products() -> bytes:
    """As often as it may be, a matrix that kernels lay out anew each time."""
    return _network(sample.chain("FULLY_CONNECTED", 5, 1580, 8, np.ones((1580, 1580), np.float32)))


def wide_steps() -> bytes:
    """As much as one step may compute."""
    return _network(sample.chain("RELU", 1, 1 << 20, 7))


def heap_of_four_gigabytes() -> bytes:
    """An HDF5 file whose heap of strings says that it is that large."""
    opened = artefact.from_bytes(structures.converted("nir")[0], "sound")
    payload = bytearray(opened.payload)
    place = payload.index(b"GCOL") + 8
    payload[place : place + 8] = (1 << 32).to_bytes(8, "little")
    return structures._sealed(dict(opened.manifest), bytes(payload), dict(opened.parts))


LARGE: tuple[Callable[[], bytes], ...] = (
    heap_of_four_gigabytes, packed_zeros, many_weights, many_clips, many_values, long_text,
    many_files, large_tensors, many_products, wide_steps,
)  # fmt: skip


_made = cache(lambda make: make())


@pytest.mark.parametrize("make", LARGE)
@pytest.mark.parametrize("command", ["info", "run"])
def test_no_file_takes_much_memory(
    make: Callable[[], bytes], command: str, tmp_path: Path, beside: None
) -> None:
    path = tmp_path / ("large.model" if make is many_clips else "large.bin")
    path.write_bytes(_made(make))
    assert path.stat().st_size < 11 << 20
    (tmp_path / "sound").write_bytes(bytes(32000))
    code = (
        "import sys\n"
        "from edgemem.cli import main\n"
        "try:\n    main(sys.argv[1:])\n"
        "finally:\n"
        "    lines = open('/proc/self/status').read().splitlines()\n"
        "    print([l.split()[1] for l in lines if l.startswith('VmHWM')][0], file=sys.stderr)\n"
    )
    arguments = [command, str(path), *(["-"] if command == "run" else [])]
    with (tmp_path / "sound").open("rb") as sound:
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], stdin=sound, capture_output=True, text=True
        )
    *said, peak = done.stderr.splitlines()
    assert done.returncode in (0, 1) and "Traceback" not in done.stderr, done.stderr
    assert int(peak) << 10 < MEMORY, f"{int(peak) >> 10} MB"
    if done.returncode:
        assert said[-1].startswith("Error: ") and len(said[-1]) < 1000
