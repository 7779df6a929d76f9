"""The chip's integers of a design, unit by unit: the same bits with less work.

All comparators of a unit receive the same weights, up to their sign; their currents are one number.
:class:`~edgemem_loihi.cuba.Emulator` computes each compartment by itself; this computes what they
share once. Tests hold the two side by side, bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgemem.errors import ChipOverflowError
from edgemem_loihi.cuba import limits
from edgemem_loihi.spikes.assemble import assembled_value, dither_steps, drift_steps
from edgemem_loihi.spikes.code import Code
from edgemem_loihi.spikes.design import Design, Value

Bools = NDArray[np.bool_]
Ints = NDArray[np.int32]

_UNIT = 1 << limits.WEIGHT_SHIFT
_KEEP_V = (4096 - limits.DECAY_MAX) / 4096


@dataclass
class _Population:
    """One value: what its units share, and its comparators."""

    code: Code
    holds: bool
    weights: dict[str, NDArray[np.float32]]
    played: Ints
    bias: Ints
    vth: Ints
    u: Ints
    v: Ints
    fired: Bools


class UnitEmulator:
    """Sequences side by side, from the zero state.

    Parameters
    ----------
    design : Design
    batch : int
    strict : bool
        Whether a state that leaves its register is an error; otherwise it wraps and
        :attr:`overflows` counts.
    """

    def __init__(self, design: Design, batch: int, strict: bool) -> None:
        self._design, self._batch, self._strict = design, batch, strict
        self._populations = {
            name: self._population(name, value) for name, value in design.values.items()
        }
        self.reset()

    def _population(self, name: str, value: Value) -> _Population:
        made = assembled_value(name, value, self._design)
        code, m = value.code, value.code.comparators
        played = dither_steps(value, made.scale, self._design)
        if value.holds:
            # one number for all comparators of a unit, of its first
            first = np.unique(code.unit, return_index=True)[1]
            played = played[first] + drift_steps(name, value, made.scale, self._design)
        n = code.size if value.holds else m
        return _Population(
            code,
            value.holds,
            {s: (rows.effective.T / _UNIT).astype(np.float32) for s, rows in made.drives.items()},
            played.T.astype(np.int32),
            made.compartments.bias,
            made.compartments.vth,
            np.zeros((self._batch, n), np.int32),
            np.zeros((self._batch, m), np.int32),
            np.zeros((self._batch, m), bool),
        )

    def reset(self) -> None:
        """Back to the zero state; counts start again as well."""
        self.steps, self.overflows = 0, 0
        codes = self._design.codes
        self.sent = {name: np.zeros(code.comparators, np.int64) for name, code in codes.items()}
        self._relayed = {
            name: np.zeros((self._batch, codes[name].comparators), bool)
            for name in self._design.relays
        }
        for p in self._populations.values():
            p.u[...], p.v[...], p.fired[...] = 0, 0, False

    def step(self, inputs: dict[str, Bools]) -> dict[str, Bools]:
        """One step with the spikes of the inputs, (batch, m); spikes of every value after it."""
        k = self.steps % self._design.steps
        # the first step of all has a column of its own
        column = 1 + k if self.steps else 0
        before = {**inputs, **self._relayed}
        before.update({name: p.fired for name, p in self._populations.items()})
        relayed = {
            name: before[r.source] & (r.open[0] <= k < r.open[1])
            for name, r in self._design.relays.items()
        }
        fired = {
            name: self._update(name, p, before, column) for name, p in self._populations.items()
        }
        for name, p in self._populations.items():
            p.fired = fired[name]
        self._relayed = relayed
        for name, spikes in {**inputs, **relayed, **fired}.items():
            self.sent[name] += spikes.sum(axis=0)
        self.steps += 1
        return fired

    def _update(self, name: str, p: _Population, before: dict[str, Bools], column: int) -> Bools:
        q = np.zeros((self._batch, p.code.size), np.float32)
        for source, weights in p.weights.items():
            spikes = before[source]
            if spikes.any():
                q += spikes.astype(np.float32) @ weights
        arriving = q.astype(np.int32) * _UNIT
        if p.holds:
            # u' = trunc(u 4095 / 4096) + q
            p.u = np.trunc(p.u * (4095 / 4096)).astype(np.int32) + arriving + p.played[column]
            self._held(name, p)
            total = p.u[:, p.code.unit] * p.code.sign
        else:
            total = (arriving[:, p.code.unit] + p.played[column]) * p.code.sign
        # v' = trunc(v / 4096) + u + bias, not below 0; a spike where it passes the threshold
        v = np.trunc(p.v * _KEEP_V).astype(np.int32) + total.astype(np.int32) + p.bias
        v = np.clip(v, 0, (1 << limits.V_BITS) - 1)
        fired = v > p.vth
        p.v = np.where(fired, 0, v).astype(np.int32)
        return np.asarray(fired)

    def _held(self, name: str, p: _Population) -> None:
        half = 1 << limits.U_BITS
        outside = (p.u >= half) | (p.u < -half)
        if not outside.any():
            return
        if self._strict:
            sequence, unit = (int(i) for i in np.argwhere(outside)[0])
            raise ChipOverflowError(
                f"u of {name!r}, unit {unit} (sequence {sequence}) is "
                f"{int(p.u[sequence, unit])} in step {self.steps}; the chip has {limits.U_BITS} "
                "bits and a sign. Calibrate on louder recordings, or run in hardware mode to see "
                "it wrap"
            )
        self.overflows += int(np.count_nonzero(outside))
        p.u = ((p.u + half) % (2 * half) - half).astype(np.int32)
