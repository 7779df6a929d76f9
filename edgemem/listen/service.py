"""Everything around the loop: source, buffer, sinks, signals, and their orderly end."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgemem.errors import ConfigError, EdgememError
from edgemem.listen.buffer import Buffer
from edgemem.listen.loop import Loop
from edgemem.listen.reports import Report, to_standard_error
from edgemem.listen.rules import rules_of
from edgemem.listen.signals import Signals
from edgemem.listen.sources import Reader, Source
from edgemem.listen.types import Controls, Sink
from edgemem.listen.waiting import Ends, Waits
from edgemem.listen.watchdog import Notifier
from edgemem.runtime.sources import SAMPLE_RATE

if TYPE_CHECKING:
    from edgemem.runtime.network import Network

PATIENCE = 60.0
"""Seconds that sound which can wait waits for a sink before something is not done."""

LAST = 0.4
"""Seconds that are spent on hearing what waits once a signal asked for the end."""

MakeSink = Callable[["Surroundings"], Sink]


@dataclass(frozen=True)
class Surroundings:
    """What a sink can be made from.

    Parameters
    ----------
    network : Network
    source : Source
    controls : Controls
    report : callable
        Takes a sentence for whoever started the program, from any thread.
    health : callable
        How the loop does, as JSON values; only while it runs.
    waits : Waits
        How the loop may wait for a sink: not at all, unless its sound waits as well.
    """

    network: Network
    source: Source
    controls: Controls
    report: Report
    health: Callable[[], dict[str, Any]]
    waits: Waits

    @property
    def keywords(self) -> list[str]:
        """Labels that may fire."""
        return [label for label in self.network.labels if label not in self.controls.current.ignore]


@dataclass(frozen=True)
class Settings:
    """How to listen.

    Parameters
    ----------
    queue : float
        Seconds of sound that may wait for the loop.
    config : Path, optional
        Rule file, read now and at SIGHUP.
    stats : float
        Seconds between two reports of how the loop does; 0 for none.

    Raises
    ------
    ConfigError
        If a value cannot work.
    """

    queue: float = 5.0
    config: Path | None = None
    stats: float = 0.0

    def __post_init__(self) -> None:
        if not 0.1 <= self.queue <= 3600:
            raise ConfigError(f"queue is {self.queue:g}; it must be 0.1 to 3600 seconds")
        if self.stats < 0:
            raise ConfigError(f"stats is {self.stats:g}; it must be 0 seconds or more")


def listen(
    network: Network,
    source: Source,
    sinks: Sequence[MakeSink],
    settings: Settings,
    report: Report = to_standard_error,
) -> int | None:
    """Listen until the source ends or a signal asks for the end.

    What waits is heard before, after a signal for :data:`LAST` seconds; then everything together
    has :data:`~edgemem.listen.waiting.ENDING` seconds to finish.

    Parameters
    ----------
    network : Network
    source : Source
    sinks : sequence of callable
        Each makes a sink; all are closed at the end, whatever it is.
    settings : Settings
    report : callable
        Takes a sentence; standard error without.

    Returns
    -------
    int or None
        Number of the signal that asked for the end.

    Raises
    ------
    EdgememError
        What a sink or the source cannot do without.
    OSError
        If nobody reads standard output any more.
    """
    controls = Controls(rules_of(network, settings.config))
    listener = replace(network, detector=controls.current).listener()
    buffer = Buffer(round(settings.queue * SAMPLE_RATE), source.live)
    reader = Reader(source, buffer)
    with ExitStack() as stack:
        signals = stack.enter_context(Signals(reloads=settings.config is not None))
        notifier = stack.enter_context(Notifier.from_environment())
        loops: list[Loop] = []
        ending = _Ending(signals, reader, buffer)
        chores: tuple[Callable[[], None], ...] = (
            ending.look,
            lambda: _reload(signals, network, settings.config, controls, notifier, report),
        )

        def look() -> bool:
            for chore in chores:
                chore()
            notifier.alive()
            return signals.ended is None

        around = Surroundings(
            network,
            source,
            controls,
            report,
            lambda: loops[0].health.to_dict() if loops else {},
            Waits(0.0 if source.live else PATIENCE, look),
        )
        ends = Ends(lambda: signals.ended is not None)
        made = [_made(make, around, stack, ends) for make in sinks]
        ends.add(stack, reader.close)
        loops.append(
            Loop(listener, buffer, reader, made, controls, notifier, report, chores, settings.stats)
        )
        reader.start()
        loops[0].run()
        notifier.stopping()
    return signals.ended


def _made(make: MakeSink, around: Surroundings, stack: ExitStack, ends: Ends) -> Sink:
    sink = make(around)
    ends.add(stack, sink.close)
    return sink


class _Ending:
    """Ends the sound once a signal asked for it, and soon after that also what still waits."""

    def __init__(self, signals: Signals, reader: Reader, buffer: Buffer) -> None:
        self._signals = signals
        self._reader = reader
        self._buffer = buffer
        self._since: float | None = None

    def look(self) -> None:
        if self._signals.ended is None:
            return
        if self._since is None:
            self._since = time.monotonic()
            self._reader.stop()
        elif time.monotonic() - self._since > LAST:
            self._buffer.discard()


def _reload(
    signals: Signals,
    network: Network,
    config: Path | None,
    controls: Controls,
    notifier: Notifier,
    report: Report,
) -> None:
    if not signals.take_reload():
        return
    notifier.reloading()
    try:
        controls.propose(rules_of(network, config, anew=True))
        report(f"the rules of {config} hold now")
    except EdgememError as error:
        report(f"{error}; the rules stay as they were")
    notifier.ready("listening")


def status_of(signal_number: int | None) -> int:
    """Exit status of a process that was asked to end: 0, or 130 where Ctrl-C did."""
    return 130 if signal_number == signal.SIGINT else 0
