"""NengoDL on today's TensorFlow: the one place that imports either, and what has to hold before.

NengoDL 3.6.0 is written for Keras 2, which TensorFlow took apart: ``tf.keras`` is Keras 3 unless
``TF_USE_LEGACY_KERAS=1`` leads it to the package tf-keras, and ``keras.engine``, of which NengoDL
imports two names, is ``tf_keras.src.engine`` now. Here the variable is set before ``tf.keras`` is
there, and the imports of NengoDL's one module that says ``keras`` are led to tf-keras. Nothing in
``sys.modules`` is renamed: a ``keras`` that somebody else imports, before, after or in another
thread at the same time, is the one that is installed.

Everything in edgemem that trains takes its frameworks from here::

    from edgemem.frameworks import nengo_dl, tf
"""

from __future__ import annotations

import builtins
import os
import re
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType, SimpleNamespace
from typing import Any

from edgemem.errors import NENGO_DL, MissingExtraError, PackageError
from edgemem.notices import without_notices

SWITCH = "TF_USE_LEGACY_KERAS"
ON = ("1", "true", "True")
"""What TensorFlow takes for yes."""
KNOWN = {"tensorflow": ("2.21",), "nengo": ("4.1",), "nengo-dl": ("3.6",)}
"""Versions that training was tried with; tf-keras has TensorFlow's number."""
PYTHONS = ((3, 10), (3, 13))
"""Oldest and newest Python that these have wheels for."""
_TENSORFLOW = " ".join(
    f"'{name}=={KNOWN['tensorflow'][-1]}.*'" for name in ("tensorflow", "tf-keras")
)
_REMEDIES = {
    "tensorflow": f"pip install {_TENSORFLOW}",
    "tf-keras": f"pip install {_TENSORFLOW}",
    "nengo": f"pip install 'nengo=={KNOWN['nengo'][-1]}.*'",
    "nengo-dl": NENGO_DL,
}
_NOTICE = re.compile(rb"[IW]\d{4} |WARNING: All log messages before absl|.* failed call to cuInit")
"""Lines that TensorFlow's native code writes before anybody can set its level."""


def check() -> None:
    """Refuse what cannot end well, before anything large is imported.

    Raises
    ------
    MissingExtraError
        If a package is not installed.
    PackageError
        If a package is of a version that was never tried, if :data:`SWITCH` is off, or if
        ``tf.keras`` is Keras 3 in this process already.
    """
    here = sys.version_info[:2]
    if not PYTHONS[0] <= here <= PYTHONS[1] and not _found("tensorflow"):
        oldest, newest = (".".join(map(str, python)) for python in PYTHONS)
        raise PackageError(
            f"training runs on Python {oldest} to {newest}, and this is {here[0]}.{here[1]}; "
            "make a virtual environment with one of those"
        )
    for package in ("tensorflow", "tf-keras", "nengo", "nengo-dl"):
        _check_version(package)
    if os.environ.get(SWITCH, ON[0]) not in ON:
        raise PackageError(
            f"{SWITCH} is {os.environ[SWITCH]!r}, and NengoDL needs tf-keras; unset it or set it "
            "to 1"
        )
    # dictionaries, since a lazy loader that is asked for an attribute would load
    keras = vars(sys.modules["tensorflow"]).get("keras") if "tensorflow" in sys.modules else None
    if keras is not None and vars(keras).get("__name__", "").startswith("keras."):
        raise PackageError(
            "tf.keras is Keras 3 in this process already, and NengoDL needs tf-keras; set "
            f"{SWITCH}=1 before TensorFlow is imported, or train in a process of its own"
        )


def _found(package: str) -> str | None:
    try:
        # None in sys.modules is how a package is taken away for a test
        gone = sys.modules.get(package.replace("-", "_"), package) is None
        return None if gone else version(package)
    except PackageNotFoundError:
        return None


def _check_version(package: str) -> None:
    found = _found(package)
    if found is None:
        raise MissingExtraError("training", package, "train")
    series = ".".join(found.split(".")[:2])
    known = KNOWN.get(package, (_found("tensorflow") or "",))
    if not any(series == ".".join(one.split(".")[:2]) for one in known):
        raise PackageError(
            f"{package} is {found}, and training was tried with {', '.join(known)}; "
            f"install that with: {_REMEDIES[package]}"
        )


class _Importer(Loader, MetaPathFinder):
    """Loads some modules with an ``import`` statement of their own, and leaves all others alone.

    Parameters
    ----------
    imports : mapping of str to callable
        By the name of a module: what its code calls in place of :func:`builtins.__import__`.
    """

    def __init__(self, imports: Mapping[str, Callable[..., Any]]) -> None:
        self.imports = imports

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module as it would be found anyway; None for others."""
        spec = PathFinder.find_spec(name, path, target) if name in self.imports else None
        if spec is not None:
            spec.loader_state, spec.loader = spec.loader, self
        return spec

    def exec_module(self, module: ModuleType) -> None:
        """Run the module's code."""
        spec = module.__spec__
        assert spec is not None
        module.__dict__["__builtins__"] = {
            **vars(builtins),
            "__import__": self.imports[spec.name],
        }
        spec.loader_state.exec_module(module)


def _keras(name: str, *rest: Any) -> Any:
    """Import, where ``keras`` means what is ``tf_keras.src`` now."""
    if name.partition(".")[0] == "keras":
        name = f"tf_keras.src{name[len('keras') :]}"
    return builtins.__import__(name, *rest)


def _gpu(name: str, *rest: Any) -> Any:
    """Import, where ``subprocess`` answers NengoDL's one question: is there no GPU?

    NengoDL asks a second process, which imports TensorFlow for it and doubles the time of an
    import. To list devices creates none, so that this process may ask as well.
    """
    if name != "subprocess":
        return builtins.__import__(name, *rest)
    devices = sys.modules["tensorflow"].config.list_physical_devices
    return SimpleNamespace(call=lambda command: not devices("GPU"))


def load() -> tuple[Any, Any]:
    """NengoDL and TensorFlow.

    Raises
    ------
    MissingExtraError, PackageError
        See :func:`check`; also if what is installed as NengoDL does not import.
    """
    check()
    os.environ[SWITCH] = ON[0]
    # TensorFlow must have read it before NengoDL sets it anew
    quiet = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3") != "0"
    importer = _Importer({"nengo_dl.compat": _keras, "nengo_dl.utils": _gpu})
    with without_notices(lambda line: quiet and _NOTICE.match(line) is not None):
        tensorflow = import_module("tensorflow")
        sys.meta_path.insert(0, importer)
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "This version of NengoDL has not been tested")
                return import_module("nengo_dl"), tensorflow
        except Exception as error:  # whatever a package that was built wrongly may raise
            again = NENGO_DL.replace("--no-deps", "--no-deps --force-reinstall")
            raise PackageError(
                f"NengoDL does not import ({error}); build it anew with: {again}"
            ) from error
        finally:
            sys.meta_path.remove(importer)


nengo_dl, tf = load()
