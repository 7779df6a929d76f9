"""Scenes made audible: measured ratios, parts of a whole, two forms of one scene."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgemem.data.scenes.features import FeatureRenderer
from edgemem.data.scenes.material import Material
from edgemem.data.scenes.noise import FADE, Ring, ring_of
from edgemem.data.scenes.samples import SampleRenderer
from edgemem.data.scenes.schedule import CLEAN, GRID, Plan, Scene, Stretch, Utterance, draw_scene
from edgemem.data.types import Clip, Report
from edgemem.errors import DataError
from edgemem.frontend import PICTURES, FrontEnd

RATE = 16000
Samples = npt.NDArray[np.int16]


def clip(number: int) -> Samples:
    """A second of sound with a louder middle, other sound for every number."""
    rng = np.random.default_rng(number)
    slow = np.repeat(rng.standard_normal(RATE // 4), 4)  # little of it above 4 kHz
    shape = 200 + 3000 * (np.abs(np.arange(RATE) - RATE / 2) < RATE / 5)
    return np.rint(slow * shape).astype(np.int16)


def ring(seed: int = 0, level: float = 300.0) -> Ring:
    rng = np.random.default_rng(seed)
    noise = np.repeat(rng.standard_normal(12 * RATE), 4)[: 3 * RATE]
    return ring_of("noise", np.rint(level * noise).astype(np.int16))


def one_word(snr: float, gain: float = 0.0) -> Scene:
    word = Utterance(2 * RATE, RATE, 0, gain)
    return Scene(5 * RATE, (Stretch(0, 5 * RATE, 0, 800, snr, -30.0, (word,)),))


@pytest.mark.parametrize("snr", [20.0, 10.0, 0.0])
@pytest.mark.parametrize("gain", [0.0, -6.0])
def test_ratio_is_that_of_clip_to_noise_under_it(snr: float, gain: float) -> None:
    scene = one_word(snr, gain)
    whole = SampleRenderer(scene, (ring(),), clip).render(0, scene.length).astype(float)
    said = 10 ** (gain / 20) * clip(0)
    under = whole[2 * RATE : 3 * RATE]
    noise = under[FADE:-FADE] - said[FADE:-FADE]  # a clip comes and goes over the fade
    measured = 10 * np.log10(np.mean(said**2) / np.mean(noise**2))
    assert measured == pytest.approx(snr, abs=0.15)
    before = whole[: 2 * RATE]
    assert np.mean(before**2) == pytest.approx(np.mean(noise**2), rel=0.1)


def test_clean_has_a_quiet_background() -> None:
    whole = SampleRenderer(one_word(CLEAN), (ring(),), clip).render(0, 2 * RATE)
    assert 3 < np.sqrt(np.mean(whole.astype(float) ** 2)) < 10


def test_noise_alone_lies_below_a_typical_word() -> None:
    scene = Scene(RATE, (Stretch(0, RATE, 0, 0, 10.0, -30.0, ()),))
    whole = SampleRenderer(scene, (ring(),), clip).render(0, RATE) / 32768.0
    assert 10 * np.log10(np.mean(whole**2)) == pytest.approx(-40.0, abs=0.5)


def _random_scene(seed: int) -> Scene:
    plan = Plan(0.02, (CLEAN, 10.0), 500, 100, 0.3, seed=seed)
    return draw_scene(plan, [RATE] * 6, [0, 1, 2, 3], [4, 5], [len(ring())] * 2)


@settings(max_examples=20)
@given(cuts=st.lists(st.integers(0, 60 * RATE), max_size=5), seed=st.integers(0, 3))
def test_parts_are_parts_of_the_whole(cuts: list[int], seed: int) -> None:
    scene = _random_scene(seed)
    renderer = SampleRenderer(scene, (ring(0), ring(1)), clip)
    borders = sorted({0, scene.length, *(cut for cut in cuts if cut < scene.length)})
    parts = [renderer.render(a, b) for a, b in zip(borders, borders[1:])]
    np.testing.assert_array_equal(np.concatenate(parts), renderer.render(0, scene.length))


@pytest.fixture
def material() -> Material:
    features = np.stack([PICTURES.features(clip(number)) for number in range(6)])
    return Material(
        PICTURES,
        tuple(Clip(None, "yes", str(n)) for n in range(6)),  # type: ignore[arg-type]
        ("yes",) * 6,
        features,
        np.zeros((6, 2), np.int64),
        (ring(0), ring(1)),
        RATE,
        False,
        Report(),
    )


def test_features_and_samples_sound_alike(material: Material) -> None:
    scene = _random_scene(0)
    samples = SampleRenderer(scene, material.rings, clip).render(0, scene.length)
    heard = PICTURES.features(samples)
    made = FeatureRenderer(scene, material).render(0, len(heard))
    # mixed powers differ by their cross term: a few dB in a frame, nothing on average
    assert np.corrcoef(heard.ravel(), made.ravel())[0, 1] > 0.98
    assert np.abs(np.mean(heard - made)) < 2.0  # 2.3 grey levels are one dB
    for stretch in scene.stretches:
        part = slice(stretch.start // GRID, min(stretch.end // GRID, len(heard)))
        assert np.abs(np.mean(heard[part] - made[part])) < 4.0


def test_parts_of_features_are_parts_of_the_whole(material: Material) -> None:
    renderer = FeatureRenderer(_random_scene(2), material)
    whole = renderer.render(0, 4000)
    parts = [renderer.render(a, b) for a, b in ((0, 1), (1, 777), (777, 2500), (2500, 4000))]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_other_features_are_refused(material: Material) -> None:
    from dataclasses import replace

    other = replace(material, frontend=FrontEnd(hop_length=320))
    with pytest.raises(DataError, match="log-mel frames every 160 samples"):
        FeatureRenderer(_random_scene(0), other)


def test_a_ring_has_no_seam() -> None:
    t = np.arange(RATE)
    closed = ring_of("tone", np.rint(1000 * np.sin(2 * np.pi * t / 160)).astype(np.int16))
    twice = closed.take(0, 2 * len(closed))
    steps = np.abs(np.diff(twice))
    assert steps.max() < 1.5 * 1000 * 2 * np.pi / 160
    np.testing.assert_array_equal(twice[: len(closed)], twice[len(closed) :])
    assert closed.mean_square(0, len(closed)) == pytest.approx(0.5 * (1000 / 32768) ** 2, rel=0.05)


def test_a_pause_in_the_noise_is_not_blown_up(tone: Callable[..., Samples]) -> None:
    samples = np.concatenate([np.zeros(RATE, np.int16), tone("low"), np.zeros(RATE, np.int16)])
    closed = ring_of("pauses", samples)
    assert closed.mean_square(2000, 4000) == pytest.approx(0.1 * closed.power.mean())
