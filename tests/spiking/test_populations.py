"""What travels as spikes, and in which order."""

from __future__ import annotations

import numpy as np

from edgemem.cells import GRU, LEM, LMU, LSTM, Cell, Dense, Stack
from edgemem.ir import trace
from edgemem.ir.passes import fold, residual
from edgemem.spiking import Plan, plan


def planned(cell: Cell, input_spikes: bool = False) -> Plan:
    graph = trace(cell, cell.init(np.random.default_rng(0)))
    return plan(residual(fold(graph)), input_spikes)


def stages(found: Plan) -> dict[str, tuple[str, int]]:
    return {p.name: (p.function, p.stage) for p in found.populations}


def test_lem() -> None:
    found = planned(LEM(3, 4))
    # both gates read the old y, the candidate of y the new z; the states travel
    assert stages(found) == {
        "dt": ("sigmoid", 1),
        "dt_bar": ("sigmoid", 1),
        "z_candidate": ("tanh", 1),
        "z_new": ("identity", 2),
        "y_candidate": ("tanh", 3),
        "y_new": ("identity", 4),
    }
    assert found.depth == 4
    assert found.carried == {"y:spikes": "y_new:spikes"}


def test_lem_reads_spikes_over_weights_and_membranes_in_its_own_update() -> None:
    cell = LEM(3, 4)
    graph = residual(fold(trace(cell, cell.init(np.random.default_rng(0)))))
    found = plan(graph)
    producers = graph.producers()
    matrices = [found.reads[n.name][1] for n in graph.nodes if n.op == "matvec"]
    assert sorted(matrices) == ["x"] * 4 + ["y:spikes"] * 3 + ["z_new:spikes"]
    assert producers["y_new"].inputs == found.reads["y_new"]


def test_lmu_memory_travels_and_what_is_written_does_not() -> None:
    found = planned(LMU(3, 4, 5, 9.0, memory_d=2, activation="relu"))
    assert stages(found) == {"m_new": ("identity", 1), "h_new": ("relu", 2)}
    assert found.carried == {"m:spikes": "m_new:spikes"}


def test_lstm_and_gru() -> None:
    lstm, gru = stages(planned(LSTM(3, 4))), stages(planned(GRU(3, 4)))
    assert lstm["h_new"] == ("identity", 3)
    assert {name for name, (function, _) in lstm.items() if function == "sigmoid"} == {
        "gate_i",
        "gate_f",
        "gate_o",
    }
    # the candidate waits for the reset gate
    assert gru["gate_r"][1] < gru["candidate"][1] < gru["h_new"][1]


def test_factors_of_products_carry_and_what_matrices_read_does_not() -> None:
    found = planned(LEM(3, 4))
    assert {p.name for p in found.populations if p.carries} == {
        "dt",
        "dt_bar",
        "z_candidate",
        "y_candidate",
    }


def test_input_as_spikes_comes_first() -> None:
    cell = Stack((Dense(3, 4, "relu"), Dense(4, 2)))
    assert stages(planned(cell)) == {"0.dense.y": ("relu", 1)}
    found = planned(cell, input_spikes=True)
    assert stages(found) == {"x": ("identity", 1), "0.dense.y": ("relu", 2)}
    assert [p.name for p in found.populations] == ["x", "0.dense.y"]


def test_a_linear_layer_has_no_population_and_one_window() -> None:
    found = planned(Dense(3, 4))
    assert found.populations == ()
    assert found.depth == 1
