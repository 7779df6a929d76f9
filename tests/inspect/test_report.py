"""Everything inside a model at once, and its picture."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from edgemem.cells import GRU, LEM, LMU, LSTM, Bidirectional, Dense, Norm, Stack
from edgemem.errors import ConfigError, DataError
from edgemem.frontend import FrontEnd
from edgemem.inspect import layers, looks_along, report, time_scales, window
from edgemem.inspect.picture import draw
from edgemem.model import Model

STACK = Stack((Norm(4), LMU(4, 5, 3, 6.0, 2), LEM(5, 3), Bidirectional(GRU(3, 2)), LSTM(4, 3)))


def clips(n: int = 3, steps: int = 20, n_in: int = 4) -> npt.NDArray[np.float32]:
    return np.random.default_rng(0).normal(size=(n, steps, n_in)).astype(np.float32)


def test_every_layer_is_seen_on_what_it_reads(make_model: Callable[..., Model]) -> None:
    model = make_model(STACK)
    inside = report(model, clips(), "noise")
    assert [(s.layer, s.gate) for s in inside.scales] == [
        ("2.lem", "dt"),
        ("2.lem", "dt_bar"),
        ("3.bidirectional.forward.gru", "gate_z"),
        ("3.bidirectional.backward.gru", "gate_z"),
        ("4.lstm", "gate_f"),
    ]
    (seen,) = inside.windows
    assert seen.layer == "1.lmu"
    # the third layer on the output of the two below it
    norm, lmu, lem, *_ = layers(model)
    read = lmu.outputs(norm.outputs(clips().astype(float)))
    (expected, _) = time_scales(lem.passes[0], read)
    np.testing.assert_array_equal(
        inside.scales[0].trained.time_constants, expected.trained.time_constants
    )
    alone = window(lmu.passes[0], norm.outputs(clips().astype(float)))
    assert alone is not None
    np.testing.assert_array_equal(seen.nrmse, alone.nrmse)


def test_it_is_json_with_steps_and_seconds(make_model: Callable[..., Model]) -> None:
    told = json.loads(json.dumps(report(make_model(STACK), clips(), "noise").to_dict()))
    assert (told["step_seconds"], told["along"], told["sequences"]) == (0.01, "noise", 3)
    over = told["time_scales"][0]["trained"]["time_constants_over_units"]
    np.testing.assert_allclose(over["seconds"], 0.01 * np.array(over["steps"]))
    assert told["windows"][0]["theta_seconds"] == pytest.approx(0.06)


def test_steps_that_have_no_time(make_model: Callable[..., Model]) -> None:
    model = make_model(STACK)
    timeless = replace(model, frontend=FrontEnd(kind="values", n_mels=4))
    told = report(timeless, clips(), "noise").to_dict()
    assert told["step_seconds"] is None and told["total"]["macs_per_second"] is None
    assert told["time_scales"][0]["trained"]["units"]["time_constant_seconds"] is None


def test_layers_without_memory_are_counted_alone(
    make_model: Callable[..., Model], tmp_path: Path
) -> None:
    model = make_model(Stack((Norm(4), Dense(4, 2))))
    assert not looks_along(model) and looks_along(make_model(STACK))
    inside = report(model)
    assert inside.layers[1].parameters == 10
    assert (inside.scales, inside.windows) == ((), ())
    with pytest.raises(ConfigError, match="there is nothing to draw"):
        draw(inside, tmp_path / "p.png")


@pytest.mark.parametrize("period", [True, False])
def test_picture(make_model: Callable[..., Model], tmp_path: Path, period: bool) -> None:
    model = make_model(STACK)
    if not period:
        model = replace(model, frontend=FrontEnd(kind="values", n_mels=4))
    draw(report(model, clips(), "noise"), tmp_path / "p.png")
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


def test_a_picture_of_what_does_not_move(make_model: Callable[..., Model], tmp_path: Path) -> None:
    model = make_model(LMU(4, 5, 3, 6.0, 2))
    draw(report(model, np.ones_like(clips()), "ones"), tmp_path / "p.png")
    assert (tmp_path / "p.png").is_file()


def test_bad_sequences(make_model: Callable[..., Model]) -> None:
    model = make_model(STACK)
    with pytest.raises(DataError, match=r"noise: sequences of shape \(3, 20, 5\); the network"):
        report(model, clips(n_in=5), "noise")
    with pytest.raises(DataError, match="no finite number"):
        report(model, np.full_like(clips(), np.nan), "noise")
    with pytest.raises(ConfigError, match="there is no sequence 3; known: 0 to 2"):
        report(model, clips(), "noise", shown=3)
