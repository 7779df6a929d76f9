"""What a training run must remember to go on as if it had never stopped."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgemem.errors import ConfigError, TrainingError
from edgemem.files import DAMAGE, check_writable, npz_bytes, write_atomic
from edgemem.reading import read_npz

Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Checkpoint:
    """State after a whole epoch.

    Parameters
    ----------
    run : mapping
        What the run is: recipe, seed, data. A run resumes only its own checkpoint.
    variables : mapping
        Every variable of network and optimiser, by place.
    best : mapping
        Trained arrays of the best epoch so far.
    history : tuple of mapping
        One row for each epoch so far.
    """

    run: Mapping[str, Any]
    variables: Arrays
    best: Arrays
    history: tuple[Mapping[str, float], ...] = field(default_factory=tuple)

    @property
    def epochs(self) -> int:
        """Whole epochs so far."""
        return len(self.history)

    def save(self, path: Path) -> None:
        """Write to ``path``; whole or not at all."""
        plan = json.dumps({"run": self.run, "history": list(self.history)}, sort_keys=True)
        arrays = {
            "plan": np.frombuffer(plan.encode(), np.uint8),
            **{f"variables/{k}": v for k, v in self.variables.items()},
            **{f"best/{k}": v for k, v in self.best.items()},
        }
        write_atomic(path, npz_bytes(arrays, compress=False))

    @classmethod
    def load(cls, path: Path, run: Mapping[str, Any]) -> Checkpoint:
        """The checkpoint at ``path``.

        Raises
        ------
        TrainingError
            If it is missing, damaged, or of a run other than ``run``.
        """
        if not path.exists():
            raise TrainingError(f"{path}: no checkpoint to resume; leave out --resume")
        try:
            arrays = read_npz(path.read_bytes())
            plan = json.loads(arrays.pop("plan").tobytes())
            found, history = plan["run"], tuple(plan["history"])
        except DAMAGE as error:
            raise TrainingError(
                f"{path} is no checkpoint, or damaged ({error}); remove it and start again"
            ) from error
        differing = _differing(found, json.loads(json.dumps(run)))
        if differing:
            raise TrainingError(
                f"{path} belongs to another run: {', '.join(differing)}; repeat the options it was "
                "started with, or remove it and start again"
            )

        def part(prefix: str) -> dict[str, npt.NDArray[Any]]:
            return {k[len(prefix) :]: v for k, v in arrays.items() if k.startswith(prefix)}

        return cls(found, part("variables/"), part("best/"), history)


def _differing(found: Any, wanted: Any, name: str = "") -> list[str]:
    """Names of the options whose values differ, each with both."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        return [
            text
            for key in sorted({*found, *wanted})
            for text in _differing(found.get(key), wanted.get(key), f"{name}{key}.")
        ]
    return [] if found == wanted else [f"{name[:-1]} was {found}, now {wanted}"]


def checkpoints(out: Path) -> tuple[Path, Path]:
    """What an unfinished run leaves beside ``out``: of its part in floats, of its last one."""
    return beside(out, "checkpoint"), beside(out, "last.checkpoint")


def beside(out: Path, suffix: str) -> Path:
    """The file ``OUT.suffix`` of a run."""
    return out.with_name(f"{out.name}.{suffix}")


def check_out(out: Path, resume: bool) -> None:
    """Refuse to write over what is there, and what could not be written after hours of work.

    Raises
    ------
    ConfigError
        If a model is there, or the checkpoint of an unfinished run that is not to go on.
    OutputError
        If the file cannot be written.
    """
    check_writable(out)
    unfinished = [path for path in checkpoints(out) if path.exists()]
    if out.exists() and not (resume and unfinished):
        raise ConfigError(f"{out} is there already, and its run is over; choose another --out")
    if unfinished and not resume:
        raise ConfigError(
            f"{unfinished[0]} of an unfinished run is there; go on with --resume, or remove it"
        )
