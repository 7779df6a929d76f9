"""The loop that hears: blocks of sound in, moments to the sinks, and word that it is alive."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from edgemem.errors import EdgememError
from edgemem.listen.buffer import Block, Buffer
from edgemem.listen.reports import Counted, Report
from edgemem.listen.types import Controls, Heard, Moment, Sink
from edgemem.runtime.sources import SAMPLE_RATE

if TYPE_CHECKING:
    from edgemem.listen.sources import Reader
    from edgemem.listen.watchdog import Notifier
    from edgemem.runtime.detector import Event
    from edgemem.runtime.loop import Listener

RESET_AFTER = 1.0
"""Seconds of missing sound after which the network starts anew: what came before is no context."""

# Seconds that the loop waits for sound before it looks around, between two looks at its losses,
# and between two statuses.
_GLANCE = 0.2
_OFTEN = 1.0
_STATUS = 10.0


@dataclass(frozen=True)
class Health:
    """How a running loop does.

    Parameters
    ----------
    heard : float
        Seconds of sound that were heard.
    events : int
    share : float
        Processor time of the whole process for a second of sound, since the last look.
    dropped : int
        Samples that the loop was too slow for.
    overruns : int
        How often the driver lost sound.
    missing : float
        Seconds that a source did not deliver: overruns, a microphone that was away.
    waiting : float
        Seconds of sound in the queue.
    memory : float or None
        Resident memory in MiB, where the system tells.
    """

    heard: float
    events: int
    share: float
    dropped: int
    overruns: int
    missing: float
    waiting: float
    memory: float | None

    def to_dict(self) -> dict[str, Any]:
        """The fields, as JSON values."""
        return asdict(self)

    def __str__(self) -> str:
        memory = "" if self.memory is None else f", {self.memory:.0f} MiB"
        return (
            f"{self.heard:.0f} s heard, {self.events} events, {self.share:.1%} of real time, "
            f"{self.dropped} samples dropped, {self.overruns} overruns, {self.missing:.1f} s "
            f"missing, {self.waiting:.2f} s waiting{memory}"
        )


class Loop:
    """Hears what a buffer brings until it has ended.

    Parameters
    ----------
    listener : Listener
    buffer : Buffer
    reader : Reader
        The thread that fills it.
    sinks : sequence of Sink
    controls : Controls
    notifier : Notifier
        Told that the loop is alive by the loop itself, also while no sound comes.
    report : callable
        Takes a sentence.
    chores : sequence of callable
        Called between blocks and while none comes: signals that are to be answered.
    stats : float
        Seconds between two reports of how it does; 0 for none.
    """

    def __init__(
        self,
        listener: Listener,
        buffer: Buffer,
        reader: Reader,
        sinks: Sequence[Sink],
        controls: Controls,
        notifier: Notifier,
        report: Report,
        chores: Sequence[Callable[[], None]] = (),
        stats: float = 0.0,
    ) -> None:
        self._listener = listener
        self._buffer = buffer
        self._reader = reader
        self._sinks = tuple(sinks)
        self._controls = controls
        self._notifier = notifier
        self._started = False
        self._report = report
        self._chores = tuple(chores)
        self._stats = stats
        self._frames = any(sink.wants_frames for sink in sinks)
        self._next = 0  # position after the last sample that was heard
        self._skipped = 0  # what positions are ahead of the listener's own count
        self._heard = 0
        self._came = float("-inf")  # when the last block did
        self._events = 0
        self._mark = (0, time.process_time())
        self._share = 0.0
        self._due = {"glance": 0.0, "status": 0.0, "stats": time.monotonic() + stats}
        self._losses = (
            Counted(report, _dropped_sentence),
            Counted(report, _overrun_sentence),
        )

    def run(self) -> None:
        """Hear until the sound has ended.

        Raises
        ------
        EdgememError
            What ended the source, if it was an error.
        OSError
            What a sink could not bear: nobody reads standard output any more.
        """
        while not self._buffer.ended:
            block = self._buffer.get(_GLANCE)
            if block is not None:
                self._adopt()
                self._hear(block)
            for chore in self._chores:
                chore()
            self._look_around()
        self._count_losses()
        for losses in self._losses:
            losses.tell(now=True)
        if self._stats:
            self._measure()
            self._report(str(self.health))
        self._reader.check()

    @property
    def health(self) -> Health:
        """How it does; the share is that of the last seconds."""
        return Health(
            heard=self._heard / SAMPLE_RATE,
            events=self._events,
            share=self._share,
            dropped=self._buffer.dropped,
            overruns=self._reader.overruns,
            missing=self._reader.missing / SAMPLE_RATE,
            waiting=self._buffer.waiting / SAMPLE_RATE,
            memory=resident_memory(),
        )

    def _adopt(self) -> None:
        config = self._controls.take()
        if config is None:
            return
        try:
            self._listener.adopt(config)
        except EdgememError as error:
            self._report(f"{error}; the rules stay as they were")
            self._controls.propose(self._listener.detector.config)

    def _greet(self) -> None:
        if not self._started:
            self._started = True
            self._notifier.ready("listening")

    def _hear(self, block: Block) -> None:
        self._skip(block.position - self._next)
        features = posteriors = None
        if self._frames:
            observed = self._listener.observe(block.samples)
            features, posteriors, events = observed
        else:
            events = self._listener.push(block.samples)
        self._next = block.position + block.samples.size
        self._heard += block.samples.size
        self._events += len(events)
        heard = tuple(self._date(event, block) for event in events)
        self._came = block.at
        self._greet()  # before a sink is waited for
        moment = Moment(block.position, block.samples, features, posteriors, heard)
        for sink in self._sinks:
            sink.take(moment)

    def _skip(self, missing: int) -> None:
        self._skipped += missing
        if missing >= RESET_AFTER * SAMPLE_RATE:
            self._listener.reset()
            self._skipped = self._next + missing

    def _date(self, event: Event, block: Block) -> Heard:
        time = event.time + self._skipped / SAMPLE_RATE
        # A block's samples came since the last one did, however fast its source is.
        since = (block.position + block.samples.size) / SAMPLE_RATE - time
        at = block.at - max(0.0, min(since, block.at - self._came))
        return Heard(time, at, event.label, event.score)

    def _look_around(self) -> None:
        self._notifier.alive()
        now = time.monotonic()
        if now < self._due["glance"]:
            return
        self._due["glance"] = now + _OFTEN
        self._count_losses()
        if now >= self._due["status"]:
            self._due["status"] = now + _STATUS
            self._measure()
            self._notifier.status(str(self.health))
        if self._stats and now >= self._due["stats"]:
            self._due["stats"] = now + self._stats
            self._measure()
            self._report(str(self.health))

    def _measure(self) -> None:
        spent, heard = time.process_time(), self._heard
        seconds = (heard - self._mark[0]) / SAMPLE_RATE
        if seconds >= _OFTEN:
            self._share = (spent - self._mark[1]) / seconds
            self._mark = (heard, spent)

    def _count_losses(self) -> None:
        found = (self._buffer.dropped, self._reader.overruns)
        for losses, total in zip(self._losses, found):
            if total > losses.total:
                losses.add(total - losses.total)
            losses.tell()


def resident_memory() -> float | None:
    """Resident memory of this process in MiB; None where the system does not tell."""
    try:
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - no Path in a hot place
            pages = int(file.read().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _dropped_sentence(new: int, total: int) -> str:
    return (
        f"the loop was too slow: {new / SAMPLE_RATE:.2f} s of sound were dropped "
        f"({total / SAMPLE_RATE:.2f} s in all)"
    )


def _overrun_sentence(new: int, total: int) -> str:
    return f"the sound driver lost sound {new} times ({total} in all)"
