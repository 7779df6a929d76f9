"""A command for each event."""

from __future__ import annotations

import math
import os
import re
import shlex
import shutil
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import suppress

from edgemem.errors import ConfigError
from edgemem.listen.lines import moment_of
from edgemem.listen.reports import Counted, Report
from edgemem.listen.types import Heard, Moment
from edgemem.listen.waiting import Waits
from edgemem.runtime.lines import event_fields

AT_ONCE = 4
"""Commands that run at once; of more events nothing is run."""

PATIENCE = 3.0
"""Seconds that commands get to finish when listening ends."""

LAST = 1.0
"""Seconds that they get to end after SIGTERM."""


def command_of(text: str) -> list[str]:
    """Program and arguments of a command line; no shell reads it.

    Raises
    ------
    ConfigError
        If quotes do not close, or there is no such program.
    """
    try:
        arguments = shlex.split(text)
    except ValueError as error:
        raise ConfigError(f"--exec: {text!r} cannot be split into arguments: {error}") from error
    if not arguments:
        raise ConfigError("--exec: the command is empty; name a program")
    if shutil.which(arguments[0]) is None:
        raise ConfigError(
            f"--exec: there is no program {arguments[0]!r} that can be run; name one by its path "
            "(no shell reads the command: sh -c '...' is one)"
        )
    return arguments


# An argument after one of these is often a program, in which a label would be code.
_CODE = re.compile(r"-\w*[ce]|--(eval|exec|command|expression)")
_CODE_INSIDE = re.compile(r"--(eval|exec|command|expression)=")
_PLAIN = re.compile(r"\w[\w.-]*( \w[\w.-]*)*")


def check_labels(arguments: Sequence[str], labels: Sequence[str]) -> None:
    """Refuse a command in which a label of the network's file would be more than a word.

    Parameters
    ----------
    arguments : sequence of str
        As :func:`command_of` gives them.
    labels : sequence of str
        Labels that may fire.

    Raises
    ------
    ConfigError
        If one would be an option, lead to another folder, or be code of a shell.
    """
    for label in labels:
        for before, argument in zip(("", *arguments), arguments):
            why = _danger(before, argument, label)
            if why:
                raise ConfigError(
                    f"--exec: the label {label!r} would be {why} in {argument!r}; take it from "
                    "the environment instead (EDGEMEM_LABEL)"
                )


def _danger(before: str, argument: str, label: str) -> str:
    """What a label would be in an argument; empty where it is only a word."""
    if "{label}" not in argument:
        return ""
    if (_CODE.fullmatch(before) or _CODE_INSIDE.match(argument)) and not _PLAIN.fullmatch(label):
        return "code"
    if argument.startswith("{label}") and label.startswith("-"):
        return "an option"
    if "/" in label or label in ("", ".", ".."):
        return "a way to another folder"
    try:
        os.fsencode(label)
    except UnicodeError:
        return "no text"
    return "no text" if "\0" in label else ""


def values_of(heard: Heard) -> dict[str, str]:
    """What a command is told of an event: time, at, label and score as text."""
    fields = {name: str(value) for name, value in event_fields(heard).items()}
    return {**fields, "at": moment_of(heard.at)}


class Execute:
    """Runs a command for each event, beside the loop.

    In its arguments ``{label}``, ``{score}``, ``{time}`` and ``{at}`` are replaced; its environment
    has EDGEMEM_LABEL and so on. What it prints goes to standard error.

    Parameters
    ----------
    arguments : sequence of str
        Program and arguments (:func:`command_of`).
    report : callable
        Takes a sentence about commands that fail or are not run.
    at_once : int
        Most commands at once.
    waits : Waits, optional
        How the loop may wait for one of them to end; not at all without.
    """

    wants_frames = False

    def __init__(
        self,
        arguments: Sequence[str],
        report: Report,
        at_once: int = AT_ONCE,
        waits: Waits | None = None,
    ) -> None:
        self._arguments = list(arguments)
        self._at_once = at_once
        self._waits = waits or Waits()
        self._lock = threading.Condition()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._threads: set[threading.Thread] = set()
        self._why = ""
        self._ending = False
        name = self._arguments[0]
        self._skipped = Counted(
            report,
            lambda new, total: (
                f"--exec: {at_once} commands were still running: nothing was run for {new} events "
                f"({total} in all)"
            ),
        )
        self._failed = Counted(
            report,
            lambda new, total: f"--exec: {name} {self._why}: {new} failures ({total} in all)",
        )

    def take(self, moment: Moment) -> None:
        """Start the command for each of a moment's events."""
        for heard in moment.events:
            if self._waits.until(self._room):
                self._start(heard)
            else:
                self._skipped.add()

    def close(self, patience: float = math.inf) -> None:
        """Wait a little for commands that run, then end them."""
        share = min(1.0, patience / (PATIENCE + 2 * LAST))
        self._join(share * PATIENCE)
        with self._lock:
            self._ending = True
            left = list(self._running)
        for child in left:
            child.terminate()
        self._join(share * LAST)
        with self._lock:
            left = list(self._running)
        for child in left:
            child.kill()
        self._join(share * LAST)
        self._skipped.tell(now=True)
        self._failed.tell(now=True)

    def _room(self, seconds: float) -> bool:
        with self._lock:
            return self._lock.wait_for(lambda: len(self._threads) < self._at_once, seconds)

    def _join(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        with self._lock:
            threads = list(self._threads)
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _start(self, heard: Heard) -> None:
        thread = threading.Thread(target=self._run, args=(heard,), name="command", daemon=True)
        with self._lock:
            self._threads.add(thread)
        thread.start()

    def _run(self, heard: Heard) -> None:
        # Starting a process takes milliseconds, and waiting for it is what reaps it.
        try:
            self._wait(heard)
        except OSError as error:
            self._fail(f"cannot be run: {error.strerror or error}")
        except ValueError as error:  # a label that no system takes as an argument
            self._fail(f"cannot be run: {error}")
        finally:
            with self._lock:
                self._threads.discard(threading.current_thread())
                self._lock.notify_all()

    def _wait(self, heard: Heard) -> None:
        values = values_of(heard)
        told = {f"EDGEMEM_{name.upper()}": text for name, text in values.items()}
        child = subprocess.Popen(
            [_filled(argument, values) for argument in self._arguments],
            stdin=subprocess.DEVNULL,
            stdout=2,
            env={**os.environ, **told},
            start_new_session=True,  # Ctrl-C is for us, who let it finish
        )
        with self._lock:
            self._running.add(child)
        try:
            status = child.wait()
        finally:
            with self._lock:
                self._running.discard(child)
        if status and not self._ending:
            self._fail(f"ended with status {status}")

    def _fail(self, why: str) -> None:
        self._why = why
        with suppress(OSError):
            self._failed.add()


def _filled(argument: str, values: dict[str, str]) -> str:
    """Values in their places, at once: what a value holds is no place."""
    places = "|".join(values)
    return re.sub(rf"\{{({places})\}}", lambda found: values[found.group(1)], argument)
