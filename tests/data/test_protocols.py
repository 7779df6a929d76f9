"""Labels and their order."""

from __future__ import annotations

import pytest

from edgemem.data.protocols import (
    TEN_WORDS,
    WORDS_35,
    Protocol,
    canonical,
    default_name,
    protocol_for,
)
from edgemem.errors import DataError, UnknownNameError


def test_twelve_labels_in_the_order_of_the_published_protocol() -> None:
    protocol = protocol_for("12", WORDS_35, silence=True)
    assert protocol == Protocol("speech-commands-12", ("_silence_", "_unknown_", *TEN_WORDS))
    assert protocol.label_of("marvin") == "_unknown_"
    assert protocol.label_of("yes") == "yes"
    assert protocol.words == TEN_WORDS


def test_thirty_five_labels_in_alphabetical_order() -> None:
    protocol = protocol_for("35", (*WORDS_35, "strange"), silence=True)
    assert protocol.labels == tuple(sorted(WORDS_35))
    assert len(protocol.labels) == 35
    assert protocol.label_of("strange") is None


def test_folders_take_what_is_there() -> None:
    assert protocol_for("folders", ["b", "a"], silence=False).labels == ("a", "b")
    assert protocol_for("folders", ["b", "a"], silence=True).labels == ("_silence_", "a", "b")
    labels = protocol_for("folders", ["b", "_unknown_"], silence=False).labels
    assert labels == ("_unknown_", "b")


def test_chosen_words_get_silence_and_unknown() -> None:
    protocol = protocol_for("words:sheila,cat", WORDS_35, silence=True)
    assert protocol.labels == ("_silence_", "_unknown_", "sheila", "cat")
    assert protocol.label_of("dog") == "_unknown_"


def test_default_is_twelve_where_the_ten_words_are_there() -> None:
    assert default_name(WORDS_35) == "speech-commands-12"
    assert default_name(["yes", "no"]) == "folders"


@pytest.mark.parametrize("name", ["13", "words:", "words:a,,b", ""])
def test_an_unknown_protocol_is_refused(name: str) -> None:
    with pytest.raises(UnknownNameError, match="known: folders, speech-commands-12"):
        canonical(name)


@pytest.mark.parametrize(("name", "word"), [("12", "wolf"), ("words:cat", "dog")])
def test_a_set_without_the_words_is_refused(name: str, word: str) -> None:
    with pytest.raises(DataError, match=f"found: {word}"):
        protocol_for(name, [word], silence=False)
