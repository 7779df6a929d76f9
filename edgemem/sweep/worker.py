"""What runs on the workers of a Dask cluster; arguments and results are plain values."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from edgemem import __version__
from edgemem.errors import EdgememError
from edgemem.sweep.attempt import Row, attempt, runner_named
from edgemem.sweep.folder import is_of, locked, trial_folder

_ONE = threading.Lock()
"""A worker with several threads trains one network at a time: it takes all cores as it is."""


def probe(packages: Sequence[str], data: str | None) -> dict[str, Any]:
    """What a worker has of what it needs."""
    return {
        "version": __version__,
        "missing": [name for name in packages if find_spec(name) is None],
        "data": data is None or Path(data).exists(),
    }


def work(
    runner: str, job: Mapping[str, Any], number: int, folder: str, sweep: str, topic: str
) -> dict[str, Any]:
    """Run one trial.

    Where the worker sees the folder of the sweep, the trial is kept there, and goes on from its
    last whole epoch if the worker before died; else it is kept in a folder of the worker's own.

    Parameters
    ----------
    runner : str
        ``package.module:function``.
    job : mapping
    number : int
        Of the trial.
    folder, sweep : str
        Folder of the sweep, as the machine that asks sees it, and the sweep's id.
    topic : str
        Of Dask's events: the start and every epoch are told there. The event ``TOPIC-NUMBER``
        is set if the trial should not go on.

    Returns
    -------
    dict
        The fields of :class:`~edgemem.sweep.trials.Ended`, or ``error``: what is wrong with every
        trial.
    """
    from distributed import Event, get_worker

    worker, stop = get_worker(), Event(f"{topic}-{number}")
    worker.log_event(topic, {"number": number})

    def watch(number: int, row: Row) -> bool:
        plain = {key: value for key, value in row.items() if isinstance(value, (int, float, str))}
        worker.log_event(topic, {"number": number, "row": plain})
        return not stop.is_set()

    with _ONE, _place(Path(folder), sweep, number, worker.local_directory) as path:
        try:
            ended = attempt(runner_named(runner), job, number, path, watch)
        except EdgememError as error:
            return {"error": str(error)}
    result = None if ended.result is None else asdict(ended.result)
    return {"state": ended.state, "result": result, "model": ended.model, "reason": ended.reason}


@contextmanager
def _place(folder: Path, sweep: str, number: int, own: str) -> Iterator[Path]:
    if not is_of(folder, sweep):
        with tempfile.TemporaryDirectory(prefix=f"trial-{number}-", dir=own) as name:
            yield Path(name)
        return
    path = trial_folder(folder, number)
    # a worker that was taken for dead may still be at it: what it comes to is taken then
    with locked(path):
        yield path
