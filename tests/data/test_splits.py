"""The sha1 rule, against numbers worked out by hand and the published code."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgemem.data.splits import SpeakerRule, crossing, split_of


def published_rule(speaker: str) -> str:
    """``which_set`` as the README of Speech Commands prints it, with 10 and 10 percent."""
    hashed = hashlib.sha1(speaker.encode("utf-8")).hexdigest()
    percentage = (int(hashed, 16) % (2**27 - 1 + 1)) * (100.0 / (2**27 - 1))
    if percentage < 10:
        return "validation"
    return "test" if percentage < 20 else "train"


@given(st.text(max_size=12))
def test_the_rule_is_the_published_one(speaker: str) -> None:
    assert split_of(speaker) == published_rule(speaker)


# Speakers of the official lists of v0.02.
@pytest.mark.parametrize(
    ("speaker", "split"),
    [("0c40e715", "test"), ("022cd682", "test"), ("ffb86d3c", "test"), ("00176480", "train")],
)
def test_known_speakers(speaker: str, split: str) -> None:
    assert split_of(speaker) == split


def test_shares_can_be_chosen() -> None:
    names = [str(number) for number in range(4000)]
    got = [split_of(name, 30.0, 20.0) for name in names]
    assert got.count("validation") / 4000 == pytest.approx(0.3, abs=0.03)
    assert got.count("test") / 4000 == pytest.approx(0.2, abs=0.03)


@pytest.mark.parametrize(
    ("separator", "position", "stem", "speaker"),
    [
        ("_", 0, "00000021_NO_06", "00000021"),
        ("-", 1, "yes-anna-3", "anna"),
        ("_", -1, "yes_3_anna", "anna"),
        ("_", 5, "yes_3", "yes_3"),
    ],
)
def test_the_speaker_is_a_piece_of_the_name(
    separator: str, position: int, stem: str, speaker: str
) -> None:
    assert SpeakerRule(separator, position).speaker(stem) == speaker


def test_crossing_names_speakers_in_two_splits() -> None:
    pairs = [("a", "train"), ("a", "train"), ("b", "train"), ("b", "test")]
    assert crossing(pairs) == {"b": ("test", "train")}
