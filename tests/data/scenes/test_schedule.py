"""Scenes: who comes when, and what is refused."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgemem.data.scenes.schedule import CLEAN, GRID, Plan, Scene, draw_scene, ratio_of
from edgemem.errors import ConfigError

RATE = 16000


def drawn(plan: Plan, n_keywords: int = 30, n_others: int = 12, length: int = RATE) -> Scene:
    clips = [length] * (n_keywords + n_others)
    numbers = list(range(len(clips)))
    return draw_scene(plan, clips, numbers[:n_keywords], numbers[n_keywords:], [90000, 70000])


@settings(max_examples=40)
@given(
    hours=st.floats(0.05, 0.6),
    keywords=st.floats(30, 500),
    others=st.floats(0, 150),
    share=st.floats(0, 0.5),
    length=st.integers(4000, 20000),
    seed=st.integers(0, 9),
)
def test_stretches_follow_each_other_and_words_do_not_touch(
    hours: float, keywords: float, others: float, share: float, length: int, seed: int
) -> None:
    plan = Plan(hours, (CLEAN, 5.0), keywords, others, share, pause=0.5, seed=seed)
    scene = drawn(plan, length=length)
    ends = [stretch.end for stretch in scene.stretches]
    assert [stretch.start for stretch in scene.stretches] == [0, *ends[:-1]]
    assert ends[-1] == scene.length
    words = list(scene.words)
    assert len(words) == round(keywords * hours) + round(others * hours)
    for stretch in scene.stretches:
        assert all(stretch.start <= w.start and w.end <= stretch.end for w in stretch.words)
        assert stretch.start % GRID == 0
    for before, after in zip(words, words[1:]):
        assert after.start % GRID == 0
        # half a pause belongs to either word, each cut to the grid
        assert after.start - before.end >= 0.5 * RATE - 2 * GRID


def test_length_and_share_without_words_are_as_asked() -> None:
    scene = drawn(Plan(2.0, noise_share=0.4, keywords=200, seed=1))
    assert scene.length / RATE / 3600 == pytest.approx(2.0, abs=0.02)
    empty = sum(stretch.length for stretch in scene.stretches if not stretch.words)
    assert empty / scene.length == pytest.approx(0.4, abs=0.05)
    assert max(s.length for s in scene.stretches if not s.words) > 30 * RATE


def test_no_clip_comes_twice_before_all_have_come() -> None:
    times = Counter(word.clip for word in drawn(Plan(0.5, keywords=150, others=24)).words)
    # 75 of 30 keywords, 12 of 12 other words
    assert Counter(times[clip] for clip in range(30)) == {2: 15, 3: 15}
    assert all(times[clip] == 1 for clip in range(30, 42))


def test_every_ratio_gets_its_part() -> None:
    scene = drawn(Plan(1.0, (CLEAN, 10.0, 0.0), keywords=240, others=0))
    spoken = Counter(stretch.snr for stretch in scene.stretches if stretch.words)
    assert set(spoken) == {CLEAN, 10.0, 0.0}
    assert max(spoken.values()) - min(spoken.values()) <= 1


def test_the_seed_decides() -> None:
    assert drawn(Plan(0.2, seed=4)) == drawn(Plan(0.2, seed=4))
    assert drawn(Plan(0.2, seed=4)) != drawn(Plan(0.2, seed=5))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"hours": 0.0}, "a scene of 0.0 hours"),
        ({"hours": float("nan")}, "a scene of nan hours"),
        ({"snr": ()}, "expected dB, or clean"),
        ({"snr": (float("nan"),)}, "expected dB, or clean"),
        ({"keywords": 0.0}, "keywords and"),
        ({"others": -1.0}, "other words an hour"),
        ({"noise_share": 1.0}, "share of 1.0"),
        ({"pause": -0.1}, "pauses of -0.1 s"),
    ],
)
def test_plans_that_cannot_be(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Plan(**fields)  # type: ignore[arg-type]


def test_too_many_words_do_not_fit() -> None:
    with pytest.raises(ConfigError, match="take fewer words an hour"):
        drawn(Plan(0.5, keywords=3000))


def test_words_that_are_not_there() -> None:
    with pytest.raises(ConfigError, match="other words are asked for, and there is none"):
        drawn(Plan(0.5), n_others=0)
    with pytest.raises(ConfigError, match="too short for a single word"):
        drawn(Plan(0.0001))


def test_ratios_from_text() -> None:
    assert ratio_of("clean", "--snr") == CLEAN
    assert ratio_of(" -5", "--snr") == -5.0
    for text in ("loud", "nan", "-inf", ""):
        with pytest.raises(ConfigError, match=r"--snr: .* is no ratio"):
            ratio_of(text, "--snr")
