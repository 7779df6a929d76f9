"""A whole sweep: trials until there are enough, and what is kept of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgemem.files import write_atomic
from edgemem.sweep.attempt import Row
from edgemem.sweep.folder import Folder
from edgemem.sweep.local import Place
from edgemem.sweep.space import Space
from edgemem.sweep.study import Asked, Study
from edgemem.sweep.table import as_csv
from edgemem.sweep.trials import Ended, Trial, best_of

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Sweep:
    """One sweep.

    Parameters
    ----------
    folder : Folder
    study : Study
    space : Space
    job : mapping
        What all trials have in common, as JSON values; each adds its ``params``.
    keep_all : bool
        Whether every trial's files stay, or the best model alone.
    """

    folder: Folder
    study: Study
    space: Space
    job: Mapping[str, Any]
    keep_all: bool = False

    def run(
        self,
        place: Place,
        wanted: int,
        tell: Callable[[Trial, Sequence[Trial]], None] = lambda trial, trials: None,
        note: Tell = lambda text: None,
    ) -> list[Trial]:
        """Run trials until there are ``wanted``, those of earlier calls included.

        Parameters
        ----------
        place : Place
        wanted : int
        tell : callable
            Told each trial that ended, and all so far.
        note : callable
            Told what else a person may want to know.

        Returns
        -------
        list of Trial
            All of them.
        """
        self._write_table()
        watcher = _Watcher(self, tell, note)
        place.run(self.study.ask(wanted), self.job_of, self.folder, watcher)
        return self.study.trials

    def job_of(self, asked: Asked) -> Mapping[str, Any]:
        """What a trial trains, as JSON values."""
        return {**self.job, "params": dict(asked.params)}

    def end(self, asked: Asked, ended: Ended) -> Trial:
        """Keep what a trial came to.

        The model comes first: were this process to die before the study knows of it, the trial
        would be taken up again and come to the same.
        """
        best = best_of(self.study.trials)
        if ended.result is not None and ended.model is not None:
            if best is None or best.result is None or ended.result.cost < best.result.cost:
                write_atomic(self.folder.best, ended.model)
            if self.keep_all:
                self._keep(asked.number, ended.model)
        trial = self.study.end(asked.number, ended)
        if not self.keep_all:
            self.folder.remove(asked.number)
        self._write_table()
        return trial

    def _keep(self, number: int, model: bytes) -> None:
        """A model that was trained on another machine; here it is there already."""
        path = self.folder.trial(number) / f"{self.job['task']}-{number}.model"
        if not path.exists():
            write_atomic(path, model)

    def _write_table(self) -> None:
        write_atomic(self.folder.table, as_csv(self.study.trials, self.space))


@dataclass(frozen=True)
class _Watcher:
    sweep: Sweep
    tell: Callable[[Trial, Sequence[Trial]], None]
    note: Tell

    def row(self, number: int, row: Row) -> bool:
        return self.sweep.study.report(number, row)

    def ended(self, asked: Asked, ended: Ended) -> None:
        trial = self.sweep.end(asked, ended)
        self.tell(trial, self.sweep.study.trials)
