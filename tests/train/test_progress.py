"""What a person sees of a run."""

from __future__ import annotations

import csv
import io
import struct
import sys

import pytest

from edgemem.errors import MissingExtraError
from edgemem.train import progress
from edgemem.train.progress import Progress, draw_history, write_history

HISTORY = [
    {"epoch": 1, "loss": 1.5, "validation_accuracy": 0.5, "seconds": 10.0},
    {"epoch": 2, "loss": 0.5, "validation_accuracy": 0.75, "seconds": 10.0},
    {"epoch": 3, "loss": 0.4, "validation_accuracy": 0.7, "seconds": 10.0},
]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch):
    """A clock that is set by hand."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def run_epoch(shown, clock, epoch, n_batches=4):
    for batch in range(n_batches):
        clock[0] += 2.5
        shown.step(epoch, batch, 1.0 / (batch + 1))
    accuracy = HISTORY[epoch]["validation_accuracy"]
    shown.epoch(HISTORY[epoch], f"validation accuracy {accuracy:.2%}")


def test_a_line_for_each_epoch_with_accuracy_and_the_time_that_is_left(capsys, clock):
    shown = Progress(361, 4, 20)
    run_epoch(shown, clock, 0)
    assert capsys.readouterr().err == (
        "epoch 1/361  loss 1.5000  validation accuracy 50.00%  10 s  1:00:00 left\n"
    )


def test_a_resumed_run_counts_the_epochs_that_are_left(capsys, clock):
    shown = Progress(3, 4, 20)
    run_epoch(shown, clock, 1)
    assert capsys.readouterr().err.endswith("validation accuracy 75.00%  10 s  0:10 left\n")


def test_a_terminal_shows_a_line_that_moves(monkeypatch, clock):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    shown = Progress(3, 4, 20)
    run_epoch(shown, clock, 0)
    lines = terminal.getvalue().split("\r")
    # 20 clips in 2.5 s; two batches of this epoch and eight of the others are left
    assert lines[1] == "epoch 1/3   50%  loss 0.500  8 sequences/s  0:25 left  "
    assert lines[-1].startswith("\x1b[Kepoch 1/3  loss 1.5000")
    clock[0] += 0.1
    before = terminal.getvalue()
    shown.step(1, 0, 1.0)
    clock[0] += 0.1
    shown.step(1, 1, 1.0)
    assert terminal.getvalue().count("\r") - before.count("\r") <= 1


def test_the_time_to_compile_is_not_taken_for_that_of_an_epoch(capsys, clock):
    shown = Progress(11, 4, 20)
    clock[0] += 300
    run_epoch(shown, clock, 0)
    # ten epochs of four batches of 2.5 s
    assert capsys.readouterr().err.endswith(" 1:40 left\n")


def test_quiet_says_nothing(capsys, clock):
    run_epoch(Progress(3, 4, 20, quiet=True), clock, 0)
    assert capsys.readouterr().err == ""


def test_the_history_is_a_table(tmp_path):
    write_history(tmp_path / "h.csv", HISTORY)
    with (tmp_path / "h.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [{name: float(value) for name, value in row.items()} for row in rows] == HISTORY


@pytest.mark.filterwarnings("ignore")
def test_the_curve_is_a_picture(tmp_path):
    pytest.importorskip("matplotlib", reason="the plot extra is not installed")
    for history in (HISTORY, HISTORY[:1]):
        draw_history(tmp_path / "c.png", history, history[-1])
        data = (tmp_path / "c.png").read_bytes()
        assert data[:8] == b"\x89PNG\r\n\x1a\n"
        width, height = struct.unpack(">II", data[16:24])
        assert width > 600
        assert height > 300


def test_without_matplotlib_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'edgemem-toolkit\[plot\]'"):
        draw_history(tmp_path / "c.png", HISTORY, HISTORY[0])
    assert not list(tmp_path.iterdir())
