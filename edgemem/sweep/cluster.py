"""Trials on the workers of a Dask cluster, several at once."""

from __future__ import annotations

import asyncio
import queue
import re
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from edgemem import __version__
from edgemem.errors import ClusterError, MissingExtraError, install_command
from edgemem.sweep import worker
from edgemem.sweep.folder import Folder
from edgemem.sweep.local import Job, Observer
from edgemem.sweep.study import Asked
from edgemem.sweep.trials import FAILED, Ended, result_of

if TYPE_CHECKING:
    from distributed import Client, Future

RETRIES = 3
"""So often a trial whose worker died is begun anew."""

PACKAGES = ("tensorflow", "nengo_dl", "matplotlib")
"""What training needs on a worker."""

_ADDRESS = re.compile(r"(tcp|tls)://[^/\s]+:\d+/?")


class Cluster:
    """The workers of a scheduler.

    Parameters
    ----------
    address : str
        ``tcp://HOST:PORT`` or ``tls://HOST:PORT``, whose certificates Dask's own settings name.
    runner : str
        ``package.module:function`` that a worker can import.
    jobs : int, optional
        Trials at once; by default the number of workers.
    patience : float
        Seconds until a scheduler that does not answer is given up.

    Raises
    ------
    MissingExtraError
        Without Dask.
    ClusterError
        If the scheduler is not there.
    """

    def __init__(
        self, address: str, runner: str, jobs: int | None = None, patience: float = 5.0
    ) -> None:
        self._client = _connected(address, patience)
        self._address, self._runner, self._patience = address, runner, patience
        self._jobs = jobs

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def check(self, data: str | None) -> int:
        """Refuse workers that could not train; the number of workers.

        Raises
        ------
        ClusterError
            If there are none, or one lacks edgemem, a package or the data.
        """
        try:
            self._client.wait_for_workers(1, timeout=self._patience)
        except asyncio.TimeoutError:
            raise ClusterError(
                f"the scheduler {self._address} has no workers; start some with: "
                f"dask worker {self._address} --nthreads 1"
            ) from None
        found = self._client.run(worker.probe, list(PACKAGES), data, on_error="return")
        for address, answer in found.items():
            lacking = _lacking(answer, data)
            if lacking:
                raise ClusterError(f"worker {address} cannot train: {lacking}")
        return len(found)

    def run(self, trials: Iterator[Asked], job: Job, folder: Folder, observer: Observer) -> None:
        """Run trials on the workers; see :class:`~edgemem.sweep.local.Place`.

        Raises
        ------
        ClusterError
            If the scheduler goes away, or a trial fails in a way that is not its own.
        """
        # workers that died a moment ago may be on their way back
        jobs = self._jobs or max(1, len(self._client.nthreads()))
        running = _Running(self._client, self._runner, job, folder, observer)
        try:
            while running.fill(trials, jobs):
                running.wait()
        finally:
            running.stop()


class _Running:
    """The trials that are on their way."""

    def __init__(
        self, client: Client, runner: str, job: Job, folder: Folder, observer: Observer
    ) -> None:
        self._client, self._runner, self._job = client, runner, job
        self._folder, self._observer = folder, observer
        # of this process alone: what an earlier one left on the scheduler means nothing here
        self._topic = f"edgemem-sweep-{uuid.uuid4().hex}"
        self._asked: dict[int, Asked] = {}
        self._futures: dict[int, Future] = {}
        self._begun: Counter[int] = Counter()
        self._deaths: Counter[int] = Counter()
        self._idle = False
        # filled by Dask's thread, emptied by this one
        self._news: queue.SimpleQueue[Any] = queue.SimpleQueue()
        client.subscribe_topic(self._topic, lambda event: self._news.put(event[1]))

    def fill(self, trials: Iterator[Asked], jobs: int) -> bool:
        """Begin trials while there is room; whether any is on its way."""
        while len(self._futures) < jobs:
            asked = next(trials, None)
            if asked is None:
                break
            self._asked[asked.number] = asked
            self._submit(asked)
        return bool(self._futures)

    def wait(self) -> None:
        """Until something is new."""
        try:
            news = self._news.get(timeout=2.0)
        except queue.Empty:
            self._look()
            return
        if isinstance(news, Mapping):
            self._told(int(news["number"]), news.get("row"))
        else:
            self._over(news)

    def stop(self) -> None:
        """Tell the workers to leave what is still on its way after this epoch."""
        if self._client.status != "running":
            return
        for number in self._futures:
            self._flag(number).set()
        self._client.cancel(list(self._futures.values()))
        self._client.unsubscribe_topic(self._topic)

    def _submit(self, asked: Asked) -> None:
        number = asked.number
        future = self._client.submit(
            worker.work,
            self._runner,
            dict(self._job(asked)),
            number,
            str(self._folder.path.resolve()),
            self._folder.id,
            self._topic,
            key=f"{self._topic}-{number}-{self._deaths[number]}",
            pure=False,
        )
        self._futures[number] = future
        future.add_done_callback(self._news.put)

    def _told(self, number: int, row: Mapping[str, Any] | None) -> None:
        if number not in self._futures:
            return
        if row is not None:
            if not self._observer.row(number, row):
                self._flag(number).set()
            return
        self._begun[number] += 1
        if self._begun[number] > 1:
            self._observer.note(f"trial {number}: its worker died; begun anew")

    def _over(self, future: Future) -> None:
        number = next((n for n, f in self._futures.items() if f.key == future.key), None)
        if number is None:
            return
        del self._futures[number]
        ended = self._ended(number, future)
        future.release()
        if ended is None:
            self._submit(self._asked[number])
            return
        self._flag(number).clear()
        self._observer.ended(self._asked.pop(number), ended)

    def _ended(self, number: int, future: Future) -> Ended | None:
        """What a trial came to; None if its worker died and it is to be begun anew."""
        from distributed import KilledWorker

        if future.cancelled():
            raise ClusterError(_gone(self._client))
        error = future.exception()
        if isinstance(error, KilledWorker):
            # a worker may die before it has told that it began
            died = self._deaths[number] + error.allowed_failures + 1
            self._deaths[number] = max(self._begun[number], died)
            if self._deaths[number] <= RETRIES:
                return None
            times = self._deaths[number]
            reason = f"{times} workers died while they ran it, the last one {_worker(error)}"
            return Ended(FAILED, reason=reason, retries=times - 1)
        if error is not None:
            raise ClusterError(f"trial {number}: {type(error).__name__} on its worker: {error}")
        found = future.result()
        if "error" in found:
            raise ClusterError(f"trial {number}: {found['error']}")
        result = None if found["result"] is None else result_of(found["result"])
        retries = max(self._begun[number] - 1, self._deaths[number], 0)
        return Ended(found["state"], result, found["model"], found["reason"], retries)

    def _look(self) -> None:
        """Whether scheduler and workers are still there."""
        if self._client.status != "running":
            raise ClusterError(_gone(self._client))
        idle = not self._client.nthreads()
        if idle and not self._idle:
            self._observer.note("no workers are left; waiting for one")
        self._idle = idle

    def _flag(self, number: int) -> Any:
        from distributed import Event

        return Event(f"{self._topic}-{number}", client=self._client)


def _connected(address: str, patience: float) -> Client:
    try:
        from distributed import Client
    except ImportError:
        raise MissingExtraError("a sweep on a cluster", "distributed", "sweep") from None
    if not _ADDRESS.fullmatch(address):
        raise ClusterError(
            f"{address!r} is no address of a scheduler; expected tcp://HOST:PORT or tls://HOST:PORT"
        )
    try:
        # a client would wait for ever on something that accepts and says nothing
        asyncio.run(asyncio.wait_for(_greeted(address, patience), 2.0 * patience))
        return Client(address, timeout=patience, set_as_default=False)
    except (OSError, ValueError, ImportError, asyncio.TimeoutError) as error:
        reason = str(error) or type(error).__name__
        raise ClusterError(
            f"no Dask scheduler answers at {address} ({reason}); start one with: dask scheduler"
        ) from error


async def _greeted(address: str, patience: float) -> None:
    """Say hello to a scheduler."""
    from distributed.comm import connect
    from distributed.security import Security

    arguments = Security().get_connection_args("client")
    comm = await connect(address, timeout=patience, **arguments)
    await comm.close()


def _lacking(answer: Any, data: str | None) -> str:
    """What a worker lacks, in words; empty if nothing."""
    if not isinstance(answer, Mapping):
        return f"{type(answer).__name__}: {answer}; it needs {install_command('sweep', 'train')}"
    if answer["version"] != __version__:
        return f"it has edgemem {answer['version']}, this process {__version__}"
    if answer["missing"]:
        missing = ", ".join(answer["missing"])
        return f"it lacks {missing}; it needs {install_command('sweep', 'train')}"
    return "" if answer["data"] else f"{data} is not there; copy the data to the same path"


def _gone(client: Client) -> str:
    return (
        f"the scheduler {client.scheduler.addr if client.scheduler else ''} went away; the trials "
        "that ended are kept, and the same command goes on"
    )


def _worker(error: Any) -> str:
    return str(getattr(error.last_worker, "address", error.last_worker))
