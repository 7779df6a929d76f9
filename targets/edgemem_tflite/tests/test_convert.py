from __future__ import annotations

import io
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import tflite

from edgemem import artefact, target
from edgemem.artefact import Artefact, Golden
from edgemem.cells import GRU, LEM, LMU, LSTM, Cell, Dense, Norm, Stack
from edgemem.errors import ArtefactError
from edgemem.ir import Graph, trace
from edgemem.target import Features
from edgemem.verification import distance, replay
from edgemem_tflite import TFLiteOptions
from edgemem_tflite.interpreter import find_module
from edgemem_tflite.runner import TFLiteRunner

N_IN = 5
MODES = ("int8", "int16", "none")
GOLDEN = Golden(np.zeros((1, 1, N_IN), np.float32), np.zeros((1, 1, 1), np.float32))
LAYER = LMU(8, 16, 6, 18.0, 4, input_to_hidden=True, activation="linear")
DEEP = Stack(
    (
        Norm(N_IN),
        LMU(N_IN, 8, 6, 9.0, 4, input_to_hidden=True, activation="linear"),
        Norm(8, "relu"),
        LAYER,
        Norm(16, "relu"),
        Dense(16, 6),
    )
)


class Net:
    """A model as far as a target reads it."""

    name = "net"
    scheme = None

    def __init__(self, cell: Cell) -> None:
        self.cell = cell
        self.labels = tuple(f"label{i}" for i in range(cell.n_out))

    def graph(self) -> Graph:
        rng = np.random.default_rng(3)
        params = {
            name: rng.normal(scale=0.4, size=shape) + (1.0 if name.endswith("gain") else 0.0)
            for name, shape in self.cell.params.items()
        }
        return trace(self.cell, params)

    def reference(self) -> Graph:
        return self.graph()


def sequences(seed: int, n: int, t: int) -> Features:
    return np.random.default_rng(seed).normal(size=(n, t, N_IN)).astype(np.float32)


def converted(cell: Cell, mode: str = "int8") -> Artefact:
    net, chosen = Net(cell), target.get("tflite")
    made = chosen.convert(net, TFLiteOptions(mode), sequences(0, 8, 40))  # type: ignore[arg-type]
    built = artefact.build(
        made.payload, {"target": "tflite", **made.facts}, net.labels, GOLDEN, made.parts
    )
    return artefact.from_bytes(artefact.to_bytes(built), "test")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "cell", [DEEP, LEM(N_IN, 8, dt=0.4), LSTM(N_IN, 8), GRU(N_IN, 8)], ids=lambda c: c.name
)
def test_every_form_follows_the_floats(cell: Cell, mode: str) -> None:
    x = sequences(1, 4, 60)
    expected, _ = Net(cell).graph().scan(x.astype(np.float64))
    tolerance = target.get("tflite").tolerance(TFLiteOptions(mode))  # type: ignore[arg-type]
    for reference_kernels in (False, True):
        runner = target.load(converted(cell, mode), reference_kernels)
        assert distance(replay(runner, x)[0], expected) <= tolerance.distance


def test_forms_are_ordered_by_precision() -> None:
    x = sequences(1, 4, 60)
    expected, _ = Net(DEEP).graph().scan(x.astype(np.float64))
    int8, int16, none = (
        distance(replay(target.load(converted(DEEP, mode)), x)[0], expected) for mode in MODES
    )
    assert none < 1e-5 < int16 < int8 < 0.1


def test_a_plain_interpreter_opens_the_whole_file() -> None:
    opened = converted(DEEP)
    interpreter = find_module().Interpreter(model_content=artefact.to_bytes(opened))
    interpreter.allocate_tensors()
    step = interpreter.get_signature_runner()
    states = {row["name"]: row for row in opened.manifest["states"]}
    assert set(step.get_input_details()) == {"x", *states}
    values = {name: np.zeros(row["shape"], row["dtype"]) for name, row in states.items()}
    runner = TFLiteRunner(opened)
    for x in sequences(2, 1, 10)[0]:
        outputs = step(x=x[None], **values)
        values = {name: outputs[row["next"]] for name, row in states.items()}
        # the runner may use faster kernels, which round otherwise
        np.testing.assert_allclose(outputs["y"][0], runner.step(x), atol=0.1)


@pytest.mark.parametrize("mode", ["int8", "int16"])
def test_states_are_16_bits_and_come_back_in_their_own_format(mode: str) -> None:
    opened = converted(Stack((LEM(N_IN, 8), LMU(8, 6, 4, 9.0, 2, hidden_to_hidden=True))), mode)
    interpreter = find_module().Interpreter(model_content=opened.payload)
    step = interpreter.get_signature_runner()
    inputs, outputs = step.get_input_details(), step.get_output_details()
    assert {row["dtype"] for row in opened.manifest["states"]} == {"int16"}
    for row in opened.manifest["states"]:
        before, after = inputs[row["name"]], outputs[row["next"]]
        assert before["dtype"] is after["dtype"] is np.int16
        assert before["quantization"] == after["quantization"] == (row["scale"], 0)


def test_files_are_attached_as_tflite_metadata_attaches_them() -> None:
    data = artefact.to_bytes(converted(DEEP))
    model = tflite.Model.GetRootAs(data)
    entries = {model.Metadata(i).Name(): model.Metadata(i) for i in range(model.MetadataLength())}
    note = model.Buffers(entries[b"TFLITE_METADATA"].Buffer()).DataAsNumpy().tobytes()
    assert note[4:8] == b"M001"
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for name in archive.namelist():
            assert name.encode() in note
        assert archive.read("labels.txt").decode().split() == [f"label{i}" for i in range(6)]


def test_weights_have_a_scale_for_each_row() -> None:
    model = tflite.Model.GetRootAs(converted(DEEP).payload)
    graph = model.Subgraphs(0)
    weights = [
        tensor
        for tensor in map(graph.Tensors, range(graph.TensorsLength()))
        if tensor.Type() == tflite.TensorType.INT8 and tensor.Buffer()
        if model.Buffers(tensor.Buffer()).DataLength()
    ]
    assert len(weights) == 9  # per LMU: encoder, memory, two of the hidden state; and the head
    for tensor in weights:
        assert tensor.Quantization().ScaleLength() == tensor.Shape(0)
        assert not tensor.Quantization().ZeroPointAsNumpy().any()


def test_the_large_products_go_to_xnnpack() -> None:
    from edgemem_tflite.xnnpack import int8_delegates

    if find_module().__name__.startswith("tflite_runtime") and not int8_delegates():
        pytest.skip("this tflite-runtime has no XNNPACK kernels for 8 bits")
    interpreter = TFLiteRunner(converted(DEEP)).interpreter
    details = interpreter._get_ops_details()
    delegated = {
        int(tensor) for op in details if op["op_name"] == "DELEGATE" for tensor in op["inputs"]
    }
    bits_8 = {d["index"] for d in interpreter.get_tensor_details() if d["dtype"] is np.int8}
    products = [
        op for op in details if op["op_name"] == "CONV_2D" and int(op["inputs"][0]) in bits_8
    ]
    assert products
    for op in products:
        assert int(op["inputs"][1]) in delegated  # its weights


def test_other_names_in_the_signature() -> None:
    opened = converted(LEM(N_IN, 4))
    payload = opened.payload.replace(b"z.next\0", b"z.last\0")
    with pytest.raises(ArtefactError, match=r"the signature has inputs .*expected 'x', 'y'"):
        TFLiteRunner(replace(opened, payload=payload))


def test_small_beside_its_weights() -> None:
    cell = Stack((LMU(N_IN, 128, 10, 24.0, 24, activation="relu"), Dense(128, 12)))
    opened = converted(cell)
    weights = sum(array.size for name, array in Net(cell).graph().params.items() if array.ndim == 2)
    assert len(artefact.to_bytes(opened)) < weights + 12 * (24 + 128 + 12) + 8000
