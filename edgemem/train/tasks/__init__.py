"""The tasks of the papers: each a module of this folder that holds a ``TASK``.

Their names are those of the modules, with hyphens; listing them imports none.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

from edgemem.errors import UnknownNameError

if TYPE_CHECKING:
    from edgemem.train.tasks.base import Task

_NO_TASKS = frozenset({"base", "lesson", "metrics", "model", "picture", "recipe", "request", "run"})


def names() -> list[str]:
    """Names of the tasks."""
    found = (module.name for module in pkgutil.iter_modules(__path__))
    return sorted(name.replace("_", "-") for name in found if name not in _NO_TASKS)


def get(name: str) -> Task:
    """The task called ``name``.

    Raises
    ------
    UnknownNameError
        If there is none.
    """
    if name not in names():
        raise UnknownNameError("task", name, names())
    task: Task = importlib.import_module(f"{__name__}.{name.replace('-', '_')}").TASK
    return task
