"""What a person sees of a training run: a line that moves, a table, and a picture."""

from __future__ import annotations

import csv
import io
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgemem import drawing
from edgemem.files import write_atomic


class Progress:
    """Progress of training on standard error.

    Parameters
    ----------
    epochs : int
        Epochs of the whole run.
    n_batches : int
        Batches in an epoch.
    batch : int
        Sequences in a batch.
    quiet : bool
        Say nothing.
    """

    def __init__(self, epochs: int, n_batches: int, batch: int, quiet: bool = False) -> None:
        self.epochs = epochs
        self.n_batches = n_batches
        self.batch = batch
        self.quiet = quiet
        self._live = not quiet and sys.stderr.isatty()
        self._began: float | None = None
        self._done = 0
        self._shown = 0.0

    def step(self, epoch: int, batch: int, loss: float) -> None:
        """After batch number ``batch`` (from 0) of ``epoch`` (from 0)."""
        now = time.monotonic()
        if self._began is None:
            # the first batch waits for the graph to be compiled, which no other does
            self._began = now
            return
        self._done += 1
        if not self._live or now - self._shown < 0.5:
            return
        self._shown = now
        left = (self.epochs - epoch) * self.n_batches - batch - 1
        seconds = (now - self._began) / self._done
        rate = f"{self.batch / seconds:,.0f} sequences/s" if seconds else ""
        sys.stderr.write(
            f"\repoch {epoch + 1}/{self.epochs}  {(batch + 1) / self.n_batches:4.0%}  "
            f"loss {loss:.3f}  {rate}  {_clock(left * seconds)} left  "
        )
        sys.stderr.flush()

    def epoch(self, row: Mapping[str, float], told: str) -> None:
        """After a whole epoch, with its row of the history and what it came to, in words."""
        if self.quiet:
            return
        left = (self.epochs - row["epoch"]) * self._per_epoch(row)
        start = "\r\x1b[K" if self._live else ""
        sys.stderr.write(
            f"{start}epoch {row['epoch']:.0f}/{self.epochs}  loss {row['loss']:.4f}  "
            f"{told}  {row['seconds']:.0f} s  {_clock(left)} left\n"
        )
        sys.stderr.flush()

    def _per_epoch(self, row: Mapping[str, float]) -> float:
        """Seconds of an epoch, without those in which the graph was compiled."""
        if self._began is None or not self._done:
            return row["seconds"]
        return (time.monotonic() - self._began) * self.n_batches / self._done


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def write_history(path: Path, history: Sequence[Mapping[str, float]]) -> None:
    """The history as CSV, a row for each epoch."""
    text = io.StringIO()
    columns = dict.fromkeys(name for row in history for name in row)
    writer = csv.DictWriter(text, list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    write_atomic(path, text.getvalue().encode())


@dataclass(frozen=True)
class Shown:
    """How a picture shows a column of the history.

    Parameters
    ----------
    column, label : str
        Name in the history, and on the axis.
    factor : float
        By which its numbers are multiplied.
    unit : str
        Behind the number of the epoch that was kept.
    log : bool
        Whether its axis is logarithmic.
    """

    column: str
    label: str
    factor: float = 1.0
    unit: str = ""
    log: bool = False


ACCURACY = Shown("validation_accuracy", "validation accuracy, %", 100.0, " %")


def draw_history(
    path: Path,
    history: Sequence[Mapping[str, float]],
    best: Mapping[str, float],
    shown: Shown = ACCURACY,
) -> None:
    """The history as a picture: loss and a figure on validation data against epochs.

    Parameters
    ----------
    path : Path
    history : sequence of mapping
        A row for each epoch.
    best : mapping
        The row of the epoch that was kept.
    shown : Shown
        The figure.

    Raises
    ------
    MissingExtraError
        Without matplotlib.
    """
    figure = drawing.figure(7.0, 3.5)
    from matplotlib.ticker import MaxNLocator

    left = figure.add_subplot()
    right = left.twinx()
    epochs = [row["epoch"] for row in history]
    left.plot(epochs, [row["loss"] for row in history], ".-", color="tab:blue")
    left.xaxis.set_major_locator(MaxNLocator(integer=True))
    values = [shown.factor * row[shown.column] for row in history]
    right.plot(epochs, values, ".-", color="tab:orange")
    kept = best["epoch"], shown.factor * best[shown.column]
    right.plot(*kept, "o", color="tab:orange")
    text = f"{kept[1]:.4g}" if shown.log else f"{kept[1]:.2f}"
    right.annotate(text + shown.unit, kept, ha="right", va="top")
    if shown.log:
        left.set_yscale("log")
        right.set_yscale("log")
    left.set_xlabel("epoch")
    left.set_ylabel("training loss", color="tab:blue")
    right.set_ylabel(shown.label, color="tab:orange")
    drawing.save(figure, path, dpi=120)
