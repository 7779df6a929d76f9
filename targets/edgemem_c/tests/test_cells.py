"""Networks of every cell and every width in one program, on every board, bit for bit."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edgemem.cells import GRU, LEM, LMU, LSTM, Cell, Dense, Norm, Stack
from edgemem.ir import trace
from edgemem.quantize import IntegerOps, Program, Scheme, build
from edgemem_c import emulation
from edgemem_c.emulation import BOARDS, Board
from edgemem_c.network import Network, network_c
from edgemem_c.parts import rows

pytestmark = pytest.mark.slow

N_IN, STEPS = 5, 12

CELLS: dict[str, tuple[Cell, Scheme]] = {
    "lmu": (LMU(N_IN, 12, 6, 20.0, 3, activation="relu"), Scheme()),
    "lmu_all": (LMU(N_IN, 12, 6, 20.0, 2, True, True, True, True, True, "sigmoid"), Scheme()),
    # in its real Schur form, its weights in two halves
    "lmu_long": (LMU(N_IN, 12, 48, 400.0, activation="relu"), Scheme(weights=4)),
    "lmu_wide": (LMU(N_IN, 12, 6, 20.0, 3, activation="relu"), Scheme(activations="int16")),
    "lem": (LEM(N_IN, 12, dt=0.2), Scheme()),
    "lem_wide": (LEM(N_IN, 12), Scheme(activations="int16", weights=4)),
    "lstm": (LSTM(N_IN, 12), Scheme(weights=4)),
    "gru": (GRU(N_IN, 12), Scheme(weights=2)),
    "mixed": (
        Stack((Norm(N_IN), LEM(N_IN, 16), Norm(16), LSTM(16, 12), GRU(12, 8), Dense(8, 4))),
        Scheme(),
    ),
}


@dataclass(frozen=True)
class Made:
    """A network with inputs and the outputs that belong to them."""

    program: Program
    network: Network
    inputs: npt.NDArray[Any]
    outputs: npt.NDArray[Any]


def sequences(seed: int, n: int, t: int) -> npt.NDArray[np.float32]:
    """Smooth noise, as features are."""
    x = np.random.default_rng(seed).normal(size=(n, t, N_IN))
    for i in range(1, t):
        x[:, i] = 0.8 * x[:, i - 1] + 0.6 * x[:, i]
    return x.astype(np.float32)


@cache
def made() -> dict[str, Made]:
    found = {}
    for name, (cell, scheme) in CELLS.items():
        graph = trace(cell, cell.init(np.random.default_rng(7)))
        program = build(graph, scheme, sequences(0, 16, 60)).program
        ops, states, outputs = IntegerOps(program), program.zero_state(), []
        # louder than the calibration, so that values saturate
        inputs = ops.quantize(2.0 * sequences(1, 1, STEPS)[0])
        for frame in inputs:
            states, values = ops.step(states, frame)
            outputs.append(values[program.output])
        labels = [f"label {i}" for i in range(program.n_out)]
        network = network_c(program, name, labels, name)
        found[name] = Made(program, network, inputs, np.stack(outputs))
    return found


def program_sources() -> dict[str, str]:
    """All networks and a program that steps through each and writes its outputs."""
    texts: dict[str, str] = {}
    main = ['#include "board.h"\n']
    body = []
    for name, it in made().items():
        texts[f"{name}.h"] = it.network.header
        texts[f"{name}.c"] = it.network.source
        texts[f"{name}_weights.h"] = it.network.weights
        upper = name.upper()
        values = rows(it.inputs.reshape(-1).tolist())
        main.append(f'#include "{name}.h"\n')
        main.append(f"static const {name}_input of_{name}[] = {{\n    {values}\n}};\n")
        main.append(f"static {name}_state state_{name};\n")
        body.append(
            f"    {name}_init(&state_{name});\n"
            f"    for (int t = 0; t < {STEPS}; t++) {{\n"
            f"        {name}_logit y[{upper}_N_OUT];\n"
            f"        {name}_step(&state_{name}, &of_{name}[t * {upper}_N_IN], y);\n"
            "        board_write(y, sizeof y);\n    }\n"
        )
    texts["main.c"] = "".join(main) + "int main(void)\n{\n" + "".join(body) + "    return 0;\n}\n"
    return texts


VARIANTS: dict[str, tuple[Board, tuple[str, ...]]] = {
    "host vectors": (BOARDS["host"], ("-O3", "-march=native")),
    "host sanitised": (
        BOARDS["host"],
        ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"),
    ),
    "arm64": (BOARDS["arm64"], ("-O3",)),
    "armv7": (BOARDS["armv7"], ("-O2", "-mfpu=neon")),
    "cortex-m4": (BOARDS["cortex-m4"], ("-O2", *(f"-D{name.upper()}_USE_DSP" for name in CELLS))),
    "cortex-m7": (BOARDS["cortex-m7"], ("-O2",)),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_cell_on_every_board(variant: str, tmp_path: Path) -> None:
    board, flags = VARIANTS[variant]
    if board.missing():
        pytest.skip(f"not installed: {', '.join(board.missing())}")
    output = emulation.run(board, emulation.build(board, tmp_path, program_sources(), flags))
    place = 0
    for name, it in made().items():
        count = it.outputs.size
        got = np.frombuffer(output, it.outputs.dtype, count, place).reshape(it.outputs.shape)
        np.testing.assert_array_equal(got, it.outputs, name)
        assert len(np.unique(it.outputs, axis=0)) > STEPS // 2  # it does not stand still
        place += got.nbytes
    assert place == len(output)


def test_every_width_is_among_them() -> None:
    kernels = {call for it in made().values() for call in it.network.step.calls}
    kinds = {op.kind for it in made().values() for op in it.program.operations}
    for part in ("product8_w8", "product8_w4", "product8_w2", "product16_w8", "product16_w4"):
        assert any(kernel.startswith(part) for kernel in kernels), part
    assert kinds >= {"product", "wide_product", "add", "sub", "mul", "sigmoid", "tanh", "narrow"}
