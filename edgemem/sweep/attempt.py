"""One trial, wherever it runs: begun, gone on with, or taken from its folder."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

from edgemem.errors import ConfigError, ShapeError, TrainingError
from edgemem.files import sweep, write_atomic
from edgemem.reading import DamageError, read_bytes
from edgemem.sweep.trials import COMPLETE, FAILED, PRUNED, Ended, Result, read_result, result_of

Row = Mapping[str, Any]
Watch = Callable[[int, Row], bool]
"""Told the number of a trial and the row of each of its epochs; says whether it goes on."""

Runner = Callable[[Mapping[str, Any], Path, bool, Callable[[Row], None]], Mapping[str, Any]]
"""``runner(job, out, resume, watch)`` trains what ``job`` says, writes the model to ``out`` and
returns the fields of :class:`~edgemem.sweep.trials.Result`. With ``resume`` it goes on from
``OUT.checkpoint``. What ``watch`` raises goes through."""

OF_ITS_OWN = (TrainingError, ConfigError, ShapeError, MemoryError)
"""What is wrong with the hyper-parameters of one trial, and not with all of them."""


# a signal and no error, so it is not called one
class Stopped(Exception):  # noqa: N818
    """The watch said that a trial does not go on; nothing is wrong."""


def runner_named(name: str) -> Runner:
    """The function ``package.module:name``."""
    module, _, function = name.partition(":")
    found: Runner = getattr(import_module(module), function)
    return found


def attempt(
    runner: Runner, job: Mapping[str, Any], number: int, folder: Path, watch: Watch
) -> Ended:
    """Run a trial to its end.

    What it had come to before an interruption is not done again: there is a checkpoint of the last
    whole epoch, or the result.

    Parameters
    ----------
    runner : callable
    job : mapping
        JSON values.
    number : int
    folder : Path
        Of this trial.
    watch : callable

    Raises
    ------
    EdgememError
        If something is wrong that would be wrong for every trial.
    """
    sweep(folder)
    out = folder / f"{job['task']}-{number}.model"
    result = _kept(folder, out)
    if result is None:
        try:
            result = _trained(runner, job, out, lambda row: _watched(watch, number, row))
        except Stopped:
            return Ended(PRUNED)
        except OF_ITS_OWN as error:
            return Ended(FAILED, reason=str(error) or type(error).__name__)
        if not math.isfinite(result.validation):
            return Ended(FAILED, reason=f"validation {result.metric} is {result.validation}")
        write_atomic(folder / "result.json", json.dumps(asdict(result)).encode())
    return Ended(COMPLETE, result, out.read_bytes())


def _watched(watch: Watch, number: int, row: Row) -> None:
    if not watch(number, row):
        raise Stopped


def _trained(
    runner: Runner, job: Mapping[str, Any], out: Path, watch: Callable[[Row], None]
) -> Result:
    # without its result a model may be that of a process which died before all was written
    out.unlink(missing_ok=True)
    resume = out.with_name(f"{out.name}.checkpoint").exists()
    return result_of(runner(job, out, resume, watch))


def _kept(folder: Path, out: Path) -> Result | None:
    try:
        return read_result(read_bytes(folder / "result.json")) if out.exists() else None
    except (DamageError, OSError):
        return None
