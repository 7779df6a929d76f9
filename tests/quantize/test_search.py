"""The search against exhaustive enumeration, and what it makes of a real network."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgemem.cells import LMU, Dense, Stack
from edgemem.errors import ConfigError, ToleranceError
from edgemem.ir import trace
from edgemem.ops import FloatOps
from edgemem.quantize import IntegerOps, Scheme, build
from edgemem.quantize.narrowing import Narrowing
from edgemem.quantize.search import path, search
from edgemem.quantize.size import parameter_bytes
from edgemem.quantize.trials import (
    CHOICES,
    Limits,
    Measure,
    Trial,
    choose,
    drop_interval,
    drop_of,
    front,
    leading,
)


@dataclass(frozen=True)
class Sums:
    """A problem whose bytes and lost clips add up, with pairs that spoil each other."""

    weights: tuple[int, ...]
    damage: tuple[float, ...]
    clips: int = 1000
    correct: int = 950
    digest: str = "sums"

    @property
    def names(self) -> tuple[str, ...]:
        return tuple("abcdefgh"[: len(self.weights)])

    def size(self, widths: Mapping[str, int]) -> int:
        return 100 + sum(n * widths[name] // 8 for name, n in zip(self.names, self.weights))

    def probe(self, widths: Mapping[str, int]) -> float:
        hurt = [
            damage * {8: 0.0, 4: 1.0, 2: 9.0}[widths[name]]
            for name, damage in zip(self.names, self.damage)
        ]
        return sum(hurt) + sum(math.sqrt(a * b) for a, b in itertools.pairwise(hurt)) / 2.0

    def measure(self, widths: Mapping[str, int]) -> Measure:
        distance = self.probe(widths)
        lost = min(int(10.0 * distance), self.correct)
        return Measure(self.size(widths), lost, 0, 1.0 - lost / self.clips, distance)

    def everything(self) -> list[Trial]:
        return [
            Trial(widths, self.measure(widths))
            for bits in itertools.product(CHOICES, repeat=len(self.names))
            for widths in [dict(zip(self.names, bits))]
        ]


@dataclass
class Memory:
    """A history that is not kept, and draws at random."""

    names: Sequence[str]
    trials: list[Trial] = field(default_factory=list)
    costs: dict[tuple[str, int], float] = field(default_factory=dict)

    def add(self, trial: Trial) -> None:
        self.trials.append(trial)

    def add_cost(self, name: str, bits: int, cost: float) -> None:
        self.costs[name, bits] = cost

    def draw(self, seed: Sequence[int]) -> dict[str, int]:
        rng = np.random.default_rng(list(seed))
        return {name: int(rng.choice(CHOICES)) for name in self.names}


SMALL = Sums((800, 1600, 240), (0.3, 0.1, 0.9))
LARGE = Sums((800, 1600, 240, 3200, 400, 640), (0.3, 0.1, 0.9, 0.5, 0.05, 0.4))


def least_score(problem: Sums, budget: int) -> Trial:
    fitting = [trial for trial in problem.everything() if trial.measure.size <= budget]
    return min(fitting, key=lambda t: (t.measure.score, t.measure.size))


@pytest.mark.parametrize("budget", [760, 1000, 1500, 2740])
def test_a_search_through_everything_finds_the_best(budget: int) -> None:
    limits = Limits(budget)
    found = search(SMALL, limits, Memory(SMALL.names), 1000)
    assert len(found.trials) == 3**3
    assert len({tuple(t.widths.values()) for t in found.trials}) == 3**3
    assert found.best == least_score(SMALL, budget)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("budget", [2500, 4000])
def test_a_short_search_finds_the_best_for_a_budget(budget: int, seed: int) -> None:
    # 60 of 729 assignments
    found = search(LARGE, Limits(budget), Memory(LARGE.names), 60, seed)
    assert len(found.trials) == 60
    assert found.best == least_score(LARGE, budget)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("drop", [2.0, 10.0])
def test_a_short_search_finds_the_smallest_for_a_drop(drop: float, seed: int) -> None:
    found = search(LARGE, Limits(drop=drop), Memory(LARGE.names), 60, seed)
    kept = [t.measure.size for t in LARGE.everything() if t.measure.lost / 10.0 <= drop]
    assert found.best.measure.size == min(kept)


@pytest.mark.parametrize("drop", [0.0, 1.0, 3.0])
def test_without_a_budget_the_smallest_within_the_drop(drop: float) -> None:
    found = search(SMALL, Limits(drop=drop), Memory(SMALL.names), 1000)
    kept = [t for t in SMALL.everything() if 100.0 * t.measure.lost / 1000 <= drop]
    assert found.best.measure.size == min(t.measure.size for t in kept)
    assert 100.0 * found.best.measure.lost / 1000 <= drop


def test_with_both_limits_the_best_score_within_them() -> None:
    found = search(SMALL, Limits(1500, 2.0), Memory(SMALL.names), 1000)
    assert found.best == least_score(SMALL, 1500)
    assert found.best.measure.lost <= 20


def test_a_budget_that_nothing_meets_says_the_smallest_size() -> None:
    history = Memory(SMALL.names)
    # 100 + (800 + 1600 + 240) / 4
    with pytest.raises(ConfigError, match=r"759 bytes cannot be met.* take 760 bytes"):
        search(SMALL, Limits(759), history, 10)
    assert not history.trials


def test_a_drop_that_nothing_meets_says_the_best_found() -> None:
    best = least_score(SMALL, 1000).measure
    with pytest.raises(ToleranceError, match=r"within 1,000 bytes loses 0\.1 points") as caught:
        search(SMALL, Limits(1000, 0.1), Memory(SMALL.names), 1000)
    assert f"best found has {best.size:,} bytes and loses {best.lost / 10:.2f}" in str(caught.value)


def test_too_few_trials_for_the_budget() -> None:
    with pytest.raises(ToleranceError, match=r"none of 1 trials is within 1,000 bytes"):
        search(SMALL, Limits(1000), Memory(SMALL.names), 1)


@pytest.mark.parametrize("stop", [1, 4, 7, 12, 20])
def test_a_search_that_was_cut_off_comes_to_the_same_trials(stop: int) -> None:
    whole = search(LARGE, Limits(3000), Memory(LARGE.names), 40, 3)
    history, count = Memory(LARGE.names), 0

    def tell(done: int, total: int, trials: Sequence[Trial]) -> None:
        nonlocal count
        count += 1
        assert (done, total) == (len(history.trials) + len(history.costs), 40 + 12)
        if count == stop:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(LARGE, Limits(3000), history, 40, 3, tell)
    again = search(LARGE, Limits(3000), history, 40, 3)
    assert again == whole


def test_another_seed_tries_others() -> None:
    tried = [search(LARGE, Limits(3000), Memory(LARGE.names), 40, seed).trials for seed in (0, 1)]
    assert tried[0] != tried[1]


def test_the_path_narrows_what_costs_least_for_its_bytes() -> None:
    problem = Sums((800, 800), (1.0, 0.1))
    # b to 2 bits costs 0.9 for 600 bytes, to 4 bits 0.1 for 400; then a
    costs = {("a", 4): 1.0, ("a", 2): 9.0, ("b", 4): 0.1, ("b", 2): 0.9}
    assert [tuple(w.values()) for w in path(problem, costs)] == [
        (8, 8),
        (8, 4),
        (4, 4),
        (4, 2),
        (2, 2),
    ]


def trial(size: int, lost: int, distance: float = 0.0) -> Trial:
    return Trial({"a": 8}, Measure(size, lost, 0, 1.0, distance))


def test_what_is_not_surely_worse_is_told_apart_by_the_distance() -> None:
    # 9 clips lost and none gained are uncertain by 3
    best, near, beyond = trial(10, 9, 5.0), trial(10, 12, 0.2), trial(10, 13, 0.1)
    assert choose([best, beyond, near], Limits(10), 1000) == near
    assert choose([best, beyond], Limits(10), 1000) == best
    # gained clips are as uncertain: 9 + 16 by 5
    paired = Trial({"a": 8}, Measure(10, 16, 9, 1.0, 5.0))
    assert [t.measure.distance for t in leading([paired, near, beyond])] == [0.2, 5.0]
    # what loses too many is no candidate, however near it is
    assert choose([best, near], Limits(10, 1.0), 1000) == best


def test_with_equal_distances_the_smaller_one() -> None:
    assert choose([trial(10, 2), trial(9, 2)], Limits(10), 100) == trial(9, 2)


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 5)), min_size=1, max_size=12))
def test_the_front_is_what_nothing_beats(points: list[tuple[int, int]]) -> None:
    trials = [trial(size, lost) for size, lost in points]
    kept = {(t.measure.size, t.measure.lost) for t in front(trials)}
    assert kept == {
        (size, lost)
        for size, lost in points
        if not any((s <= size and w < lost) or (s < size and w <= lost) for s, w in points)
    }


def test_drop_and_its_interval_by_hand() -> None:
    measure = Measure(1, 6, 2, 0.9, 0.0)
    assert drop_of(measure, 200) == 2.0
    # n = 202, (6.5 - 2.5) / 202 = 0.019802, (6.5 + 2.5) / 202 = 0.044554
    spread = 1.96 * math.sqrt((0.044554 - 0.019802**2) / 202)
    low, high = drop_interval(measure, 200)
    assert (low, high) == pytest.approx((1.9802 - 100 * spread, 1.9802 + 100 * spread), abs=1e-3)
    assert low < 0.0 < 2.0 < high


@pytest.mark.parametrize("clips", [240, 4000])
def test_the_interval_covers(clips: int) -> None:
    # of many draws of clips, 95 in a hundred intervals hold the true drop of 1 point
    rng = np.random.default_rng(0)
    held = 0
    for lost, gained, _ in rng.multinomial(clips, (0.02, 0.01, 0.97), 2000):
        low, high = drop_interval(Measure(1, lost, gained, 1.0, 0.0), clips)
        held += low <= 1.0 <= high
    assert 0.93 < held / 2000 < 0.98


@pytest.mark.parametrize("drop", [-0.1, 100.1, math.nan])
def test_refuses_a_drop_that_is_none(drop: float) -> None:
    with pytest.raises(ConfigError, match="expected 0 to 100"):
        Limits(drop=drop)


def test_refuses_a_search_without_limits() -> None:
    with pytest.raises(ConfigError, match="needs a budget in bytes or a greatest drop"):
        Limits()


def test_json_of_a_search() -> None:
    found = search(SMALL, Limits(1500), Memory(SMALL.names), 1000)
    values = found.to_dict()
    assert values["layers"] == found.best.widths and values["size"] == found.best.measure.size
    assert values["accuracy"] == (950 - found.best.measure.lost) / 1000
    assert values["accuracy_float"] == 0.95
    assert values["drop"] == pytest.approx(100 * (0.95 - values["accuracy"]))
    assert len(values["trials"]) == 27
    assert [t["size"] for t in values["front"]] == sorted(t["size"] for t in values["front"])


# a network

STACK = Stack((LMU(3, 6, 4, 8.0, 2, activation="relu"), Dense(6, 4)))
RNG = np.random.default_rng(2)
PARAMS = dict(STACK.init(RNG))
CLIPS = RNG.normal(size=(300, 12, 3)).astype(np.float32)
GRAPH = trace(STACK, PARAMS)
WINDOW = 5


def labels() -> np.ndarray:
    """What floats say, some of them changed."""
    logits, _ = GRAPH.scan(CLIPS.astype(float))
    said = logits[:, -WINDOW:].mean(axis=1).argmax(axis=-1)
    said[::7] = (said[::7] + 1) % 4
    return said.astype(np.int64)


@pytest.fixture(scope="module")
def network() -> Narrowing:
    return Narrowing(GRAPH, Scheme(), CLIPS[:20], CLIPS, labels(), WINDOW)


WIDTHS = {"0.lmu.e_x": 4, "0.lmu.W_m": 2, "1.dense.W": 8}


def test_names_and_size_of_a_network(network: Narrowing) -> None:
    assert network.names == ("0.lmu.e_x", "0.lmu.W_m", "1.dense.W")
    for bits in itertools.product(CHOICES, repeat=3):
        widths = dict(zip(network.names, bits))
        # a build from scratch
        program = build(GRAPH, Scheme(layers=widths), CLIPS[:20]).program
        assert network.size(widths) == parameter_bytes(program)
        made = network.program(widths)
        assert made.to_dict() == program.to_dict()
        for name, array in program.to_arrays().items():
            np.testing.assert_array_equal(made.to_arrays()[name], array)


def test_a_measurement_against_a_run_clip_by_clip(network: Narrowing) -> None:
    program = build(GRAPH, Scheme(layers=WIDTHS), CLIPS[:20]).program
    ops = IntegerOps(program)
    lost = gained = agreed = 0
    distances = []
    for clip, label in zip(CLIPS, labels()):
        floats, states, exact, found = GRAPH.zero_state(), program.zero_state(), [], []
        for x in clip:
            floats, y = GRAPH.evaluate(FloatOps(), GRAPH.params, floats, x.astype(float))
            states, values = ops.step(states, ops.quantize(x))
            exact.append(y)
            found.append(ops.dequantize(values[program.output]))
        a, b = (np.mean(np.array(part[-WINDOW:], float), axis=0) for part in (exact, found))
        lost += a.argmax() == label != b.argmax()
        gained += a.argmax() != label == b.argmax()
        agreed += a.argmax() == b.argmax()
        p, q = np.exp(a) / np.exp(a).sum(), np.exp(b) / np.exp(b).sum()
        distances.append(float(np.sum(p * np.log(p / q))))
    measured = network.measure(WIDTHS)
    assert (measured.lost, measured.gained) == (lost, gained) and lost > gained > 0
    assert measured.agreement == agreed / 300
    assert measured.distance == pytest.approx(np.mean(distances))
    # 300 clips are no more than 240 twice over: all of them are looked at
    assert network.probe(WIDTHS) == pytest.approx(np.mean(distances))
    assert network.correct == 300 - len(range(0, 300, 7))


def test_fewer_bits_are_further_away(network: Narrowing) -> None:
    found = [network.measure(dict.fromkeys(network.names, bits)) for bits in CHOICES]
    assert found[0].distance < found[1].distance < found[2].distance
    assert found[0].size > found[1].size > found[2].size


def test_the_digest_follows_what_is_measured(network: Narrowing) -> None:
    same = Narrowing(GRAPH, Scheme(weights=4), CLIPS[:20], CLIPS, labels(), WINDOW)
    assert same.digest == network.digest
    others = [
        Narrowing(GRAPH, Scheme("int16"), CLIPS[:20], CLIPS, labels(), WINDOW),
        Narrowing(GRAPH, Scheme(), CLIPS[:20], CLIPS[:-1], labels()[:-1], WINDOW),
        Narrowing(GRAPH, Scheme(), CLIPS[:20], CLIPS, labels()[::-1], WINDOW),
        Narrowing(GRAPH, Scheme(), CLIPS[:9], CLIPS, labels(), WINDOW),
    ]
    assert len({network.digest, *(other.digest for other in others)}) == 5


def test_the_scheme_of_a_result(network: Narrowing) -> None:
    scheme = network.scheme(WIDTHS)
    assert (scheme.activations, scheme.weights, dict(scheme.layers)) == ("int8", 8, WIDTHS)
    assert replace(scheme, layers={}) == Scheme()


@pytest.mark.parametrize("count", [0, 299])
def test_refuses_clips_without_labels(count: int) -> None:
    with pytest.raises(ConfigError, match=f"300 clips with {count} labels.*--data"):
        Narrowing(GRAPH, Scheme(), CLIPS[:20], CLIPS, labels()[:count], WINDOW)
