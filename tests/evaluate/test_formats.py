"""Pictures of integers: they are written, and they show what they should."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from edgemem.errors import MissingExtraError
from edgemem.evaluate.formats import draw_front, draw_report
from edgemem.quantize.report import FormatReport, TensorReport, WeightReport
from edgemem.quantize.trials import Found, Limits, Measure, Trial

X = TensorReport("x", "input", (4,), 0.0, 250.0, 8, 1.0, -128, 50.0, 0.0)
STATE = TensorReport("m", "state", (4,), -0.5, 0.5, 16, 2.0**-12, 0, 30.0, 0.0)
REPORT = FormatReport(
    tensors=(
        X,
        STATE,
        replace(STATE, name="m:16", kind="widen"),
        replace(X, name="y", kind="product", low=-9.0, high=900.0, clipped=0.125, sqnr=math.inf),
    ),
    weights=(
        WeightReport("y", "W", 2, 4, 4, 4, 20.0, 0.1, 0.2),
        WeightReport("m", "", 2, 4, 8, 8, math.inf, 0.1, 0.2),
    ),
    size=12,
    macs=16,
    sequences=2,
    steps=10,
)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Every figure that is saved."""
    kept: list[Figure] = []
    save = Figure.savefig

    def keep(figure: Figure, *arguments: object, **options: object) -> None:
        kept.append(figure)
        save(figure, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", keep)
    return kept


def test_a_report(tmp_path: Path, drawn: list[Figure]) -> None:
    draw_report(REPORT, "a network", tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    noise, ranges, weights = drawn[0].axes
    # what only holds another value's integers is left out
    assert [label.get_text() for label in noise.get_yticklabels()] == ["x", "m", "y"]
    assert [bar.get_width() for bar in noise.patches] == [50.0, 30.0, 0.0]
    # format and range of each, in units of the format's larger end
    spans = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in ranges.patches]
    assert spans[:2] == [(0.0, 1.0), pytest.approx((0.0, 250.0 / 255.0))]
    assert spans[3] == pytest.approx((-0.5 / 8.0, 0.5 / 8.0))
    assert [text.get_text() for text in ranges.texts] == [" 12.5% clipped"]
    assert [label.get_text() for label in ranges.get_yticklabels()] == [
        "8 Q7.0",
        "16 Q3.12",
        "8 Q7.0",
    ]
    assert [label.get_text() for label in weights.get_yticklabels()] == ["W", "m (fixed)"]
    assert [text.get_text() for text in weights.texts] == ["4 bits, 4 B", "8 bits, 8 B"]


def test_size_against_accuracy(tmp_path: Path, drawn: list[Figure]) -> None:
    trials = tuple(
        Trial({"a": 8}, Measure(size, lost, 0, 1.0, 0.01))
        for size, lost in [(40_000, 0), (30_000, 1), (35_000, 2), (20_000, 50)]
    )
    found = Found(trials[1], trials, 100, 90)
    draw_front(found, Limits(32_000, 1.5), "a network", tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    (axes,) = drawn[0].axes
    lines = {line.get_label(): line for line in axes.get_lines()}
    assert sorted(lines["trials"].get_xdata()) == [30.0, 35.0, 40.0]
    np.testing.assert_allclose(lines["none smaller and better"].get_xydata(), [(30, 89), (40, 90)])
    assert lines["budget"].get_xdata()[0] == 32.0 and lines["drop"].get_ydata()[0] == 88.5
    assert axes.get_title() == "a network: 4 trials, 1 of them below"


def test_without_matplotlib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"edgemem-toolkit\[plot\]"):
        draw_report(REPORT, "a network", tmp_path / "a.png")
    assert not (tmp_path / "a.png").exists()
