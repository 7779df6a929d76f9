"""The emulator against the chip's rules, written down again as a loop over compartments."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgemem.errors import ChipOverflowError
from edgemem_loihi.cuba import Compartments, Emulator, Network, Synapses


def wrap(x: int, bits: int) -> int:
    half = 1 << bits
    return (x + half) % (2 * half) - half


def decay(x: int, kept: int) -> int:
    """Rounded toward zero."""
    return (1 if x >= 0 else -1) * (abs(x) * kept // 4096)


def plain(network: Network, inputs: dict[str, Any]) -> dict[str, tuple[Any, ...]]:
    """(steps, n) spikes, u and v of each population, one compartment after the other, in Python's
    unbounded integers; registers wrap."""
    steps = len(next(iter(inputs.values())))
    state: dict[str, list[dict[str, int]]] = {
        name: [{"u": 0, "v": 0, "rest": 0, "spike": 0} for _ in range(c.size)]
        for name, c in network.populations.items()
    }
    out: dict[str, list[Any]] = {name: [] for name in network.populations}
    for t in range(steps):
        sent = {name: list(map(bool, x[t])) for name, x in inputs.items()}
        sent |= {name: [bool(c["spike"]) for c in cells] for name, cells in state.items()}
        arriving = {name: [0] * len(cells) for name, cells in state.items()}
        for s in network.synapses:
            for i, j, w in zip(s.targets.tolist(), s.sources.tolist(), s.weights.tolist()):
                if sent[s.source][j]:
                    e = s.exponent
                    arriving[s.target][i] += (w << e if e >= 0 else w >> -e) << 6
        for name, cells in state.items():
            c = network.populations[name]
            for i, cell in enumerate(cells):
                q = wrap(arriving[name][i], 21)
                cell["u"] = wrap(decay(cell["u"], 4095 - int(c.decay_u[i])) + q, 23)
                bias = int(c.bias_mantissa[i]) << int(c.bias_exponent[i])
                v = decay(cell["v"], 4096 - int(c.decay_v[i])) + wrap(cell["u"] + bias, 23)
                lowest = -(1 << min(c.vmin_exponent, 23)) + 1
                v = max(lowest, min(v, (1 << 9 + 2 * c.vmax_exponent) - 1))
                if cell["rest"] > 0:
                    v = 0
                cell["rest"] = max(0, cell["rest"] - 1)
                cell["spike"] = v > 64 * int(c.threshold[i])
                if cell["spike"]:
                    v, cell["rest"] = 0, int(c.refractory[i]) - 1
                cell["v"] = v
            out[name].append([(x["spike"], x["u"], x["v"]) for x in cells])
    return {
        name: tuple(np.array(rows, object)[..., k].astype(np.int64) for k in range(3))
        for name, rows in out.items()
    }


@st.composite
def populations(draw: st.DrawFn, size: int) -> Compartments:
    def each(lowest: int, highest: int) -> int | list[int]:
        some = st.sampled_from([lowest, highest]) | st.integers(lowest, highest)
        if draw(st.booleans()):
            return draw(some)
        return draw(st.lists(some, min_size=size, max_size=size))

    return Compartments.of(
        size,
        decay_u=each(0, 4095),
        decay_v=each(0, 4095),
        threshold=each(0, draw(st.sampled_from([200, 5000, 131071]))),
        bias_mantissa=each(-4095, 4095) if draw(st.booleans()) else 0,
        bias_exponent=each(0, 7),
        refractory=each(1, draw(st.sampled_from([2, 5, 64]))),
        vmin_exponent=draw(st.integers(0, 31)),
        vmax_exponent=draw(st.integers(0, 7)),
    )


@st.composite
def networks(draw: st.DrawFn) -> tuple[Network, np.random.Generator]:
    sizes = draw(st.lists(st.integers(1, 40), min_size=2, max_size=3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    inputs = {"x": sizes[0]}
    cells = {f"p{i}": draw(populations(n)) for i, n in enumerate(sizes[1:])}
    all_sizes = {**inputs, **{name: c.size for name, c in cells.items()}}
    synapses = []
    for _ in range(draw(st.integers(1, 4))):
        source = draw(st.sampled_from(sorted(all_sizes)))
        target = draw(st.sampled_from(sorted(cells)))
        shape = (all_sizes[target], all_sizes[source])
        weights = 2 * rng.integers(-128, 128, shape)
        exponent = draw(st.integers(-7, 7))
        if draw(st.booleans()):
            synapses.append(Synapses.dense(source, target, weights, exponent))
        else:
            n = int(rng.integers(0, 30))
            synapses.append(
                Synapses.sparse(
                    source,
                    target,
                    rng.integers(0, shape[0], n),
                    rng.integers(0, shape[1], n),
                    2 * rng.integers(-128, 128, n),
                    shape=shape,
                    exponent=exponent,
                )
            )
    return Network(inputs, cells, tuple(synapses)), rng


@settings(max_examples=60)
@given(networks(), st.sampled_from([0.1, 0.6]))
def test_emulator_is_the_rules_compartment_by_compartment(
    drawn: tuple[Network, np.random.Generator], share: float
) -> None:
    network, rng = drawn
    x = rng.random((2, 8, network.inputs["x"])) < share
    names = tuple(network.populations)
    both = Emulator(network, batch=2, strict=False)
    ran = both.run({"x": x}, spikes=names, u=names, v=names)
    for b in range(2):
        expected = plain(network, {"x": x[b]})
        for name, (spikes, u, v) in expected.items():
            np.testing.assert_array_equal(ran.spikes[name][b], spikes)
            np.testing.assert_array_equal(ran.u[name][b], u)
            np.testing.assert_array_equal(ran.v[name][b], v)


@pytest.mark.parametrize("share", [0.02, 0.5])
def test_a_batch_is_its_sequences_one_by_one(share: float) -> None:
    rng = np.random.default_rng(3)
    network = Network(
        {"x": 30, "y": 4},
        {
            "narrow": Compartments.of(5, threshold=1000, decay_v=100),
            "wide": Compartments.of(
                300, threshold=rng.integers(300, 4000, 300), decay_u=700, refractory=3
            ),
        },
        (
            Synapses.dense("x", "wide", 2 * rng.integers(-60, 128, (300, 30))),
            Synapses.dense("wide", "wide", 2 * rng.integers(-20, 20, (300, 300)), -1),
            Synapses.dense("wide", "narrow", 2 * rng.integers(-20, 20, (5, 300))),
            Synapses.sparse("y", "wide", [1, 200], [0, 3], [254, -256], shape=(300, 4), exponent=3),
        ),
    )
    x, y = rng.random((9, 40, 30)) < share, rng.random((9, 40, 4)) < share
    names = ("narrow", "wide")
    together = Emulator(network, batch=9).run({"x": x, "y": y}, spikes=names, u=names, v=names)
    one = Emulator(network)
    for b in range(9):
        one.reset()
        alone = one.run({"x": x[b : b + 1], "y": y[b : b + 1]}, spikes=names, u=names, v=names)
        for kind in ("spikes", "u", "v"):
            for name in names:
                expected = getattr(alone, kind)[name][0]
                np.testing.assert_array_equal(getattr(together, kind)[name][b], expected)
    assert together.spikes["wide"].any()


def test_current_and_voltage_decay_by_hand() -> None:
    # u: 6400 -> 6400 * 3595 // 4096 = 5617 -> 4929; v collects them and keeps 3896 / 4096
    cells = Compartments.of(1, decay_u=500, decay_v=200, threshold=131071)
    network = Network({"x": 1}, {"h": cells}, (Synapses.dense("x", "h", [[100]]),))
    x = np.array([1, 0, 0])[None, :, None]
    ran = Emulator(network).run({"x": x}, u=("h",), v=("h",))
    assert ran.u["h"].ravel().tolist() == [6400, 5617, 4929]
    assert ran.v["h"].ravel().tolist() == [6400, 6087 + 5617, 11132 + 4929]


def test_decays_round_toward_zero_on_both_sides() -> None:
    cells = Compartments.of(2, decay_u=0, decay_v=0, threshold=131071, vmin_exponent=23)
    network = Network({"x": 1}, {"h": cells}, (Synapses.dense("x", "h", [[2], [-2]], -1),))
    ran = Emulator(network).run({"x": np.eye(1, 40)[:, :, None]}, u=("h",))
    # decay_u = 0 keeps 4095 / 4096: one less in each step, on both sides of zero
    assert ran.u["h"][0, :, 0].tolist() == [64 - t for t in range(40)]
    assert ran.u["h"][0, :, 1].tolist() == [t - 64 for t in range(40)]


@pytest.mark.parametrize(("decay_v", "refractory"), [(0, 1), (200, 1), (200, 4), (0, 64)])
def test_interval_of_a_constant_current(decay_v: int, refractory: int) -> None:
    # v after n steps is (b / d)(1 - (1 - d)^n), or n b without leak; 1 step more per refractory one
    bias, threshold = 3000 * 2**3, 6000
    cells = Compartments.of(
        1,
        decay_v=decay_v,
        threshold=threshold,
        bias_mantissa=3000,
        bias_exponent=3,
        refractory=refractory,
    )
    spikes = Emulator(Network({}, {"h": cells}, ())).run(steps=400, spikes=("h",)).spikes["h"]
    d = decay_v / 4096
    over = threshold * 64 / bias
    n = int(over) + 1 if d == 0 else int(np.log1p(-over * d) / np.log1p(-d)) + 1
    times = np.flatnonzero(spikes)
    assert times[0] == n - 1
    assert set(np.diff(times)) == {n + refractory - 1}


def test_threshold_is_strict_and_the_reset_hard() -> None:
    cells = Compartments.of(2, threshold=[100, 101], bias_mantissa=3232, bias_exponent=1)
    ran = Emulator(Network({}, {"h": cells}, ())).run(steps=3, spikes=("h",), v=("h",))
    # 6464 is above 6400, and not above 6464; nothing of an overshoot is kept
    assert ran.spikes["h"][0].tolist() == [[True, False], [True, True], [True, False]]
    assert ran.v["h"][0].tolist() == [[0, 6464], [0, 0], [0, 6464]]


def test_inputs_arrive_in_the_same_step_and_spikes_one_later() -> None:
    network = Network(
        {"x": 1},
        {"a": Compartments.of(1, threshold=1), "b": Compartments.of(1, threshold=1)},
        (Synapses.dense("x", "a", [[2]]), Synapses.dense("a", "b", [[2]])),
    )
    ran = Emulator(network).run({"x": np.eye(1, 4)[:, :, None]}, spikes=("a", "b"))
    assert ran.spikes["a"].ravel().tolist() == [True, False, False, False]
    assert ran.spikes["b"].ravel().tolist() == [False, True, False, False]


def flooded(exponent: int, n: int, decay_u: int = 4095) -> Network:
    cells = Compartments.of(3, threshold=131071, decay_u=decay_u)
    weights = np.zeros((3, n), int)
    weights[1] = 254
    return Network({"x": n}, {"h": cells}, (Synapses.dense("x", "h", weights, exponent),))


def test_accumulator_overflow_by_hand() -> None:
    # 130 * 254 * 64 = 2113280, 16128 above 2^21
    network, x = flooded(0, 130), np.ones((1, 2, 130), bool)
    loose = Emulator(network, strict=False)
    ran = loose.run({"x": x}, u=("h",))
    assert ran.u["h"][0, 0].tolist() == [0, 2113280 - 2**22, 0]
    assert loose.overflows == {"q": 2, "u": 0, "u + bias": 0}
    with pytest.raises(ChipOverflowError, match=r"q of 'h', compartment 1 is 2113280 in step 1"):
        Emulator(network).run({"x": x})
    loose.reset()
    assert loose.overflows == {"q": 0, "u": 0, "u + bias": 0}


def test_current_overflow_by_hand() -> None:
    # 120 * 254 * 64 = 1950720 a step, kept but for 1 / 4096: above 2^23 in the fifth step
    network, x = flooded(0, 120, decay_u=0), np.ones((2, 5, 120), bool)
    x[0] = False
    u = 0
    for _ in range(5):
        u = u * 4095 // 4096 + 1950720
    loose = Emulator(network, batch=2, strict=False)
    assert loose.run({"x": x}, u=("h",)).u["h"][1, 4, 1] == u - 2**24
    assert loose.overflows == {"q": 0, "u": 1, "u + bias": 0}
    named = f"u of 'h', compartment 1 (sequence 1) is {u} in step 5"
    with pytest.raises(ChipOverflowError, match=re.escape(named)):
        Emulator(network, batch=2).run({"x": x})


def test_sum_of_current_and_bias_overflows_by_itself() -> None:
    cells = Compartments.of(
        1, threshold=131071, decay_u=0, bias_mantissa=4095, bias_exponent=7, vmin_exponent=23
    )
    network = Network({"x": 128}, {"h": cells}, (Synapses.dense("x", "h", [[254] * 128]),))
    x = np.ones((1, 4, 128), bool)
    loose = Emulator(network, strict=False)
    ran = loose.run({"x": x}, u=("h",), v=("h",))
    u = int(ran.u["h"][0, 3, 0])
    assert 2**23 - 4095 * 128 < u < 2**23
    assert loose.overflows == {"q": 0, "u": 0, "u + bias": 1}


def test_voltage_is_clipped_not_wrapped() -> None:
    cells = Compartments.of(
        2,
        threshold=131071,
        bias_mantissa=[4095, -4095],
        bias_exponent=7,
        vmin_exponent=10,
        vmax_exponent=3,
    )
    ran = Emulator(Network({}, {"h": cells}, ())).run(steps=3, v=("h",))
    assert ran.v["h"][0, -1].tolist() == [2**15 - 1, -1023]


def test_sums_beyond_float32_are_exact() -> None:
    # weights of 2^20 in units of 64, from 20 sources: their sum is beyond 24 bits
    n = 601
    weights = np.full((16, n), 254)
    weights[:, 0] = 2
    network = Network(
        {"x": n},
        {"h": Compartments.of(16, threshold=131071)},
        (
            Synapses.dense("x", "h", weights, 7),
            Synapses.dense("x", "h", np.full((16, n), 2), -1),
        ),
    )
    x = np.ones((1, 1, n), bool)
    expected = wrap((weights[0].sum() * 2**7 + n) * 64, 21)
    assert set(Emulator(network, strict=False).run({"x": x}, u=("h",)).u["h"].ravel()) == {expected}


def test_runs_go_on_from_the_state() -> None:
    network = flooded(0, 20, decay_u=300)
    x = np.random.default_rng(0).random((1, 30, 20)) < 0.3
    whole = Emulator(network).run({"x": x}, v=("h",)).v["h"]
    parts = Emulator(network)
    first = parts.run({"x": x[:, :11]}, v=("h",)).v["h"]
    for t in range(11, 29):
        parts.step({"x": x[:, t]})
    np.testing.assert_array_equal(parts.v("h"), whole[:, 28])
    last = parts.run({"x": x[:, 29:]}, v=("h",)).v["h"]
    np.testing.assert_array_equal(first, whole[:, :11])
    np.testing.assert_array_equal(last, whole[:, 29:])
    assert parts.steps == 30
