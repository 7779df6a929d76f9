"""Which TFLite interpreter belongs to this Python, and what it needs beside it."""

from __future__ import annotations

import sys
from typing import NamedTuple

OLD, NEW = "tflite-runtime", "ai-edge-litert"


class Clash(NamedTuple):
    """Two packages that do not go together, and the remedy."""

    found: str
    remedy: str


def interpreter_package() -> str:
    """What the extra ``tflite`` installs here: the old one where the new has no 32-bit wheels."""
    return OLD if sys.maxsize < 2**32 and sys.platform == "linux" else NEW


def oldest_glibc(processor: str) -> tuple[int, int]:
    """The glibc for which its Linux wheels are built."""
    return (2, 34) if processor.startswith("arm") else (2, 27)


def clash_of(numpy_version: str) -> Clash | None:
    """Why tflite-runtime cannot run beside a NumPy: it ends in pages of tracebacks there."""
    head = numpy_version.partition(".")[0]
    if not head.isdigit() or int(head) < 2:
        return None
    return Clash(
        f"{numpy_version}, and {OLD} was built for numpy 1",
        "install an older one with: pip install 'numpy<2'",
    )
