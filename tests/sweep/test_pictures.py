"""Pictures of sweeps: what is drawn, read back from the figure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgemem import drawing
from edgemem.sweep.pictures import ABSENT, draw_parallel, draw_pareto
from edgemem.sweep.space import Space, parse_param
from edgemem.sweep.trials import Result, Trial

SPACE = Space(
    tuple(map(parse_param, ("cell=lmu,lem", "theta=10:1000:log", "batch=10:30"))),
    lambda chosen, param: param.name != "theta" or chosen["cell"] == "lmu",
)


def trial(number: int, params: dict[str, Any], value: float, size: int = 100) -> Trial:
    return Trial(
        number, "complete", params, Result("mse", "lower", value, size, 1.0 + number, 3, 2)
    )


TRIALS = [
    trial(0, {"cell": "lmu", "theta": 100, "batch": 10}, 0.2, 300),
    trial(1, {"cell": "lem", "batch": 20}, 0.1, 400),
    trial(2, {"cell": "lmu", "theta": 10, "batch": 30}, 0.3, 500),
    Trial(3, "failed", {"cell": "lem", "batch": 30}, reason="nan"),
]


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The figures that were saved."""
    figures: list[Any] = []
    save = drawing.save
    monkeypatch.setattr(drawing, "save", lambda f, out: (figures.append(f), save(f, out)))
    return figures


def test_each_complete_trial_is_a_line_across(tmp_path: Path, drawn: list[Any]) -> None:
    out = tmp_path / "parallel.png"
    draw_parallel(TRIALS, SPACE, "adding", out)
    assert out.read_bytes().startswith(b"\x89PNG")
    axes = drawn[0].axes[0]
    across = sorted(list(line.get_ydata()) for line in axes.lines if len(line.get_ydata()) == 4)
    # cells at a quarter and three quarters; theta by its logarithm; the metric from 0.1 to 0.3
    expected = [[0.25, 0.0, 1.0, 1.0], [0.25, 0.5, 0.0, 0.5], [0.75, ABSENT, 0.5, 0.0]]
    np.testing.assert_allclose(across, expected, atol=1e-12)
    thick = max(axes.lines, key=lambda line: line.get_linewidth())
    assert tuple(thick.get_ydata()) == pytest.approx((0.75, ABSENT, 0.5, 0.0))
    assert "has none" in {text.get_text() for text in axes.texts}


def test_the_front_is_joined_and_numbered(tmp_path: Path, drawn: list[Any]) -> None:
    out = tmp_path / "pareto.png"
    draw_pareto(TRIALS, SPACE, "adding", out)
    assert out.read_bytes().startswith(b"\x89PNG")
    left, right = drawn[0].axes
    (line,) = left.lines
    assert list(line.get_xdata()) == [300, 400] and list(line.get_ydata()) == [0.2, 0.1]
    for axes in (left, right):
        assert {text.get_text() for text in axes.texts} == {"0", "1"}
    assert {text.get_text() for text in right.get_legend().get_texts()} == {"lmu", "lem"}
    assert sum(len(group.get_offsets()) for group in left.collections) == 3


@pytest.mark.parametrize("trials", [[], TRIALS[3:], TRIALS[:1]])
def test_few_trials(trials: list[Trial], tmp_path: Path) -> None:
    draw_parallel(trials, SPACE, "none", tmp_path / "a.png")
    draw_pareto(trials, SPACE, "none", tmp_path / "b.png")
    assert len(list(tmp_path.iterdir())) == 2


def test_figures_over_decades_are_logarithmic(tmp_path: Path, drawn: list[Any]) -> None:
    values = (1.0, 0.1, 0.01)
    params = {"cell": "lem", "batch": 20}
    trials = [trial(i, params, value, 10 ** (i + 1)) for i, value in enumerate(values)]
    draw_parallel(trials, SPACE, "adding", tmp_path / "a.png")
    draw_pareto(trials, SPACE, "adding", tmp_path / "b.png")
    ends = sorted(
        line.get_ydata()[3] for line in drawn[0].axes[0].lines if len(line.get_ydata()) == 4
    )
    assert ends == pytest.approx([0.0, 0.5, 1.0])
    assert drawn[1].axes[0].get_yscale() == drawn[1].axes[0].get_xscale() == "log"
