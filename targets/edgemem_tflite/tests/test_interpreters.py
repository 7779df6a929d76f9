"""The same file under TensorFlow's own interpreter, in a process of its own."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgemem import artefact, conversion
from edgemem.cells import LEM, LMU, Dense, Stack
from edgemem.errors import MissingExtraError, PackageError
from edgemem.frontend import FrontEnd
from edgemem.model import Model, Sample
from edgemem.runtime.rule import DetectorConfig
from edgemem_tflite import interpreter


def test_numpy_2_under_tflite_runtime_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(np, "__version__", "2.1.3")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name == "tflite_runtime" or None)
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    monkeypatch.setattr(interpreter, "MODULES", ("tflite_runtime.interpreter",))
    monkeypatch.setattr(importlib, "import_module", lambda name: pytest.fail(f"imports {name}"))
    with pytest.raises(PackageError) as refused:
        interpreter.find_module()
    assert str(refused.value) == (
        "numpy is 2.1.3, and tflite-runtime was built for numpy 1; "
        "install an older one with: pip install 'numpy<2'"
    )


@pytest.mark.parametrize(
    ("largest", "platform", "package"),
    [
        (2**31 - 1, "linux", "tflite-runtime"),
        (2**63 - 1, "linux", "ai-edge-litert"),
        (2**63 - 1, "darwin", "ai-edge-litert"),
    ],
)
def test_without_an_interpreter_the_package_of_this_machine_is_named(
    monkeypatch: pytest.MonkeyPatch, largest: int, platform: str, package: str
) -> None:
    """As setup.py has it for the extra tflite: by the bits of this Python."""

    def missing(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(sys, "maxsize", largest)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(interpreter, "_check_numpy", lambda name: None)
    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(MissingExtraError, match=f"the package {package}, .*tflite"):
        interpreter.find_module()


VERIFY = """
import sys
import tensorflow
from edgemem import artefact
from edgemem.verification import verify
found = verify(artefact.read(sys.argv[1]))
assert "tflite_runtime" not in sys.modules
print(found.distance)
"""


@pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is None, reason="TensorFlow is not installed"
)
def test_tensorflow_gives_the_same_numbers(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    cell = Stack((LMU(4, 8, 4, 9.0, 2, activation="relu"), LEM(8, 6), Dense(6, 3)))
    sample = Sample(rng.normal(size=(8, 20, 4)).astype(np.float32), np.zeros(8, np.int64))
    model = Model(
        name="both",
        frontend=FrontEnd(n_mels=4),
        cell=cell,
        params={**cell.init(rng), **cell.constants},
        labels=("a", "b", "c"),
        protocol="folders",
        detector=DetectorConfig(window=5),
        calibration=sample,
        validation=sample,
    )
    data, _ = conversion.convert(model, "tflite")
    conversion.save(data, tmp_path / "f.tflite")
    assert artefact.read(tmp_path / "f.tflite").golden.y.std() > 0
    done = subprocess.run(
        [sys.executable, "-c", VERIFY, str(tmp_path / "f.tflite")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split()[-1]) < 0.02
