"""Trials in this process, one after the other.

Two trainings at once would share the same cores, and each of them uses all that there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from edgemem.sweep.attempt import Row, Runner, attempt
from edgemem.sweep.folder import Folder
from edgemem.sweep.study import Asked
from edgemem.sweep.trials import Ended

Job = Callable[[Asked], Mapping[str, Any]]
"""What a trial trains, as JSON values."""


class Observer(Protocol):
    """Who is told how trials get on."""

    def row(self, number: int, row: Row) -> bool:
        """An epoch is over; whether the trial goes on."""

    def ended(self, asked: Asked, ended: Ended) -> None:
        """A trial is over."""

    def note(self, text: str) -> None:
        """Something that a person may want to know."""


class Place(Protocol):
    """Where trials run."""

    def run(self, trials: Iterator[Asked], job: Job, folder: Folder, observer: Observer) -> None:
        """Run trials to their ends, as many at once as there is room for."""


@dataclass(frozen=True)
class Here:
    """This process."""

    runner: Runner

    def run(self, trials: Iterator[Asked], job: Job, folder: Folder, observer: Observer) -> None:
        for asked in trials:
            path = folder.trial(asked.number)
            path.mkdir(parents=True, exist_ok=True)
            ended = attempt(self.runner, job(asked), asked.number, path, observer.row)
            observer.ended(asked, ended)
