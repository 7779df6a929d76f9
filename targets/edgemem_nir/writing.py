"""Host half: a network as a NIR file, through the package ``nir``."""

from __future__ import annotations

import io
from types import ModuleType
from typing import Any

import numpy as np

from edgemem.errors import ConfigError, MissingExtraError

from .network import Network, Node


def to_bytes(network: Network) -> bytes:
    """The NIR file of ``network``: equal networks give equal bytes.

    Raises
    ------
    ConfigError
        If a name has no place in the file.
    MissingExtraError
        If the package ``nir`` is not installed.
    """
    nir = _nir()
    for name in network.nodes:
        if "/" in name or name in ("", "."):
            raise ConfigError(f"a node named {name!r} has no place in a NIR file; rename it")
    nodes = {name: _node(nir, network.nodes[name]) for name in sorted(network.nodes)}
    # Norse computes nodes in the order of the edges, and gives what the last one gave
    last = set(network.outputs)
    edges = sorted(network.edges, key=lambda edge: (edge[1] in last, edge))
    graph = nir.NIRGraph(nodes, edges, metadata=dict(network.metadata))
    buffer = io.BytesIO()
    nir.write(buffer, graph)
    return buffer.getvalue()


def _nir() -> ModuleType:
    try:
        import nir
    except ImportError as error:
        raise MissingExtraError("writing NIR", str(error.name or "nir"), "nir") from error
    module: ModuleType = nir
    return module


def _node(nir: ModuleType, node: Node) -> Any:
    values = dict(node.values)
    if node.kind == "Input":
        return nir.Input({"input": values["shape"]})
    if node.kind == "Output":
        return nir.Output({"output": values["shape"]})
    return getattr(nir, node.kind)(**{key: np.asarray(array) for key, array in values.items()})
