"""What a sweep trains: the tasks of ``edgemem train``."""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

from edgemem.cells import CELLS
from edgemem.errors import ConfigError
from edgemem.sweep.space import Param, Scalar, Space, Values, spelled
from edgemem.train.tasks import get
from edgemem.train.tasks.recipe import TaskRecipe
from edgemem.train.tasks.request import Request
from edgemem.train.tasks.run import run_task

TRAIN = f"{__name__}:train"

WHOSE = ("cell", "recipe", "form")
"""From these follows which hyper-parameters a network has."""


def train(
    job: Mapping[str, Any], out: Path, resume: bool, watch: Callable[[Mapping[str, Any]], None]
) -> Mapping[str, Any]:
    """Train one trial; see :data:`edgemem.sweep.attempt.Runner`.

    Raises
    ------
    MemoryError
        If the network does not fit.
    """
    from edgemem.frameworks import tf

    # the graphs of earlier trials would stay in memory
    tf.keras.backend.clear_session()
    try:
        return run_task(request(job), out, resume=resume, quiet=True, watch=watch)
    except tf.errors.ResourceExhaustedError as error:
        raise MemoryError(f"the network does not fit in memory: {error.message}") from error


def request(job: Mapping[str, Any]) -> Request:
    """The training that a job describes.

    Parameters
    ----------
    job : mapping
        ``task``, ``recipe`` (or None), ``data`` (or None), ``seed``, ``fixed`` and ``params``.

    Raises
    ------
    UnknownNameError
        If there is no such task or hyper-parameter.
    ConfigError
        If a value is of the wrong kind.
    """
    data = None if job["data"] is None else Path(job["data"])
    made = Request(job["task"], data=data, seed=job["seed"])
    if job["recipe"] is not None:
        made = made.with_param("recipe", job["recipe"])
    values = {**job["fixed"], **job["params"]}
    for name in sorted(values, key=lambda name: name != "cell"):
        _check_kind(made.task, name, values[name])
        made = made.with_param(name, values[name])
    return made


def applies(job: Mapping[str, Any]) -> Callable[[Values, Param], bool]:
    """Says whether a network has a hyper-parameter, given those chosen before it.

    It has one if another value makes another network, training or task.

    Parameters
    ----------
    job : mapping
        As for :func:`request`; its ``params`` do not matter.
    """

    @cache
    def matters(whose: tuple[tuple[str, Scalar], ...], param: Param) -> bool:
        if len(param.samples) < 2:
            return True
        params = ({**dict(whose), param.name: value} for value in param.samples)
        made = [_described({**job, "params": values}) for values in params]
        return any(one != made[0] for one in made)

    def answer(chosen: Values, param: Param) -> bool:
        if param.name in WHOSE:
            return True
        return matters(tuple((n, chosen[n]) for n in WHOSE if n in chosen), param)

    return answer


def _described(job: Mapping[str, Any]) -> Any:
    made = request(job)
    try:
        return made.chosen(), made.options
    except ConfigError as error:
        return str(error)  # a value that a network refuses is one that it has


def check(job: Mapping[str, Any], space: Space) -> None:
    """Refuse what could work in no trial, before any.

    Raises
    ------
    UnknownNameError
        If there is no such task, cell, recipe or hyper-parameter.
    ConfigError
        If a value is of the wrong kind, or a hyper-parameter is one of no network that is tried.
    """
    if job["task"] == "kws":
        raise ConfigError(
            "kws is trained by recipes of its own, which are not swept; edgemem train kws trains "
            "one of them, and edgemem quantize searches for its widths"
        )
    get(job["task"])
    for param in space.params:
        for value in param.samples:
            request({**job, "params": {param.name: value}})
    request({**job, "params": {}}).made_options()
    heads = tuple(param for param in space.params if param.name in WHOSE)
    whose = (Space(heads, space.applies).points() if heads else None) or [{}]
    for params in whose:
        # refuses what is fixed and cannot work
        request({**job, "params": params}).chosen()
    _check_used(space, whose)


def _check_used(space: Space, whose: Sequence[Values]) -> None:
    for param in space.params:
        if not any(space.applies(chosen, param) for chosen in whose):
            raise ConfigError(
                f"--param {param.text}: no network that is tried has a {param.name}; leave it out, "
                "or add a cell that has it"
            )


def _check_kind(task: str, name: str, value: Scalar) -> None:
    """Refuse a value of another kind than the field's: ``order=many``."""
    for owner in (TaskRecipe, get(task).Options, *CELLS.values()):
        if name in {field.name for field in fields(owner)} and name not in WHOSE:
            kind = typing.get_type_hints(owner)[name]
            if not _is_kind(value, kind):
                raise ConfigError(f"{name}={spelled(value)}: expected {_kind_in_words(kind)}")
            return


def _is_kind(value: Scalar, kind: Any) -> bool:
    if typing.get_origin(kind) is typing.Literal:
        return value in typing.get_args(kind)
    if kind is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, kind) if kind in (bool, str) else True


def _kind_in_words(kind: Any) -> str:
    if typing.get_origin(kind) is typing.Literal:
        return f"one of {', '.join(map(str, typing.get_args(kind)))}"
    return {bool: "true or false", int: "a whole number", float: "a number"}.get(kind, "a word")
