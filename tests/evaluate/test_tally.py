"""Distances by hand and against one long array."""

from __future__ import annotations

import numpy as np
import pytest

from edgemem.evaluate.tally import Tally
from edgemem.ir.values import Values


def integers(*rows: list[int], scale: float = 0.5, zero_point: int = 1) -> Values:
    return Values(np.array(rows, np.int8), "add", scale, zero_point)


def test_integers_by_hand() -> None:
    a, b = integers([1, 3], [5, 1]), integers([1, 2], [5, 4])
    tally = Tally.between("t", a, b)
    tally.add(a, b)
    found = tally.result()
    # reals of a: 0, 1, 2, 0; differences: 0, 0.5, 0, 1.5
    assert found.distance == pytest.approx(np.sqrt(2.5 / 5))
    assert (found.equal, found.last_places, found.gain) == (0.5, 3.0, False)
    assert found.by_frame == pytest.approx((0.5, 0.75))
    assert (found.tensor, found.op) == ("t", "add")


def test_other_scales_have_no_last_place() -> None:
    a, b = integers([3, 1]), integers([2, 1], scale=1.0)
    tally = Tally.between("t", a, b)
    tally.add(a, b)
    found = tally.result()
    assert (found.distance, found.equal, found.last_places) == (0.0, 1.0, None)


def test_a_gain_for_each_element_is_the_least_squares_one() -> None:
    rng = np.random.default_rng(0)
    clips = [(rng.normal(size=(t, 3)), rng.integers(-90, 90, (t, 3))) for t in (4, 7, 2)]
    tally = Tally.between("t", Values(clips[0][0]), Values(clips[0][1], "", 0.1, 2))
    for x, q in clips:
        tally.add(Values(x), Values(q, "", 0.1, 2))
    x, y = np.concatenate([c[0] for c in clips]), np.concatenate([c[1] for c in clips])
    y = 0.1 * (y - 2)
    residual = [np.linalg.lstsq(y[:, [k]], x[:, k], rcond=None)[1][0] for k in range(3)]
    found = tally.result()
    assert found.distance == pytest.approx(np.sqrt(sum(residual) / np.sum(x**2)))
    assert (found.equal, found.last_places, found.gain) == (None, None, True)


def test_units_alone_are_no_distance() -> None:
    rng = np.random.default_rng(1)
    q = rng.integers(-100, 100, (30, 5))
    gains = np.array([0.1, 3.0, -2.0, 1.0, 0.0])
    tally = Tally("t", "", None, gain=True)
    tally.add(Values(gains * q), Values(q, "", 0.25))
    assert tally.result().distance < 1e-7


def test_clips_of_other_lengths_meet_frame_by_frame() -> None:
    tally = Tally("t", "", None)
    tally.add(Values(np.full((1, 1), 2.0)), Values(np.full((1, 1), 1.0)))
    tally.add(Values(np.full((3, 1), 2.0)), Values(np.full((3, 1), 2.0)))
    tally.add(Values(np.full((2, 1), 2.0)), Values(np.full((2, 1), 1.0)))
    found = tally.result()
    # frames 0: errors 1, 0, 1 of powers 4, 4, 4; frame 1: 0, 1; frame 2: 0
    assert found.by_frame == pytest.approx((np.sqrt(2 / 12), np.sqrt(1 / 8), 0.0))
    assert found.distance == pytest.approx(np.sqrt(3 / 24))
    assert found.equal == 0.5


def test_zeros_have_the_error_itself() -> None:
    tally = Tally("t", "", None)
    tally.add(Values(np.zeros((1, 2))), Values(np.array([[3.0, 4.0]])))
    assert tally.result().distance == 5.0


def test_floats_of_one_integer_are_equal() -> None:
    a = np.array([[0.3, 0.6]], np.float32)
    b = np.nextafter(a, np.float32(1.0))
    for scale, equal in ((0.1, 1.0), (None, 0.0)):
        tally = Tally("t", "", scale)
        tally.add(Values(a), Values(b))
        assert tally.result().equal == equal
    assert Tally("t", "", 0.1).unequal(a, a + np.float32([[0.0, 0.1]])).tolist() == [[False, True]]
