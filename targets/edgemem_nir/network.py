"""A network of NIR nodes in memory: kinds, arrays and edges, free of any package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Union

import numpy as np
from numpy.typing import NDArray

from edgemem.errors import ConfigError, GraphError

FIELDS: Mapping[str, tuple[str, ...]] = {
    "Input": ("shape",),
    "Output": ("shape",),
    "Affine": ("weight", "bias"),
    "Linear": ("weight",),
    "Scale": ("scale",),
    "Flatten": (),
    "Threshold": ("threshold",),
    "Delay": ("delay",),
    "I": ("r",),
    "LI": ("tau", "r", "v_leak"),
    "IF": ("r", "v_threshold"),
    "LIF": ("tau", "r", "v_leak", "v_threshold"),
    "CubaLI": ("tau_syn", "tau_mem", "r", "v_leak"),
    "CubaLIF": ("tau_syn", "tau_mem", "r", "v_leak", "v_threshold"),
}
"""The kinds of nodes that are run here, with the arrays that each must have."""

DEFAULTS: Mapping[str, Mapping[str, float]] = {
    "IF": {"v_reset": 0.0},
    "LIF": {"v_reset": 0.0},
    "CubaLI": {"w_in": 1.0},
    "CubaLIF": {"v_reset": 0.0, "w_in": 1.0},
}
"""Arrays that a file may leave out."""

STATEFUL = frozenset({"I", "LI", "IF", "LIF", "CubaLI", "CubaLIF", "Delay"})
"""Kinds whose output depends on more than the present input."""

SPIKING = frozenset({"IF", "LIF", "CubaLIF", "Threshold"})

_POSITIVE = ("tau", "tau_syn", "tau_mem")

Metadata = Mapping[str, Union[str, float]]
Edge = tuple[str, str]


@dataclass(frozen=True, eq=False)
class Node:
    """One primitive of NIR.

    Parameters
    ----------
    kind : str
        A key of :data:`FIELDS`.
    values : mapping of array
        Its arrays, by NIR's names.
    """

    kind: str
    values: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    @property
    def sizes(self) -> tuple[int | None, int | None]:
        """Number of inputs and outputs; None where the node takes what comes."""
        if self.kind in ("Affine", "Linear"):
            n_out, n_in = self.values["weight"].shape
            return n_in, n_out
        if self.kind in ("Input", "Output"):
            size = int(np.prod(self.values["shape"]))
            return size, size
        size = max((array.size for array in self.values.values()), default=0)
        # one number may stand for all
        return (size, size) if size > 1 else (None, None)


@dataclass(frozen=True, eq=False)
class Network:
    """Nodes and edges; what several edges bring to a node is added up.

    Parameters
    ----------
    nodes : mapping of Node
    edges : tuple of (str, str)
    metadata : mapping of str or float

    Raises
    ------
    GraphError
        If nodes and edges do not fit together.
    """

    nodes: Mapping[str, Node]
    edges: tuple[Edge, ...]
    metadata: Metadata = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, node in self.nodes.items():
            _check_node(name, node)
        for edge in self.edges:
            _check_edge(edge, self.nodes)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Input nodes that nothing leads to."""
        reached = {target for _, target in self.edges}
        return tuple(n for n in self._of("Input") if n not in reached)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Output nodes that lead nowhere."""
        left = {source for source, _ in self.edges}
        return tuple(n for n in self._of("Output") if n not in left)

    def step_of(self, dt: float | None = None) -> float:
        """``dt``, or the step in the metadata, in seconds.

        Raises
        ------
        ConfigError
            If there is neither, or it cannot work.
        """
        found = self.metadata.get("dt") if dt is None else dt
        if found is None:
            raise ConfigError("the NIR file does not say how long a step is; give dt, in seconds")
        if isinstance(found, str) or not 0 < found < np.inf:
            raise ConfigError(f"dt must be a number of seconds greater than 0 (got {found!r})")
        return float(found)

    def sources(self) -> dict[str, tuple[str, ...]]:
        """The nodes that lead to each node."""
        found: dict[str, list[str]] = {name: [] for name in self.nodes}
        for source, target in self.edges:
            found[target].append(source)
        return {name: tuple(sorted(names)) for name, names in found.items()}

    def widths(self) -> dict[str, int]:
        """Number of values that each node gives; 0 where no node before it says how many."""
        found = {name: node.sizes[1] or 0 for name, node in self.nodes.items()}
        for _ in self.nodes:
            for source, target in self.edges:
                found[target] = found[target] or found[source]
        return found

    def _of(self, kind: str) -> list[str]:
        return sorted(name for name, node in self.nodes.items() if node.kind == kind)


def _check_node(name: str, node: Node) -> None:
    if node.kind not in FIELDS:
        raise GraphError(
            f"node {name!r} is of the kind {node.kind!r}, which is not run here; "
            f"known: {', '.join(sorted(FIELDS))}"
        )
    missing = [key for key in FIELDS[node.kind] if key not in node.values]
    if missing:
        raise GraphError(f"node {name!r} ({node.kind}) has no {missing[0]!r}")
    for key, array in node.values.items():
        if array.dtype.kind not in "fiu" or not np.all(np.isfinite(array)):
            raise GraphError(f"node {name!r}: {key!r} is not made of finite numbers")
        if key in _POSITIVE and not np.all(array > 0):
            raise GraphError(f"node {name!r}: {key!r} must be greater than 0")
        if key == "delay" and not np.all(array >= 0):
            raise GraphError(f"node {name!r}: {key!r} must not be less than 0")
    _check_shapes(name, node)


def _check_shapes(name: str, node: Node) -> None:
    if node.kind in ("Affine", "Linear"):
        shape = node.values["weight"].shape
        if len(shape) != 2:
            raise GraphError(f"node {name!r}: a weight of shape {shape}, expected two axes")
        if node.kind == "Affine" and node.values["bias"].shape not in ((), shape[:1]):
            raise GraphError(
                f"node {name!r}: a bias of shape {node.values['bias'].shape} beside a weight of "
                f"shape {shape}"
            )
    elif node.kind not in ("Input", "Output"):
        sizes = {array.size for array in node.values.values()} - {1}
        if len(sizes) > 1:
            raise GraphError(f"node {name!r}: arrays of {sorted(sizes)} elements side by side")


def _check_edge(edge: Edge, nodes: Mapping[str, Node]) -> None:
    source, target = edge
    for name in edge:
        if name not in nodes:
            raise GraphError(f"edge {source!r} -> {target!r}: no node named {name!r}")
    sent, taken = nodes[source].sizes[1], nodes[target].sizes[0]
    if sent is not None and taken is not None and sent != taken:
        raise GraphError(f"edge {source!r} -> {target!r}: {sent} values for {taken}")
