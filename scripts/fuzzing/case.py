"""What one kind of file is to the fuzzer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

MEMORY = 300 << 20
"""Bytes that reading a file of up to 10 MB may take at most."""


@dataclass(frozen=True)
class Case:
    """One kind of file.

    Parameters
    ----------
    make : callable
        Writes one damaged file into a folder and gives its path.
    read : callable
        What a user would do with it: it comes back, or raises an EdgememError.
    slow : bool
        Whether reading one takes so long that a test does few of them.
    memory : int
        Bytes that the process may take at most, with all that it imports.
    """

    make: Callable[[np.random.Generator, Path], Path]
    read: Callable[[Path], None]
    slow: bool = False
    memory: int = MEMORY
