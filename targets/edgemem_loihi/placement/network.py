"""What is to be placed: groups of units, the synapses between them, and how often units send."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Optional

import numpy as np
from numpy.typing import NDArray

from edgemem.errors import GraphError

Connected = Optional[NDArray[np.bool_]]
WEIGHT_BITS = (1, 2, 3, 4, 5, 6, 8)
"""Widths of a weight in the synapse memory."""


@dataclass(frozen=True)
class Group:
    """Units of one kind, which share nothing but their name and their settings.

    Parameters
    ----------
    name : str
    size : int
        Number of units.
    compartments : int
        Compartments that each unit occupies.
    configs : int
        Compartment configurations (decays, refractory times, noise) that the group needs.
    thresholds : int
        Threshold configurations that it needs.
    """

    name: str
    size: int
    compartments: int = 1
    configs: int = 1
    thresholds: int = 1

    def __post_init__(self) -> None:
        for what in ("size", "compartments", "configs", "thresholds"):
            _at_least_one(f"group {self.name!r}: {what}", getattr(self, what))


@dataclass(frozen=True)
class Synapses:
    """Weights from an input or a group to a group.

    Parameters
    ----------
    name : str
    source, target : str
    connected : (n_target, n_source) bool array, optional
        Which units a weight joins; left out, every unit of the source with every one of the
        target.
    bits : int
        Width of a weight, one of :data:`WEIGHT_BITS`.
    weights_per_connection : int
        Weights that join each connected pair: 2 for a 16-bit weight in two 8-bit halves.
    formats : int
        Synapse formats (width, exponent, sign mode) that the weights need.
    """

    name: str
    source: str
    target: str
    connected: Connected = None
    bits: int = 8
    weights_per_connection: int = 1
    formats: int = 1

    def __post_init__(self) -> None:
        if self.bits not in WEIGHT_BITS:
            known = ", ".join(map(str, WEIGHT_BITS))
            raise GraphError(f"synapses {self.name!r}: {self.bits} bits a weight; known: {known}")
        for what in ("weights_per_connection", "formats"):
            _at_least_one(f"synapses {self.name!r}: {what}", getattr(self, what))


@dataclass(frozen=True)
class ChipNetwork:
    """What is to be placed.

    Parameters
    ----------
    inputs : mapping of int
        Sizes of the sources of messages outside the chip, by name.
    groups : tuple of Group
    synapses : tuple of Synapses

    Raises
    ------
    GraphError
        If names are taken twice or missing, or a connection matrix has another shape.
    """

    inputs: Mapping[str, int]
    groups: tuple[Group, ...]
    synapses: tuple[Synapses, ...] = ()

    def __post_init__(self) -> None:
        for name, size in self.inputs.items():
            _at_least_one(f"input {name!r}: size", size)
        _refuse_twice("source", [*self.inputs, *(g.name for g in self.groups)])
        _refuse_twice("set of synapses", [s.name for s in self.synapses])
        if not self.groups:
            raise GraphError("a network without groups; nothing is to be placed")
        sizes, targets = self.sizes(), {g.name for g in self.groups}
        for s in self.synapses:
            if s.source not in sizes or s.target not in targets:
                raise GraphError(
                    f"synapses {s.name!r}: {s.source!r} -> {s.target!r}; "
                    f"known groups: {', '.join(sorted(targets))}; "
                    f"inputs: {', '.join(sorted(self.inputs)) or 'none'}"
                )
            shape = (sizes[s.target], sizes[s.source])
            if s.connected is not None and s.connected.shape != shape:
                raise GraphError(
                    f"synapses {s.name!r}: connected has shape {s.connected.shape}, "
                    f"expected {shape} (target, source)"
                )

    def sizes(self) -> dict[str, int]:
        """Number of units of every input and group, inputs first."""
        return {**self.inputs, **{g.name: g.size for g in self.groups}}


@dataclass(frozen=True)
class Traffic:
    """How often units send.

    Parameters
    ----------
    messages : mapping of (size,) array
        Messages of each unit per frame, by the name of the input or group; a name that is left
        out stands for one message of every unit.
    """

    messages: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def of(self, network: ChipNetwork) -> dict[str, NDArray[np.float64]]:
        """Messages of each unit per frame, for every input and group of ``network``.

        Raises
        ------
        GraphError
            If a name is unknown, or an array has another shape or a negative number.
        """
        sizes = network.sizes()
        for name, sent in self.messages.items():
            if name not in sizes or np.shape(sent) != (sizes[name],):
                raise GraphError(
                    f"traffic of {name!r}, shape {np.shape(sent)}; known: "
                    + ", ".join(f"{known} ({size},)" for known, size in sizes.items())
                )
            if not np.all(np.isfinite(sent)) or np.any(np.asarray(sent) < 0):
                raise GraphError(f"traffic of {name!r}: a number of messages is finite and >= 0")
        return {
            name: np.asarray(self.messages.get(name, np.ones(size)), np.float64)
            for name, size in sizes.items()
        }


def _at_least_one(what: str, value: int) -> None:
    if value < 1:
        raise GraphError(f"{what} is {value}, must be at least 1")


def _refuse_twice(what: str, names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise GraphError(f"{what} {twice[0]!r} is there twice; names must differ")
