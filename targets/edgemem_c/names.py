"""What a file of this target holds, the same for who writes it and who runs it."""

from __future__ import annotations

FACTS = "c"
"""Under this name the manifest says how the sources were written, and what they take."""


def header(prefix: str) -> str:
    """Name of the header."""
    return f"{prefix}.h"


def source(prefix: str) -> str:
    """Name of the source."""
    return f"{prefix}.c"


def weights(prefix: str) -> str:
    """Name of the file of constants, which the source includes."""
    return f"{prefix}_weights.h"


def golden(prefix: str) -> str:
    """Name of the header of test vectors."""
    return f"{prefix}_golden.h"
