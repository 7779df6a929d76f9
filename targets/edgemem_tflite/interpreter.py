"""Whichever TFLite interpreter there is."""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemem.errors import ArtefactError, MissingExtraError, PackageError
from edgemem.notices import without_notices
from edgemem.runtime import packages

from . import xnnpack
from .names import SIGNATURE

MODULES = (
    "ai_edge_litert.interpreter",
    "tflite_runtime.interpreter",
    "tensorflow.lite.python.interpreter",
)
"""In the order in which they are tried."""

_OLD = "tflite_runtime"
"""The one that was built for NumPy 1, has no place beside TensorFlow, and whose reference kernel of
FULLY_CONNECTED rounds twice."""

NOTICE = b"Created TensorFlow Lite XNNPACK delegate for CPU"
"""Told at each opening, whatever the logging: fast kernels are there. `info` says so as well."""
DELEGATED = "DELEGATE"
"""Name of an operator that stands for those that a delegate took."""


@dataclass(frozen=True)
class Operator:
    """An operator of the file: its name and the numbers of its tensors."""

    name: str
    inputs: tuple[int, ...]
    output: int


def find_module() -> ModuleType:
    """The interpreter's module.

    Raises
    ------
    MissingExtraError
        If none is installed.
    PackageError
        If the NumPy here is none that it runs with.
    """
    for name in MODULES:
        # beside TensorFlow's own it fails to import: both register one C++ type
        if name.startswith(_OLD) and "tensorflow" in sys.modules:
            continue
        _check_numpy(name)
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError:
            continue
    raise MissingExtraError("running a TFLite network", packages.interpreter_package(), "tflite")


def _check_numpy(module: str) -> None:
    """Refuse what would fill the screen with tracebacks as it is imported."""
    if not module.startswith(_OLD) or importlib.util.find_spec(_OLD) is None:
        return
    clash = packages.clash_of(np.__version__)
    if clash is not None:
        raise PackageError(f"numpy is {clash.found}; {clash.remedy}")


def open_interpreter(
    payload: bytes, origin: str = "the network", reference_kernels: bool = False
) -> Any:
    """An interpreter on one thread, its tensors allocated.

    Parameters
    ----------
    payload : bytes
        The flatbuffer.
    origin : str
        Where it came from, for messages.
    reference_kernels : bool
        Whether to run TFLite's plain kernels instead of the fast ones. They are for looking at:
        every tensor then keeps its value after a step.
    """
    module = find_module()
    try:
        with without_notices(lambda line: NOTICE in line):
            settings = _settings(module, reference_kernels)
            interpreter = module.Interpreter(model_content=payload, num_threads=1, **settings)
            interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise ArtefactError(
            f"{origin}: {module.__name__} cannot open the network ({error}); "
            "convert the model again, or install a newer interpreter"
        ) from error
    return interpreter


def _settings(module: ModuleType, reference_kernels: bool) -> dict[str, Any]:
    if reference_kernels:
        kinds: Any = getattr(module, "OpResolverType", None)
        return {
            "experimental_op_resolver_type": kinds.BUILTIN_REF,
            "experimental_preserve_all_tensors": True,
        }
    if module.__name__.startswith(_OLD):
        return {"experimental_delegates": xnnpack.int8_delegates()}
    return {}


def check_reference(interpreter: Any, origin: str = "the network") -> None:
    """Refuse what a newer interpreter's reference kernels misread: 16-bit products of old files.

    They were written as FULLY_CONNECTED. tflite-runtime rounds it as the integer semantics does;
    newer reference kernels round once, and take a bias of 32 bits for one of 64, beyond its end.
    """
    if type(interpreter).__module__.startswith(_OLD):
        return
    kinds = {d["index"]: d["dtype"] for d in interpreter.get_tensor_details()}
    for op in operators(interpreter):
        if op.name == "FULLY_CONNECTED" and kinds[op.inputs[0]] is np.int16:
            raise ArtefactError(
                f"{origin}: an older edgemem wrote its 16-bit products in a way that these "
                "reference kernels misread; convert the model again"
            )


def signature(
    interpreter: Any, origin: str = "the network"
) -> tuple[dict[str, int], dict[str, int]]:
    """Numbers of the input and of the output tensors by their names in the signature."""
    try:
        runner = interpreter.get_signature_runner(SIGNATURE)
    except ValueError as error:
        raise ArtefactError(f"{origin}: no signature {SIGNATURE!r}; convert it again") from error
    inputs = {name: int(d["index"]) for name, d in runner.get_input_details().items()}
    outputs = {name: int(d["index"]) for name, d in runner.get_output_details().items()}
    return inputs, outputs


def operators(interpreter: Any) -> Iterator[Operator]:
    """The operators of the file in its order, those that a delegate took among them."""
    for op in interpreter._get_ops_details():
        if op["op_name"] != DELEGATED:
            yield Operator(str(op["op_name"]), tuple(map(int, op["inputs"])), int(op["outputs"][0]))


def engine(interpreter: Any, reference_kernels: bool) -> str:
    """Name and version of an interpreter, and which kernels it runs."""
    package = type(interpreter).__module__.partition(".")[0].replace("_", "-")
    try:
        name = f"{package} {version(package)}"
    except PackageNotFoundError:
        name = package
    if reference_kernels:
        return f"{name}, reference kernels"
    names = {op["op_name"] for op in interpreter._get_ops_details()}
    return f"{name}, XNNPACK" if DELEGATED in names else name


def memory(interpreter: Any, tensor: int) -> NDArray[Any]:
    """The memory of a tensor as an array that does not hold the interpreter.

    It is valid until tensors are allocated anew, which :class:`~.runner.TFLiteRunner` never does.
    An array from ``interpreter.tensor`` itself would keep ``invoke`` from running.
    """
    view = interpreter.tensor(tensor)()
    raw = (ctypes.c_byte * view.nbytes).from_address(address(interpreter, tensor))
    return np.frombuffer(raw, view.dtype).reshape(view.shape)


def address(interpreter: Any, tensor: int) -> int:
    """Where the memory of a tensor begins."""
    return int(interpreter.tensor(tensor)().__array_interface__["data"][0])
