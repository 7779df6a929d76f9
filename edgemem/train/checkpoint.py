"""What a training run must remember to go on as if it had never stopped."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgemem.errors import ConfigError, TrainingError
from edgemem.files import check_writable, npz_bytes, write_atomic
from edgemem.reading import DamageError, read_bytes, read_json, read_npz
from edgemem.shapes import OBJECT, ListOf, MapOf, Real, Record

Arrays = Mapping[str, npt.NDArray[Any]]

_LARGEST_PLAN = 4 << 20
_MOST_EPOCHS = 1 << 20
_NAMED, _LONGEST = 8, 80
_NOT_FINITE = ("NaN", "Infinity", "-Infinity")


@dataclass(frozen=True)
class _Figure:
    """A number of a history: a figure on validation data may be none that is finite."""

    def check(self, value: Any, where: str) -> None:
        if value not in _NOT_FINITE:
            Real().check(value, where)


_ROW = MapOf(_Figure(), 64)
_PLAN = Record({"run": OBJECT, "history": ListOf(_ROW, _MOST_EPOCHS)})
_ALWAYS = ("epoch", "loss", "seconds")


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
        # not sorted: the order of a row's fields is that of the table of the history
        history = [{name: _written(value) for name, value in row.items()} for row in self.history]
        plan = json.dumps({"run": self.run, "history": history})
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
            arrays = read_npz(read_bytes(path))
            plan = read_json(arrays.pop("plan").tobytes(), _LARGEST_PLAN)
            _PLAN.check(plan, "the plan")
            found, history = plan["run"], tuple(map(_row, plan["history"]))
        except (DamageError, KeyError, OSError) as error:
            raise TrainingError(
                f"{path} is no checkpoint, or damaged ({error}); remove it and start again"
            ) from error
        differing = _differing(found, json.loads(json.dumps(run)))
        if differing:
            raise TrainingError(
                f"{path} belongs to another run: {', '.join(differing[:_NAMED])}; repeat the "
                "options it was started with, or remove it and start again"
            )

        def part(prefix: str) -> dict[str, npt.NDArray[Any]]:
            return {k[len(prefix) :]: v for k, v in arrays.items() if k.startswith(prefix)}

        return cls(found, part("variables/"), part("best/"), history)


def check_arrays(arrays: Arrays, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse trained arrays of a checkpoint that are not those of the network.

    Raises
    ------
    TrainingError
        If one is missing, or of another shape or kind of number.
    """
    there = {name: array.shape for name, array in arrays.items() if array.dtype.kind == "f"}
    if any(there.get(name) != shape for name, shape in shapes.items()):
        raise TrainingError(
            "the checkpoint holds arrays of another network; remove it and start again"
        )


def _written(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _row(values: Mapping[str, Any]) -> dict[str, float]:
    missing = [name for name in _ALWAYS if name not in values]
    if missing:
        raise DamageError(f"a row of the history lacks {missing[0]}")
    return {n: float(v) if isinstance(v, str) else v for n, v in values.items()}


def _differing(found: Any, wanted: Any, name: str = "") -> list[str]:
    """Names of the options whose values differ, each with both."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        return [
            text
            for key in sorted({*found, *wanted})
            for text in _differing(found.get(key), wanted.get(key), f"{name}{key}.")
        ]
    return [] if found == wanted else [f"{name[:-1]} was {_told(found)}, now {_told(wanted)}"]


def _told(value: Any) -> str:
    text = str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


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
