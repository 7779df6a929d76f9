"""In which order nodes are computed in a step, and which edges carry what the last step gave."""

from __future__ import annotations

from collections.abc import Mapping

from edgemem.errors import GraphError

from .network import SPIKING, STATEFUL, Network

Sources = Mapping[str, tuple[str, ...]]


def evaluation_order(network: Network) -> tuple[str, ...]:
    """The nodes of ``network`` as they are computed in each step.

    A node follows its sources. NIR does not say where a cycle is cut: here, as in NIRTorch, a node
    on a cycle is computed as soon as one of its sources is, and reads from the others, if they are
    on a cycle with it, what they gave in the step before. Among nodes that could be next, the
    first by name is.

    Raises
    ------
    GraphError
        If nothing on a cycle spikes or has a state.
    """
    sources = network.sources()
    before = {name: _upstream(name, sources) for name in network.nodes}
    _check_cycles(network, before)
    order: list[str] = []
    pending = sorted(network.nodes)
    while pending:
        chosen = _next(pending, sources, before, set(order))
        order.append(chosen)
        pending.remove(chosen)
    return tuple(order)


def _next(
    pending: list[str], sources: Sources, before: Mapping[str, frozenset[str]], done: set[str]
) -> str:
    """The first pending node that is ready, or else the first one on a cycle that nothing feeds."""
    for name in pending:
        missing = [source for source in sources[name] if source not in done]
        if all(name in before[source] for source in missing) and (
            len(missing) < len(sources[name]) or not sources[name]
        ):
            return name
    return next(
        name
        for name in pending
        if all(source in done or name in before[source] for source in sources[name])
    )


def _upstream(name: str, sources: Sources) -> frozenset[str]:
    """Every node from which ``name`` can be reached."""
    found: set[str] = set()
    ahead = list(sources[name])
    while ahead:
        source = ahead.pop()
        if source not in found:
            found.add(source)
            ahead.extend(sources[source])
    return frozenset(found)


def _check_cycles(network: Network, before: Mapping[str, frozenset[str]]) -> None:
    for name, upstream in before.items():
        if name not in upstream:
            continue
        cycle = {other for other in upstream if name in before[other]}
        if not any(network.nodes[other].kind in STATEFUL | SPIKING for other in cycle):
            raise GraphError(
                f"nodes {', '.join(sorted(cycle))} form a cycle in which nothing spikes or has a "
                "state"
            )
