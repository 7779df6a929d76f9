"""NIR files as networks, read by h5py alone, so that a fault of a file is named."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from edgemem.errors import ArtefactError, GraphError, MissingExtraError
from edgemem.files import DAMAGE
from edgemem.reading import unpacked_limit

from .network import DEFAULTS, FIELDS, Edge, Network, Node

_ROOM = 160 << 20
"""Bytes that reading a file may take altogether."""

_DEEPEST = 8
"""Graphs within graphs; more are taken for a file whose links go round in a circle."""


@dataclass
class _Part:
    """A graph of the file; graphs within it are laid out beside its own nodes."""

    nodes: dict[str, Node] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    entries: tuple[str, ...] = ()
    exits: tuple[str, ...] = ()


def parse(data: bytes, origin: str) -> Network:
    """The network in a NIR file; bytes behind the end of the HDF5 file are left alone.

    Parameters
    ----------
    data : bytes
    origin : str
        Where it was read from, for messages.

    Raises
    ------
    ArtefactError
        If the file is damaged, foreign, or has nodes that are not run here.
    MissingExtraError
        If h5py is not installed.
    """
    h5py = _h5py()
    try:
        with _little_memory(), h5py.File(io.BytesIO(data), "r") as file:
            if "node" not in file:
                raise GraphError("no group named 'node'")
            part = _graph(file["node"], "", 0)
            return Network(part.nodes, tuple(part.edges), _metadata(file["node"]))
    except GraphError as error:
        raise ArtefactError(f"{origin}: {error}") from error
    except DAMAGE as error:
        raise ArtefactError(
            f"{origin} is cut short, damaged, or no NIR file ({error}); copy it again"
        ) from error


@contextmanager
def _little_memory() -> Iterator[None]:
    """Let this process grow by no more than :data:`_ROOM` meanwhile, where the system can.

    HDF5 takes memory by sizes that stand in the file (heaps, headers, trees) before it looks at
    what is there: one altered byte asks for 4 GB. What it cannot have, it reports as an error.
    """
    try:
        import resource

        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        before = resource.getrlimit(resource.RLIMIT_AS)
        room = pages * resource.getpagesize() + _ROOM
        if before[1] != resource.RLIM_INFINITY:
            room = min(room, before[1])
        resource.setrlimit(resource.RLIMIT_AS, (room, before[1]))
    except (ImportError, OSError, ValueError):  # no system with such limits
        yield
        return
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def _h5py() -> ModuleType:
    try:
        import h5py
    except ImportError as error:
        raise MissingExtraError("reading NIR", "h5py", "nir") from error
    module: ModuleType = h5py
    return module


def _graph(group: Any, prefix: str, depth: int) -> _Part:
    if _kind(group, prefix) != "NIRGraph" or depth > _DEEPEST:
        raise GraphError(f"{prefix or 'the file'} holds no graph of nodes and edges")
    part = _Part()
    entries: dict[str, tuple[str, ...]] = {}
    exits: dict[str, tuple[str, ...]] = {}
    for name, child in group["nodes"].items():
        full = prefix + name
        if _kind(child, full) == "NIRGraph":
            inner = _graph(child, f"{full}.", depth + 1)
            part.nodes.update(inner.nodes)
            part.edges.extend(inner.edges)
            entries[name], exits[name] = inner.entries, inner.exits
        else:
            part.nodes[full] = _node(child, full)
            entries[name] = exits[name] = (full,)
    for source, target in _edges(group):
        for end in (source, target):
            if end not in entries:
                raise GraphError(f"edge {source!r} -> {target!r}: no node named {end!r}")
        part.edges.extend((s, t) for s in exits[source] for t in entries[target])
    kinds = {
        name: part.nodes[prefix + name].kind for name in entries if prefix + name in part.nodes
    }
    part.entries = tuple(prefix + name for name, kind in kinds.items() if kind == "Input")
    part.exits = tuple(prefix + name for name, kind in kinds.items() if kind == "Output")
    return part


def _kind(group: Any, name: str) -> str:
    if "type" not in group:
        raise GraphError(f"node {name!r} does not say of which kind it is")
    return _text(_value(group, "type"))


def _node(group: Any, name: str) -> Node:
    kind = _kind(group, name)
    wanted = (*FIELDS.get(kind, ()), *DEFAULTS.get(kind, {}))
    return Node(kind, {key: np.asarray(_value(group, key)) for key in wanted if key in group})


def _value(group: Any, key: str) -> Any:
    """A data set, if the file has room for what it announces."""
    dataset = group[key]
    # packed values, and those that stand for all of an array, take less room than they need
    size = getattr(dataset, "nbytes", None)
    if size is None or size > unpacked_limit(dataset.file.id.get_filesize()):
        raise GraphError(f"{key!r} is no array, or announces more values than the file holds")
    return dataset[()]


def _edges(group: Any) -> list[Edge]:
    edges = np.asarray(_value(group, "edges"))
    if not edges.size:
        return []
    return [(_text(source), _text(target)) for source, target in edges]


def _metadata(group: Any) -> dict[str, str | float]:
    found: dict[str, str | float] = {}
    for key, dataset in group["metadata"].items() if "metadata" in group else ():
        value = dataset[()] if hasattr(dataset, "shape") else None
        if isinstance(value, bytes):
            found[key] = _text(value)
        elif isinstance(value, (int, float, np.number)):
            found[key] = float(value)
    return found


def _text(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)
