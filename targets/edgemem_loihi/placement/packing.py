"""Slices gathered on cores."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .limits import Usage
from .slices import Piece, Wiring, fanout_of


class Packing:
    """Slices on cores, one after the other.

    Each goes to the core, among those that have room, with which it shares most of what it hears,
    so that one message serves both; the fuller one among equals.

    Gathering slices on a core only lowers the number of cores that a unit sends to. So a core that
    is within the limits stays there, whatever is gathered later.

    Parameters
    ----------
    wiring : Wiring
    pieces : sequence of Piece
    sent : (n_units,) array
        Messages of each unit per frame.
    """

    def __init__(self, wiring: Wiring, pieces: Sequence[Piece], sent: NDArray[np.float64]) -> None:
        self._wiring = wiring
        self._limit = wiring.limits.core
        self._sent = sent
        self._fanout = fanout_of(pieces)
        self.cores: list[list[Piece]] = []
        self._usages: list[Usage] = []
        self._heard = np.zeros((16, wiring.n_units), bool)
        shares = [max(piece.usage().shares(self._limit).values()) for piece in pieces]
        for i in np.argsort(-np.asarray(shares), kind="stable"):
            self._put(pieces[int(i)])

    def usage(self, core: int) -> Usage:
        """What a core holds, output axons to the cores as they stand."""
        return self._usage(self.cores[core], self._heard[core], self._fanout)

    def _put(self, piece: Piece) -> None:
        core = next((c for c in self._by_preference(piece) if self._fits(c, piece)), None)
        if core is None:
            core = len(self.cores)
            self.cores.append([])
            self._usages.append(Usage())
            if core == len(self._heard):
                self._heard = np.concatenate([self._heard, np.zeros_like(self._heard)])
        else:
            self._fanout -= self._heard[core] & piece.heard
        self.cores[core].append(piece)
        self._heard[core] |= piece.heard
        self._usages[core] = self.usage(core)

    def _by_preference(self, piece: Piece) -> list[int]:
        """Cores that may have room, best first."""
        alone = piece.usage()
        room = [core for core in range(len(self.cores)) if self._may_take(core, piece, alone)]
        if not room:
            return []
        heard = np.flatnonzero(piece.heard)
        shared = self._heard[np.asarray(room)[:, None], heard] @ self._sent[heard]
        filled = np.asarray([self._usages[core].compartments for core in room])
        return [room[i] for i in np.lexsort((np.asarray(room), -filled, -shared))]

    def _may_take(self, core: int, piece: Piece, alone: Usage) -> bool:
        """Whether what adds up, whatever the cores hear, stays within the limits."""
        there, most = self._usages[core], self._limit
        if there.compartments + alone.compartments > most.compartments:
            return False
        if there.synapse_bits + alone.synapse_bits > most.synapse_bits:
            return False
        if any(other.group is piece.group for other in self.cores[core]):
            return True  # slices of a group share its settings
        return (
            there.compartment_configs + alone.compartment_configs <= most.compartment_configs
            and there.threshold_configs + alone.threshold_configs <= most.threshold_configs
            and there.synapse_formats + alone.synapse_formats <= most.synapse_formats
        )

    def _fits(self, core: int, piece: Piece) -> bool:
        heard = self._heard[core]
        fanout = self._fanout - (heard & piece.heard)
        usage = self._usage([*self.cores[core], piece], heard | piece.heard, fanout)
        return not any(usage.beyond(self._limit))

    def _usage(
        self, pieces: Sequence[Piece], heard: NDArray[np.bool_], fanout: NDArray[np.int64]
    ) -> Usage:
        groups = {piece.group.name: piece.group for piece in pieces}.values()
        formats = {name: n for piece in pieces for name, n in piece.formats.items()}
        cores = np.minimum(fanout, self._wiring.limits.cores)
        return Usage(
            compartments=sum(piece.compartments for piece in pieces),
            in_axons=int(np.count_nonzero(heard)),
            out_axons=int(sum(cores[self._wiring.place_of(p.slice)].sum() for p in pieces)),
            synapse_bits=sum(piece.synapse_bits for piece in pieces),
            compartment_configs=sum(group.configs for group in groups),
            threshold_configs=sum(group.thresholds for group in groups),
            synapse_formats=sum(formats.values()),
        )

    def heard(self) -> NDArray[np.bool_]:
        """Which units each core hears, (n_cores, n_units)."""
        return self._heard[: len(self.cores)]
