#!/usr/bin/env python3
"""What an untrained Legendre memory of 100 numbers keeps of windows of 100 to 100,000 steps.

The capacity task of Voelker et al. 2019, sec. 4.1, in float64: the test signals run through the
memory, and five delays up to a window are read out of it by Legendre polynomials. Nothing is
trained. The published figures are read off a plot of the authors' notebook; they are those of
delays from a quarter of a window on.

usage: capacity.py [--windows N ...] [--order N] [--sequences N] [--plot PNG] [--json]
"""

from __future__ import annotations

import argparse
import datetime
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgemem import drawing
from edgemem.cells.lmu import legendre_delay, legendre_window
from edgemem.data.signals import white_signals
from edgemem.train.tasks.capacity import LENGTH, N_DELAYS, SEED, Options

Values = npt.NDArray[np.float64]

CHUNK = 256
"""Steps that are computed by one product."""

PUBLISHED = {100: (7e-3, 2e-2), 1_000: (7e-5, 2e-4), 10_000: (8e-7, 3e-6), 100_000: (7e-9, 1e-6)}
"""Mean squared errors read off the authors' plot, the least and the largest over the delays."""


@dataclass(frozen=True)
class Row:
    """The errors at one window.

    Parameters
    ----------
    window : int
        In steps.
    errors : list of float
        Mean squared error at each delay, from now to a window ago.
    seconds : float
        Wall time, signals included.
    """

    window: int
    errors: list[float]
    seconds: float


@dataclass(frozen=True)
class Chunk:
    """What a linear memory makes of so many steps at once.

    With ``m_t = A m_{t-1} + B u_t`` and ``y_t = C m_t``, the outputs of a chunk that begins with
    the memory ``m`` are ``y_t = C A^(t+1) m + sum_{s <= t} C A^(t-s) B u_s``.

    Parameters
    ----------
    of_memory : (order, n_steps, n_out) array
        ``C A^(t+1)``.
    of_input : (n_steps, n_steps, n_out) array
        ``C A^(t-s) B``, by ``s`` and ``t``.
    kept : (order, order) array
        ``A^n_steps``, transposed.
    written : (n_steps, order) array
        ``A^(n_steps-1-s) B``.
    """

    of_memory: Values
    of_input: Values
    kept: Values
    written: Values

    @classmethod
    def of(cls, A: Values, B: Values, C: Values, n_steps: int) -> Chunk:
        """The products of a memory, each power of ``A`` by one multiplication."""
        powers = np.empty((n_steps, *A.shape))
        powers[0] = A
        for step in range(1, n_steps):
            powers[step] = A @ powers[step - 1]
        # A^k B for k = 0 ... n_steps - 1
        impulse = np.concatenate((B[:, 0][None], powers[:-1] @ B[:, 0]))
        response = impulse @ C.T
        of_input = np.zeros((n_steps, n_steps, len(C)))
        for step in range(n_steps):
            of_input[step, step:] = response[: n_steps - step]
        of_memory = (C @ powers).transpose(2, 0, 1)
        return cls(of_memory, of_input, powers[-1].T, impulse[::-1])

    def run(self, m: Values, u: Values) -> tuple[Values, Values]:
        """Memory after and outputs (n, n_steps, n_out) of signals ``u`` (n, n_steps)."""
        n_steps = u.shape[1]
        y = np.tensordot(m, self.of_memory[:, :n_steps], 1)
        y += np.tensordot(u, self.of_input[:n_steps, :n_steps], 1)
        return m @ self.kept + u @ self.written[len(self.written) - n_steps :], y


def errors(window: int, order: int, sequences: int) -> list[float]:
    """Mean squared error at each delay over the test signals, once a window has passed."""
    options = Options(delay=window, sequences=sequences)
    n_steps = int(LENGTH * window + 1e-7)
    # the same signals as those of the task, the last half of which is its test
    u = white_signals(sequences, n_steps, 1.0 / window, options.frequency, SEED)[sequences // 2 :]
    A, B = legendre_delay(order, window - 0.5)
    C = legendre_window(order, np.linspace(0.0, 1.0, N_DELAYS))
    delays = np.linspace(0, window, N_DELAYS, dtype=int)
    chunk = Chunk.of(A, B, C, CHUNK)
    m, squares = np.zeros((len(u), order)), np.zeros(N_DELAYS)
    for start in range(0, n_steps, CHUNK):
        at = np.arange(start, min(start + CHUNK, n_steps))
        m, y = chunk.run(m, u[:, at])
        counted = at >= window
        wanted = u[:, at[counted, None] - delays]
        squares += ((y[:, counted] - wanted) ** 2).sum(axis=(0, 1))
    return [float(value) for value in squares / (len(u) * (n_steps - window))]


def draw(rows: list[Row], out: Path) -> None:
    """Errors over windows, with the published ranges."""
    figure = drawing.figure(6.0, 4.0)
    axes = figure.add_subplot()
    for window, ends in PUBLISHED.items():
        axes.plot([window] * 2, ends, color="0.75", lw=9, solid_capstyle="butt", zorder=1)
    windows = [row.window for row in rows]
    for place in range(N_DELAYS):
        shown = [row.errors[place] for row in rows]
        delay = f"{place / (N_DELAYS - 1):.2g} window"
        axes.plot(windows, shown, ".-", lw=0.8, label=delay, zorder=2)
    axes.set(xscale="log", yscale="log", xlabel="window, steps", ylabel="mean squared error")
    axes.legend(title="delay (grey: published range)", fontsize="small")
    drawing.save(figure, out, dpi=120)


def table(rows: list[Row]) -> str:
    """The rows as a Markdown table."""
    lines = [
        "| window, steps | MSE published | MSE, 1/4 to 1 window ago | MSE now | mean | seconds |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        ends = PUBLISHED.get(row.window)
        published = f"{ends[0]:.0e} to {ends[1]:.0e}" if ends else "-"
        now, *later = row.errors
        lines.append(
            f"| {row.window:,} | {published} | {min(later):.1e} to {max(later):.1e} | {now:.1e} "
            f"| {np.mean(row.errors):.1e} | {row.seconds:.1f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--windows", type=int, nargs="+", default=list(PUBLISHED))
    parser.add_argument("--order", type=int, default=100)
    parser.add_argument("--sequences", type=int, default=200, help="half of them are measured")
    parser.add_argument("--plot", type=Path, help="a picture of the table")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    rows = []
    for window in given.windows:
        begun = time.perf_counter()
        found = errors(window, given.order, given.sequences)
        rows.append(Row(window, found, time.perf_counter() - begun))
    if given.plot:
        draw(rows, given.plot)
    result: dict[str, Any] = {
        "order": given.order,
        "sequences": given.sequences - given.sequences // 2,
        "seed": SEED,
        "date": datetime.date.today().isoformat(),
        "rows": [asdict(row) for row in rows],
    }
    print(json.dumps(result, indent=2) if given.json else table(rows))


if __name__ == "__main__":
    main()
