"""XNNPACK's int8 kernels where an interpreter has them but leaves them off.

tflite-runtime 2.14.0, the last of its name, is built with XNNPACK and hands it float operators
only; its C interface, which the same library exports, takes a flag for signed 8-bit ones. Newer
interpreters set the flag themselves.
"""

from __future__ import annotations

import ctypes
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGE, VERSION = "tflite-runtime", "2.14.0"
"""The one release whose option structure is known to begin as :class:`_Options` does."""

SIGNED_8_BIT = 0x1


class _Options(ctypes.Structure):
    # room to spare: the library fills in the whole structure, of which two fields matter here
    _fields_ = (
        ("num_threads", ctypes.c_int32),
        ("flags", ctypes.c_uint32),
        ("rest", ctypes.c_byte * 248),
    )


class Delegate:
    """A delegate in the form that ``Interpreter(experimental_delegates=...)`` asks for."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        options = library.TfLiteXNNPackDelegateOptionsDefault()
        options.num_threads = 1
        options.flags |= SIGNED_8_BIT
        self._pointer: int | None = library.TfLiteXNNPackDelegateCreate(ctypes.byref(options))

    def _get_native_delegate_pointer(self) -> int | None:
        return self._pointer

    def __del__(self) -> None:
        if self._pointer:
            self._library.TfLiteXNNPackDelegateDelete(self._pointer)
            self._pointer = None


def int8_delegates() -> list[Delegate]:
    """One delegate for one interpreter, or none where there is none to be had."""
    library = _library()
    if library is None:
        return []
    delegate = Delegate(library)
    return [delegate] if delegate._get_native_delegate_pointer() else []


@cache
def _library() -> ctypes.CDLL | None:
    try:
        if version(PACKAGE) != VERSION:
            return None
        from tflite_runtime import _pywrap_tensorflow_interpreter_wrapper as wrapper
    except (PackageNotFoundError, ImportError):
        return None
    try:
        library = ctypes.CDLL(str(Path(wrapper.__file__)))
        library.TfLiteXNNPackDelegateOptionsDefault.restype = _Options
        library.TfLiteXNNPackDelegateCreate.restype = ctypes.c_void_p
        library.TfLiteXNNPackDelegateCreate.argtypes = [ctypes.POINTER(_Options)]
        library.TfLiteXNNPackDelegateDelete.restype = None
        library.TfLiteXNNPackDelegateDelete.argtypes = [ctypes.c_void_p]
    except (OSError, AttributeError):  # built without it
        return None
    return library
