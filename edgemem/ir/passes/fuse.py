"""Products that read the same value become one."""

from __future__ import annotations

import numpy as np

from edgemem.ir.graph import Graph, Node
from edgemem.ir.passes.draft import Draft
from edgemem.ir.passes.prune import prune

Key = tuple[str, bool]


def fuse(graph: Graph) -> Graph:
    """``W_1 x`` and ``W_2 x`` as slices of ``[W_1; W_2] x``; fixed and trained weights apart."""
    groups: dict[Key, list[Node]] = {}
    for node in graph.nodes:
        if node.op == "matvec" and node.inputs[0] in graph.params:
            groups.setdefault(_key(graph, node), []).append(node)
    draft = Draft(graph)
    stacked: dict[Key, str] = {}
    starts: dict[str, int] = {}
    for node in graph.nodes:
        key = _key(graph, node) if node.op == "matvec" else None
        group = groups.get(key, []) if key is not None else []
        if key is None or len(group) < 2:
            draft.keep(node)
            continue
        if key not in stacked:
            stacked[key] = _stack(draft, group, key)
            starts.update(_starts(group))
        start = starts[node.name]
        size = node.shape[-1]
        draft.nodes[node.name] = Node(
            node.name, "slice", (stacked[key],), node.shape, (start, start + size)
        )
    return prune(draft.finish())


def _key(graph: Graph, node: Node) -> Key:
    return node.inputs[1], node.inputs[0] in graph.constants


def _starts(group: list[Node]) -> dict[str, int]:
    sizes = [node.shape[-1] for node in group]
    return {node.name: sum(sizes[:i]) for i, node in enumerate(group)}


def _stack(draft: Draft, group: list[Node], key: Key) -> str:
    weight = np.concatenate([draft.params[node.inputs[0]] for node in group])
    name = draft.add_param("W", weight, constant=key[1])
    shape = (*group[0].shape[:-1], len(weight))
    return draft.emit("matvec", (name, draft.resolve(key[0])), shape)
