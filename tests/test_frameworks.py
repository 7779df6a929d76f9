"""NengoDL on today's TensorFlow: what is refused, and what others in the process see of it."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tempfile
import types
from collections.abc import Callable
from pathlib import Path

import pytest

from edgemem import frameworks
from edgemem.errors import MissingExtraError, PackageError
from edgemem.frameworks import nengo_dl, tf

pytestmark = pytest.mark.training

ROOT = Path(__file__).parents[1]


def python(code: str) -> str:
    """What a fresh interpreter prints; where it fails, what it writes on standard error."""
    done = run(code)
    return done.stderr if done.returncode else done.stdout


def run(code: str) -> subprocess.CompletedProcess[str]:
    # this process has the switch on, and its children would inherit it
    environment = {name: os.environ[name] for name in os.environ if name != frameworks.SWITCH}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def refused() -> str:
    with pytest.raises(PackageError) as caught:
        frameworks.check()
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.fixture
def versions(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """``versions(package=version)``: as if these were installed; None is missing."""
    real = frameworks.version

    def pretend(**found: str | None) -> None:
        def version(package: str) -> str:
            there = found.get(package.replace("-", "_"), real(package))
            if there is None:
                raise frameworks.PackageNotFoundError(package)
            return there

        monkeypatch.setattr(frameworks, "version", version)

    return pretend


def test_what_is_installed_is_known() -> None:
    frameworks.check()
    assert tf.keras.Model.__module__.startswith("tf_keras.")
    assert issubclass(nengo_dl.TensorNode, sys.modules["nengo"].Node)


@pytest.mark.parametrize(
    ("package", "version", "wanted"),
    [
        ("tensorflow", "2.12.1", f"tensorflow=={frameworks.KNOWN['tensorflow'][-1]}.*"),
        ("tensorflow", "3.0.0", f"tensorflow=={frameworks.KNOWN['tensorflow'][-1]}.*"),
        ("tf_keras", "2.16.0", "tf-keras==2."),
        ("nengo", "3.2.0", f"nengo=={frameworks.KNOWN['nengo'][-1]}.*"),
        ("nengo_dl", "3.5.0", "nengo-dl==3.6.0"),
    ],
)
def test_a_version_that_was_never_tried(
    versions: Callable[..., None], package: str, version: str, wanted: str
) -> None:
    versions(**{package: version})
    message = refused()
    assert f"{package.replace('_', '-')} is {version}" in message and wanted in message


@pytest.mark.parametrize("package", ["tensorflow", "tf_keras", "nengo", "nengo_dl"])
def test_a_package_that_is_missing(versions: Callable[..., None], package: str) -> None:
    versions(**{package: None})
    with pytest.raises(MissingExtraError, match=f"needs the package {package.replace('_', '-')},"):
        frameworks.check()


def test_a_python_without_wheels(
    versions: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    versions(tensorflow=None)
    for here in ((3, 9), (3, 15)):
        monkeypatch.setattr(frameworks.sys, "version_info", (*here, 0))
        message = refused()
        assert f"training runs on Python 3.10 to 3.13, and this is 3.{here[1]}" in message


def test_the_switch_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(frameworks.SWITCH, "0")
    assert "TF_USE_LEGACY_KERAS is '0', and NengoDL needs tf-keras; unset it" in refused()
    monkeypatch.setenv(frameworks.SWITCH, "true")
    frameworks.check()


def test_nengo_dl_that_was_built_wrongly(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = {name: sys.modules[name] for name in sys.modules if name.startswith("nengo_dl")}
    for name in kept:
        monkeypatch.delitem(sys.modules, name)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "nengo_dl").mkdir()
        (Path(folder) / "nengo_dl/__init__.py").write_text("from nengo_dl import compat\n")
        monkeypatch.syspath_prepend(folder)
        with pytest.raises(PackageError, match=r"does not import \(.*compat.*build it anew with"):
            frameworks.load()
    for name in [name for name in sys.modules if name.startswith("nengo_dl")]:
        del sys.modules[name]
    assert not [one for one in sys.meta_path if isinstance(one, frameworks._Importer)]


def test_a_keras_3_model_open_in_this_process() -> None:
    told = python("import tensorflow as tf\ntf.keras.Sequential()\nimport edgemem.frameworks")
    assert "PackageError: tf.keras is Keras 3 in this process already" in told


def test_keras_is_what_it_was_before_and_after() -> None:
    told = python(
        "import keras\n"
        "before = keras.Sequential\n"
        "from edgemem.frameworks import nengo_dl, tf\n"
        "import sys, keras, keras.layers\n"
        "assert keras.Sequential is before and keras.__version__ >= '3'\n"
        "assert tf.keras.Sequential is not before\n"
        "assert not [name for name in sys.modules if name.startswith('keras.engine')]\n"
        "keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])\n"
        "print('both')"
    )
    assert told == "both\n"


def test_nothing_is_told_and_no_second_python_is_started() -> None:
    code = (
        "import subprocess, sys\n"
        "subprocess.call = None\n"
        "import edgemem.frameworks\n"
        "assert 'keras' not in sys.modules"
    )
    done = run(code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_module_alone_gets_the_other_import() -> None:
    """The statement of one module is changed, ``builtins.__import__`` and all others are not."""
    assert isinstance(sys.modules["nengo_dl.utils"].subprocess, types.SimpleNamespace)
    assert isinstance(sys.modules["subprocess"], types.ModuleType)
    assert sys.modules["nengo_dl.compat"].Functional.__module__.startswith("tf_keras.src")


def test_frameworks_come_from_one_place() -> None:
    """No other module of edgemem imports TensorFlow, NengoDL or a Keras by itself."""
    heavy = {"tensorflow", "nengo_dl", "keras", "tf_keras"}
    found = set()
    for path in sorted((ROOT / "edgemem").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            if heavy & {name.partition(".")[0] for name in names}:
                found.add(path.name)
    assert found == set()


def test_what_is_known_is_locked() -> None:
    locked = (ROOT / "requirements/train.txt").read_text(encoding="utf-8")
    for name, known in {**frameworks.KNOWN, "tf-keras": frameworks.KNOWN["tensorflow"]}.items():
        pinned = re.findall(rf"^{name}==([\d.]+)", locked, re.MULTILINE)
        assert {".".join(version.split(".")[:2]) for version in pinned} == {known[-1]}
