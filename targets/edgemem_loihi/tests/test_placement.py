from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgemem.artefact import Artefact
from edgemem.errors import ArtefactError, GraphError, PlacementError, UnknownNameError
from edgemem_loihi.placement import (
    LOIHI,
    ChipNetwork,
    Core,
    Group,
    Limits,
    Placement,
    Slice,
    Synapses,
    Traffic,
    Usage,
    place,
)
from edgemem_loihi.placement.limits import axon_bits, index_bits
from edgemem_loihi.placement.picture import chip_map
from edgemem_loihi.placement.stored import PART, placement_part, read_placement

ONE_CORE = replace(LOIHI, columns=1, rows=1, cores_per_tile=1)


def dense(n_source: int, n_target: int) -> ChipNetwork:
    """A dense connection from one group to another."""
    groups = (Group("a", n_source), Group("b", n_target))
    return ChipNetwork({}, groups, (Synapses("w", "a", "b"),))


def driven(n_input: int, group: Group, **synapses: Any) -> ChipNetwork:
    """A dense connection from an input to a group."""
    return ChipNetwork({"x": n_input}, (group,), (Synapses("w", "x", group.name, **synapses),))


# Recounted from the definitions, without anything of the package but its data classes.


def memory(weights: int, bits: int) -> int:
    """Bits of an axon with so many weights: blocks of 64 with 10 bits of header, whole words."""
    total = 0
    while weights > 0:
        total += math.ceil((min(weights, 64) * bits + 10) / 64) * 64
        weights -= 64
    return total


def matrix(network: ChipNetwork, synapses: Synapses) -> NDArray[np.bool_]:
    sizes = {**network.inputs, **{g.name: g.size for g in network.groups}}
    if synapses.connected is None:
        return np.ones((sizes[synapses.target], sizes[synapses.source]), bool)
    return synapses.connected


def heard_by(network: ChipNetwork, parts: tuple[Slice, ...]) -> set[tuple[str, int]]:
    """The units with a synapse to one of the slices."""
    return {
        (s.source, int(i))
        for s in network.synapses
        for part in parts
        if s.target == part.group
        for i in np.flatnonzero(matrix(network, s)[part.start : part.stop].any(axis=0))
    }


def recount(network: ChipNetwork, core: Core, cores: tuple[Core, ...], index: int) -> Usage:
    groups = {group.name: group for group in network.groups}
    bits, formats = 0, {}
    for s in network.synapses:
        for part in core.slices:
            joined = matrix(network, s)[part.start : part.stop].sum(axis=0)
            if s.target != part.group or not joined.any():
                continue
            n, size = s.weights_per_connection, part.stop - part.start
            rows = int(np.count_nonzero(joined)) * memory(size * n, s.bits)
            bits += min(rows, sum(memory(int(k) * n, s.bits + index) for k in joined))
            formats[s.name] = s.formats
    mine = [(part.group, i) for part in core.slices for i in range(part.start, part.stop)]
    others = [heard_by(network, other.slices) for other in cores]
    here = {part.group for part in core.slices}
    return Usage(
        compartments=sum(groups[name].compartments for name, _ in mine),
        in_axons=len(heard_by(network, core.slices)),
        out_axons=sum(unit in heard for unit in mine for heard in others),
        synapse_bits=bits,
        compartment_configs=sum(groups[name].configs for name in here),
        threshold_configs=sum(groups[name].thresholds for name in here),
        synapse_formats=sum(formats.values()),
    )


def check(network: ChipNetwork, placement: Placement, index: int = 10) -> None:
    """Every unit once, every core as reported and within the limits, every route as it is."""
    limits, cores = placement.limits, placement.cores
    placed = sorted((s.group, i) for c in cores for s in c.slices for i in range(s.start, s.stop))
    assert placed == sorted((g.name, i) for g in network.groups for i in range(g.size))
    assert len({core.place for core in cores}) == len(cores)
    assert all(0 <= core.place < limits.cores for core in cores)
    heard = [heard_by(network, core.slices) for core in cores]
    for core in cores:
        assert core.usage == recount(network, core, cores, index)
        assert not list(core.usage.beyond(limits.core))
    tile = {
        core.place: divmod(core.place // limits.cores_per_tile, limits.columns) for core in cores
    }
    home = {unit: c.place for c in cores for unit in [(s.group, i) for s in c.slices
            for i in range(s.start, s.stop)]}  # fmt: skip
    for name, size in {**network.inputs, **{g.name: g.size for g in network.groups}}.items():
        for i in range(size):
            port = (limits.port[1], limits.port[0])
            row, column = tile[home[name, i]] if (name, i) in home else port
            there = [tile[c.place] for c, units in zip(cores, heard) if (name, i) in units]
            routes = placement.routes[name]
            assert routes.cores[i] == len(there)
            assert routes.east_west[i] == sum(abs(column - other[1]) for other in there)
            assert routes.north_south[i] == sum(abs(row - other[0]) for other in there)


# Figures of the reference, and of NengoLoihi


def test_words_of_the_synapse_memory() -> None:
    assert [int(axon_bits(n, 8)) for n in (0, 1, 6, 7, 64, 65)] == [0, 64, 64, 128, 576, 640]
    assert axon_bits(np.array([256]), 8).tolist() == [2304]
    assert [index_bits(n) for n in (1, 64, 65, 1024, 4096)] == [0, 6, 7, 10, 12]
    with pytest.raises(PlacementError, match="index of 13 bits"):
        index_bits(4097)


@pytest.mark.parametrize(
    ("size", "bits", "share"), [(256, 589_824, "56%"), (341, 1_047_552, "100%")]
)
def test_a_square_block_on_one_core(size: int, bits: int, share: str) -> None:
    placement = place(driven(size, Group("b", size)))
    (core,) = placement.cores
    assert core.usage.synapse_bits == bits
    assert f"{bits} {share:>4}" in "\n".join(placement.lines())


def test_1024_by_1024_takes_nine_cores() -> None:
    # 118 weights take 576 + 448 bits, and 1024 axons of them fill a core to the last bit
    placement = place(driven(1024, Group("b", 1024)))
    assert len(placement.cores) == 9
    assert {core.usage.synapse_bits for core in placement.cores} == {1024 * 1024}


def test_dense_1000_to_1000() -> None:
    placement = place(dense(1000, 1000))
    # 118 targets: 1000 * (576 + 448) bits, within a core; 119 would take 1000 * 1088
    assert len(placement.cores) == 9
    assert set(placement.fanout("a")) == {9} and set(placement.fanout("b")) == {0}
    # 9 axons a unit: at most 4096 // 9 = 455 sources a core
    assert max(core.usage.out_axons for core in placement.cores) <= 4096
    assert sum(core.usage.out_axons for core in placement.cores) == 9000
    assert all(core.usage.in_axons == 1000 for core in placement.cores)


def test_dense_2000_to_2000() -> None:
    placement = place(dense(2000, 2000))
    # 62 targets: 2000 * 512 bits; 63 would take 2000 * 576. 2000 / 62 makes 33 cores
    assert len(placement.cores) == 33
    assert sum(core.usage.out_axons for core in placement.cores) == 2000 * 33


def test_dense_recurrence_on_nearly_the_whole_chip() -> None:
    # 30 targets a core: 3800 * 256 bits, and 30 * 127 output axons; 3800 / 30 makes 127 cores
    network = ChipNetwork({}, (Group("a", 3800),), (Synapses("w", "a", "a"),))
    assert len(place(network).cores) == 127


# Each limit: a network that just fits, and one that just does not


@pytest.mark.parametrize(
    ("fits", "breaks", "what"),
    [
        (
            ChipNetwork({}, (Group("a", 1, compartments=1024),)),
            ChipNetwork({}, (Group("a", 1, compartments=1025),)),
            "1025 compartments on its core; a core of 'loihi' has 1024",
        ),
        (
            driven(4096, Group("a", 1)),
            driven(4097, Group("a", 1)),
            "4097 in axons on its core; a core of 'loihi' has 4096",
        ),
        (
            # 1820 blocks of 576 bits leave 256 bits: (30 * 8 + 10) fill them, 31 weights do not go
            driven(1, Group("a", 1), weights_per_connection=1820 * 64 + 30),
            driven(1, Group("a", 1), weights_per_connection=1820 * 64 + 31),
            "1048640 synapse bits on its core; a core of 'loihi' has 1048576",
        ),
        (
            ChipNetwork({}, (Group("a", 9, configs=32),)),
            ChipNetwork({}, (Group("a", 9, configs=33),)),
            "33 compartment configs",
        ),
        (
            ChipNetwork({}, (Group("a", 9, thresholds=16),)),
            ChipNetwork({}, (Group("a", 9, thresholds=17),)),
            "17 threshold configs",
        ),
        (
            driven(3, Group("a", 9), formats=16),
            driven(3, Group("a", 9), formats=17),
            "17 synapse formats",
        ),
        (
            ChipNetwork({}, (Group("a", 128 * 1024),)),
            ChipNetwork({}, (Group("a", 128 * 1024 + 1),)),
            "needs 129 cores; 'loihi' has 128. What fills them most are compartments, 99%",
        ),
    ],
)
def test_just_fits_and_just_does_not(fits: ChipNetwork, breaks: ChipNetwork, what: str) -> None:
    placement = place(fits)
    assert not any(list(core.usage.beyond(LOIHI.core)) for core in placement.cores)
    with pytest.raises(PlacementError, match=what):
        place(breaks)


def test_output_axons_of_one_unit() -> None:
    # a unit with two targets that each fill a core sends to two cores
    core = replace(LOIHI.core, compartments=1, out_axons=2)
    limits = Limits("small", core, columns=4, rows=1, cores_per_tile=1)
    assert set(place(dense(1, 2), limits).fanout("a")) == {2}
    with pytest.raises(PlacementError, match=r"units of a need 3 out axons on one core; .* has 2"):
        place(dense(1, 3), limits)


def test_sources_are_spread_for_their_output_axons() -> None:
    # 8 target cores: 512 sources a core make 4096 output axons, 513 one axon too many each
    for n_source, per_core in ((512, 512), (513, 257)):
        groups = (Group("a", n_source), *(Group(f"b{i}", 1024) for i in range(8)))
        one = np.zeros((1024, n_source), bool)
        one[0] = True
        synapses = tuple(Synapses(f"w{i}", "a", f"b{i}", one) for i in range(8))
        network = ChipNetwork({}, groups, synapses)
        cores = [core for core in place(network).cores if core.slices[0].group == "a"]
        assert max(core.usage.compartments for core in cores) == per_core


def test_one_core_holds_341_and_not_342() -> None:
    place(driven(341, Group("b", 341)), ONE_CORE)
    with pytest.raises(PlacementError, match=r"needs 2 cores; 'loihi' has 1. .* synapse bits"):
        place(driven(342, Group("b", 342)), ONE_CORE)


def test_small_groups_share_a_core() -> None:
    shared = place(ChipNetwork({}, (Group("a", 512), Group("b", 512))))
    assert len(shared.cores) == 1 and shared.cores[0].usage.threshold_configs == 2
    assert len(place(ChipNetwork({}, (Group("a", 512), Group("b", 513)))).cores) == 2
    # settings are counted for each group: 16 thresholds are there
    seventeen = ChipNetwork({}, tuple(Group(f"g{i}", 2) for i in range(17)))
    assert len(place(seventeen).cores) == 2


def test_sparse_synapses_are_held_with_their_indices() -> None:
    # each source reaches one of 1000 targets: one word of 64 bits, not a row of 1000 weights
    network = driven(1000, Group("b", 1000), connected=np.eye(1000, dtype=bool))
    (core,) = place(network).cores
    assert core.usage.synapse_bits == 64 * 1000
    check(network, place(network))


# Any network


@st.composite
def networks(draw: st.DrawFn) -> ChipNetwork:
    sizes = draw(st.lists(st.integers(1, 30), min_size=1, max_size=5))
    groups = tuple(
        Group(f"g{i}", n, draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.integers(1, 2)))
        for i, n in enumerate(sizes)
    )
    inputs = {f"x{i}": n for i, n in enumerate(draw(st.lists(st.integers(1, 12), max_size=2)))}
    named = {**inputs, **{g.name: g.size for g in groups}}
    synapses = []
    for i in range(draw(st.integers(0, 6))):
        source, target = draw(st.sampled_from([*named])), draw(st.sampled_from(groups))
        connected = None
        if draw(st.booleans()):
            rng = np.random.default_rng(draw(st.integers(0, 99)))
            density = draw(st.sampled_from([0.0, 0.1, 0.5]))
            connected = rng.random((target.size, named[source])) < density
        bits, n = draw(st.sampled_from([1, 4, 8])), draw(st.integers(1, 2))
        synapses.append(Synapses(f"s{i}", source, target.name, connected, bits, n))
    return ChipNetwork(inputs, groups, tuple(synapses))


SMALL = Limits(
    name="small",
    core=Usage(16, 24, 40, 3000, 6, 5, 5),
    columns=4,
    rows=3,
    cores_per_tile=3,
    port=(2, 1),
)


@settings(max_examples=120)
@given(networks())
def test_every_unit_once_and_every_core_within_its_limits(network: ChipNetwork) -> None:
    for limits, index in ((LOIHI, 10), (SMALL, 6)):
        try:
            placement = place(network, limits)
        except PlacementError:
            assert limits is SMALL
            continue
        check(network, placement, index)
        again = Placement.from_dict(json.loads(json.dumps(placement.to_dict())))
        assert again.to_dict() == placement.to_dict()
        assert place(network, limits).to_dict() == placement.to_dict()


def test_a_network_of_many_groups_is_recounted() -> None:
    rng = np.random.default_rng(0)
    groups = tuple(Group(f"g{i}", int(rng.integers(5, 60))) for i in range(40))
    synapses = tuple(
        Synapses(f"s{i}", f"g{i}", f"g{int(rng.integers(40))}", formats=2) for i in range(40)
    )
    network = ChipNetwork({}, groups, synapses)
    check(network, place(network))


# Messages


def test_messages_and_hops_by_hand() -> None:
    # two tiles of one core each, one group on either; what comes from outside enters at the east
    core = replace(LOIHI.core, compartments=3)
    limits = Limits("pair", core, columns=2, rows=1, cores_per_tile=1, port=(1, 0))
    groups = (Group("a", 3), Group("b", 3))
    first = np.zeros((3, 3), bool)
    first[0, 0] = True
    synapses = (Synapses("x", "x", "a"), Synapses("w", "a", "b", first), Synapses("v", "b", "b"))
    placement = place(ChipNetwork({"x": 2}, groups, synapses), limits, Traffic({"a": np.ones(3)}))
    # the input goes to a, so a lies at the port, and b beside it
    assert [core.slices for core in placement.cores] == [(Slice("b", 0, 3),), (Slice("a", 0, 3),)]
    assert placement.fanout("a").tolist() == [1, 0, 0] and placement.hops("a").tolist() == [1, 0, 0]
    assert placement.fanout("b").tolist() == [1, 1, 1] and placement.hops("b").tolist() == [0, 0, 0]
    assert placement.hops("x").tolist() == [0, 0]
    assert placement.route({"a": np.array([5, 7, 0]), "b": np.array([1, 0, 2])}) == (8, 5)
    links = {(link.source, link.target): link for link in placement.links}
    assert (links["a", "b"].cores, links["a", "b"].east_west) == (1.0, 1.0)
    assert links["a", "b"].north_south == links["b", "b"].east_west == 0.0
    with pytest.raises(UnknownNameError, match=r"no input or group named 'c'; known: a, b, x"):
        placement.fanout("c")


@pytest.mark.parametrize("partner", ["b", "c", "d"])
def test_traffic_brings_cores_together(partner: str) -> None:
    names = ("a", "b", "c", "d")
    groups = tuple(Group(name, 4) for name in names)
    core = replace(LOIHI.core, compartments=4)
    limits = Limits("four", core, columns=2, rows=1, cores_per_tile=2)
    one = np.eye(4, dtype=bool)
    synapses = tuple(Synapses(f"{s}{t}", s, t, one) for s in names for t in names if s < t)
    connected = tuple(s for s in synapses if s.source != "a" or s.target == partner)
    often = Traffic({"a": np.full(4, 100.0)})
    placement = place(ChipNetwork({}, groups, connected), limits, often)
    assert placement.hops("a").tolist() == [0, 0, 0, 0]


def total_hops(placement: Placement, sent: Mapping[str, NDArray[np.float64]]) -> float:
    return float(sum(sent[name] @ placement.hops(name) for name in sent))


def test_no_exchange_of_two_cores_saves_hops() -> None:
    rng = np.random.default_rng(3)
    core = replace(LOIHI.core, compartments=4)
    limits = Limits("nine", core, columns=3, rows=3, cores_per_tile=1, port=(1, 2))
    groups = tuple(Group(f"g{i}", 4) for i in range(8))
    synapses = [
        Synapses(f"{i}-{j}", f"g{i}", f"g{j}", rng.random((4, 4)) < 0.4)
        for i in range(8)
        for j in range(8)
    ]
    network = ChipNetwork({"x": 3}, groups, (*synapses, Synapses("x", "x", "g5")))
    sent = {name: rng.random(size) for name, size in network.sizes().items()}
    placement = place(network, limits, Traffic(sent))
    check(network, placement)

    def cost(places: list[int]) -> float:
        total = 0.0
        at = {core.slices[0].group: divmod(p, 3) for core, p in zip(placement.cores, places)}
        for s in network.synapses:
            row, column = at.get(s.source, (2, 1))
            far = abs(row - at[s.target][0]) + abs(column - at[s.target][1])
            total += far * float(sent[s.source][matrix(network, s).any(axis=0)].sum())
        return total

    places = [core.place for core in placement.cores]
    assert cost(places) == pytest.approx(total_hops(placement, sent))
    spare = next(p for p in range(9) if p not in places)
    every = [*places, spare]
    for i in range(9):
        for j in range(i):
            swapped = list(every)
            swapped[i], swapped[j] = swapped[j], swapped[i]
            assert cost(swapped[:8]) >= cost(places) - 1e-6


# Text, picture, bad input


def test_report_and_chip_map(tmp_path: Path) -> None:
    placement = place(dense(1000, 1000))
    lines = list(placement.lines())
    assert lines[0].startswith("9 of 128 cores of 'loihi', 2000 compartments, 1125.0 KiB")
    assert "a[666:1000], b[888:1000]" in "\n".join(lines)
    assert any(line.startswith("a -> b") and "9.00" in line for line in lines)
    chip_map(placement, tmp_path / "map.png", "dense")
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: Group("a", 0), "group 'a': size is 0, must be at least 1"),
        (lambda: Synapses("w", "a", "a", bits=7), "7 bits a weight; known: 1, 2, 3, 4, 5, 6, 8"),
        (lambda: Synapses("w", "a", "a", formats=0), "synapses 'w': formats is 0"),
        (lambda: ChipNetwork({"x": 0}, (Group("a", 1),)), "input 'x': size is 0"),
        (lambda: ChipNetwork({"a": 1}, (Group("a", 1),)), "source 'a' is there twice"),
        (lambda: ChipNetwork({"a": 1}, ()), "without groups"),
        (
            lambda: driven(1, Group("a", 1), connected=np.ones((2, 1), bool)),
            r"shape \(2, 1\), expected \(1, 1\)",
        ),
        (
            lambda: ChipNetwork({"x": 1}, (Group("a", 1),), (Synapses("w", "y", "a"),)),
            "'y' -> 'a'; known groups: a; inputs: x",
        ),
        (
            lambda: place(dense(2, 2), traffic=Traffic({"a": np.ones(3)})),
            r"traffic of 'a', shape \(3,\); known: a \(2,\), b \(2,\)",
        ),
        (
            lambda: place(dense(2, 2), traffic=Traffic({"a": np.array([1.0, -1.0])})),
            "finite and >= 0",
        ),
    ],
)
def test_networks_that_cannot_be(make: Any, what: str) -> None:
    with pytest.raises(GraphError, match=what):
        make()


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda plan: plan.pop("limits"), "lacks limits"),
        (lambda plan: plan["cores"][0].update(place=-1), r"cores\[0\].place is -1"),
        (lambda plan: plan["routes"]["a"]["cores"].append([1, 1]), "routes of 'a' for"),
        (lambda plan: plan["routes"]["a"].update(cores=[[1, 1 << 20]] * 9), r"routes of 'a' for"),
    ],
)
def test_a_damaged_description_is_refused(change: Any, what: str) -> None:
    plan = json.loads(placement_part(place(dense(2, 2)))[PART])
    change(plan)
    part = {PART: json.dumps(plan).encode()}
    with pytest.raises(ArtefactError, match=what):
        read_placement(Artefact("test", {}, b"", part))


def test_chips_that_cannot_be() -> None:
    with pytest.raises(PlacementError, match="columns is 0"):
        replace(LOIHI, columns=0)
    with pytest.raises(PlacementError, match="a core of 0 in_axons"):
        replace(LOIHI, core=replace(LOIHI.core, in_axons=0))
    with pytest.raises(PlacementError, match=r"port \(8, 0\) is outside the mesh of 8 x 4 tiles"):
        replace(LOIHI, port=(8, 0))
