"""A file for NengoLoihi as a person makes and runs it, and what is said where NengoLoihi is not."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from edgemem import artefact
from edgemem.artefact import Golden
from edgemem.cells import LMU, Dense, Stack
from edgemem.cli import main
from edgemem.model import Model, Sample, save

STANDALONE = Path(__file__).parents[2] / "targets/edgemem_nengo_loihi/standalone.py"

ELSEWHERE = "in a virtual environment of its own with Python 3.9 to 3.12"
INSTALL = "pip install 'edgemem-toolkit[loihi]'"


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)))


@pytest.fixture
def linear_file(tone_model: Model, tmp_path: Path, tone: Callable[..., np.ndarray]) -> Path:
    """A linear memory with random weights, and tones to calibrate it on."""
    cell = Stack((LMU(4, 3, 2, 8.0, input_to_hidden=True, activation="linear"), Dense(3, 4)))
    sounds = [tone(label, 0.2) for label in tone_model.labels]
    clips = np.stack([tone_model.frontend.features(s) for s in sounds]).astype(np.float32)
    model = replace(
        tone_model,
        cell=cell,
        params={**cell.init(np.random.default_rng(0)), **cell.constants},
        calibration=Sample(clips, np.zeros(0, np.int64)),
        validation=Sample(clips, np.arange(len(clips))),
    )
    save(model, tmp_path / "linear.model")
    return tmp_path / "linear.model"


@pytest.fixture
def clip(tmp_path: Path, tone: Callable[..., np.ndarray], write_wav: Callable[..., Path]) -> Path:
    return write_wav(tmp_path / "high.wav", tone("high", 0.3))


@pytest.mark.peers
def test_a_file_is_made_verified_and_run(linear_file: Path, clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "linear.edgemem"
    made = invoke("convert", linear_file, "--target", "nengo-loihi", "--out", out)
    assert made.exit_code == 0, made.output
    assert "the host clips inputs beyond" in made.output
    verified = invoke("verify", out)
    assert verified.exit_code == 0, verified.output
    assert "100.00% of the steps equal" in verified.output
    ran = invoke("run", out, clip)
    assert ran.exit_code == 0, ran.output


@pytest.fixture
def converted_file(tone_model: Model, tmp_path: Path) -> Path:
    """A file that says that it is for NengoLoihi; what it holds is not reached."""
    fields = {
        "target": "nengo-loihi",
        "frontend": tone_model.frontend.to_dict(),
        "detector": tone_model.detector.to_dict(),
        "tolerance": {"distance": 0.35, "agreement": 0.8, "replay": 1e-6},
    }
    golden = Golden(np.zeros((1, 2, 4), np.float32), np.zeros((1, 2, 4), np.float32))
    made = artefact.build(b"", fields, tone_model.labels, golden, {})
    path = tmp_path / "tones.edgemem"
    path.write_bytes(artefact.to_bytes(made))
    return path


OBSTACLES = {
    "absent": "needs the package nengo-loihi, which is not installed",
    "NumPy 2": "needs NumPy below 2, where NengoLoihi ends, and this is 2.2.6",
    "broken": "needs NengoLoihi, which does not import here (No module named 'distutils')",
}


@pytest.fixture(params=OBSTACLES)
def obstacle(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> str:
    """An environment in which NengoLoihi does not run, and what of it is said."""
    monkeypatch.delitem(sys.modules, "nengo_loihi", raising=False)
    if request.param == "absent":
        monkeypatch.setitem(sys.modules, "nengo_loihi", None)
    else:
        (tmp_path / "packages").mkdir()
        text = "raise ModuleNotFoundError(\"No module named 'distutils'\")\n"
        (tmp_path / "packages/nengo_loihi.py").write_text(text)
        monkeypatch.syspath_prepend(tmp_path / "packages")
        monkeypatch.setattr(np, "__version__", "2.2.6" if request.param == "NumPy 2" else "1.26.4")
    return OBSTACLES[request.param]


def check(done: Result, obstacle: str) -> None:
    assert done.exit_code == 1, done.output
    assert done.output.startswith("Error: ") and done.output.count("\n") == 1
    assert obstacle in done.output
    assert ELSEWHERE in done.output and done.output.endswith(f": {INSTALL}\n")


def test_convert_says_where_it_runs(linear_file: Path, obstacle: str, tmp_path: Path) -> None:
    out = tmp_path / "linear.edgemem"
    check(invoke("convert", linear_file, "--target", "nengo-loihi", "--out", out), obstacle)
    assert not out.exists()


def test_verify_and_run_say_where_it_runs(converted_file: Path, clip: Path, obstacle: str) -> None:
    check(invoke("verify", converted_file), obstacle)
    check(invoke("run", converted_file, clip), obstacle)


def test_info_needs_no_simulator(converted_file: Path, obstacle: str) -> None:
    assert invoke("info", converted_file).exit_code == 0


@pytest.mark.parametrize("package", ["numpy", "nengo_loihi"])
def test_a_file_by_itself_says_where_it_runs(package: str) -> None:
    absent = f"import runpy, sys; sys.modules[{package!r}] = None; "
    code = f"{absent}runpy.run_path({str(STANDALONE)!r}, run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"{STANDALONE} needs ")
    assert f"{ELSEWHERE}: pip install 'numpy<2'" in done.stderr
