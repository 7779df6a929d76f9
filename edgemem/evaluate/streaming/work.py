"""Logits of finished segments in a folder, so that a run that was killed goes on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgemem.files import npy_bytes, write_atomic
from edgemem.reading import DamageError, read_bytes, read_npy

Logits = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Work:
    """A folder of one network on one scene.

    Logits are kept as the runner gave them, in float32: no decision depends on whether they were
    read or computed.

    Parameters
    ----------
    folder : Path
    """

    folder: Path

    @classmethod
    def of(cls, root: Path, what: Mapping[str, Any]) -> Work:
        """The folder under ``root`` whose name is the digest of all that decides the logits."""
        text = json.dumps(what, sort_keys=True, separators=(",", ":"))
        return cls(Path(root) / hashlib.sha256(text.encode()).hexdigest()[:24])

    def load(self, number: int, shape: tuple[int, int]) -> Logits | None:
        """Logits of a segment; None where they are missing, or damaged."""
        try:
            values = read_npy(read_bytes(self._path(number)))
        except (OSError, DamageError):
            return None
        return values if values.shape == shape and values.dtype == np.float32 else None

    def save(self, number: int, logits: Logits) -> None:
        """Keep the logits of a segment, whole or not at all."""
        write_atomic(self._path(number), npy_bytes(logits))

    def _path(self, number: int) -> Path:
        return self.folder / f"segment-{number:05d}.npy"
