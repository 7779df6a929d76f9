"""A whole, short run on text: what it measures follows from its model by the equations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgemem.model import load
from edgemem.train.tasks.request import Request
from edgemem.train.tasks.run import run_task

pytestmark = pytest.mark.training


def test_bits_per_character_are_those_of_reading_the_test_part_once(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("the quick brown fox jumps over the lazy dog\n" * 40)
    request = Request(
        "char", "lem", {"epochs": 1, "batch": 4}, {"n_steps": 16}, path, layers={"n_units": 8}
    )
    found = run_task(request, tmp_path / "char.model", test=True)
    made = load(tmp_path / "char.model")
    # the last tenth of 1,760 characters fits into one window
    part = path.read_text()[-176:]
    places = np.array([made.labels.index(character) for character in part])
    logits = made.graph().scan(np.eye(len(made.labels))[None, places[:-1]])[0][0]
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    bits = -np.log2(p[np.arange(175), places[1:]])
    assert found["test"] == pytest.approx(bits.mean(), rel=1e-4)
