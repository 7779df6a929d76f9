"""Damage to a network whose flatbuffer is sound: what no edgemem wrote."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from fuzzing.sample import F16, chain, every_operator, payload

from edgemem.errors import ArtefactError
from edgemem.quantize import Format
from edgemem_tflite.flatbuffer import Op, Program, Tensor, serialize
from edgemem_tflite.operators import OPERATORS
from edgemem_tflite.verifier import CONSTANTS, MACS, MEMORY, verify


def refused(data: bytes, why: str) -> None:
    with pytest.raises(ArtefactError, match=why) as found:
        verify(data, "net.tflite")
    message = str(found.value)
    assert message.startswith("net.tflite: the TFLite model is damaged (")
    assert message.endswith("; copy the file again or convert the model again")
    assert "\n" not in message


def test_the_program_with_every_operator_is_sound_and_runs() -> None:
    from edgemem_tflite.interpreter import open_interpreter

    network = every_operator()
    assert {op.code for op in network.ops} == set(OPERATORS)
    verify(payload(), "every operator")
    for reference_kernels in (False, True):
        open_interpreter(payload(), "test", reference_kernels).invoke()


Change = Callable[[Program], Program]


def tensor(name: str, **changes: Any) -> Change:
    def change(p: Program) -> Program:
        return replace(
            p, tensors=tuple(replace(t, **changes) if t.name == name else t for t in p.tensors)
        )

    return change


def op(code: str, **changes: Any) -> Change:
    """Of the last operator of that code."""

    def change(p: Program) -> Program:
        last = max(i for i, one in enumerate(p.ops) if one.code == code)
        ops = list(p.ops)
        ops[last] = replace(ops[last], **changes)
        return replace(p, ops=tuple(ops))

    return change


def number(name: str) -> int:
    return next(i for i, t in enumerate(every_operator().tensors) if t.name == name)


def reads(code: str, *names: str) -> Change:
    return op(code, inputs=tuple(map(number, names)))


def facing(**sides: dict[str, str]) -> Change:
    found = {side: {n: number(t) for n, t in named.items()} for side, named in sides.items()}
    return lambda p: replace(p, **found)  # type: ignore[arg-type]


def ops(change: Callable[[tuple[Op, ...]], tuple[Op, ...]]) -> Change:
    return lambda p: replace(p, ops=change(p.ops))


def scale(bits: int, value: Any, zero_point: Any = 0) -> Format:
    """A format that may be impossible."""
    form = Format(bits, 1.0, zero_point)
    object.__setattr__(form, "scale", np.asarray(value) if np.ndim(value) else value)
    return form


LIST = np.array
VALID = {"Padding": 1, "StrideW": 1, "StrideH": 1}

DAMAGE: dict[str, tuple[Change, str]] = {
    # tensors
    "no length": (tensor("tanh", shape=(1, 0)), r"tensor \d+: shape \(1, 0\)"),
    "negative": (tensor("tanh", shape=(1, -4)), "shape"),
    "one axis": (tensor("tanh", shape=(4,)), "shape"),
    "five axes": (tensor("tanh", shape=(1, 1, 1, 1, 4)), "5 entries"),
    "a constant too short": (tensor("big", data=np.zeros(31, np.int8)), "31 bytes for int8"),
    "a constant too long": (tensor("big", data=np.zeros(33, np.int8)), "33 bytes for int8"),
    "no scale": (tensor("tanh", format=None), r"int16 of shape \(1, 4\) without a scale"),
    "floats with a scale": (tensor("real", format=F16), "float32 with a scale"),
    "NaN for a scale": (tensor("tanh", format=scale(16, np.nan)), "scale that cannot be"),
    "endless scale": (tensor("tanh", format=scale(16, np.inf)), "scale that cannot be"),
    "no step": (tensor("tanh", format=scale(16, 0.0)), "scale that cannot be"),
    "negative scale": (tensor("tanh", format=scale(16, -1.0)), "scale that cannot be"),
    "a scale too small to divide by": (tensor("q", format=scale(8, 1e-44)), "scale that cannot be"),
    "zero point of 16 bits": (tensor("tanh", format=Format(16, 2.0**-15, 1)), "zero point 1"),
    "zero point out of 8 bits": (tensor("q", format=Format(8, 0.05, 128)), "zero point 128"),
    "zero points that differ": (
        tensor("big", format=scale(8, np.full(4, 0.02), np.array([0, 0, 0, 1]))),
        "zero points that differ",
    ),
    "scales for other rows": (tensor("big", format=Format(8, np.full(3, 0.02))), "3 scales"),
    "scales along what is computed": (tensor("q", format=Format(8, np.full(4, 0.02))), "4 scales"),
    "computed in 32 bits": (tensor("tanh", dtype="int32", format=Format(32, 1.0)), "is computed"),
    # order
    "read before it is made": (ops(lambda o: (*o[::-1],)), "too early"),
    "made twice": (ops(lambda o: (*o, o[-1])), "which is there"),
    "never made": (ops(lambda o: o[:-1]), "not computed"),
    "a constant that nobody reads": (reads("FULLY_CONNECTED", "both", "big"), "never read"),
    "an input is written": (op("RELU", outputs=(0,)), "which is there"),
    "a tensor that is not there": (op("RELU", inputs=(99,)), "none of the"),
    "an operand left out": (op("RELU", inputs=(-1,)), "none of the"),
    # operators
    "a version of nobody": (op("TANH", version=9), "TANH of version 9"),
    "other types": (reads("TANH", "real"), "too early|makes int16 of float32"),
    "too few operands": (reads("MUL", "tanh"), "makes int16 of int16|never read"),
    "too many": (reads("TANH", "sigma", "minus"), "makes int16 of int16 and int16"),
    "another shape of a result": (tensor("tanh", shape=(1, 5)), "the result has shape"),
    "rows that do not fit": (reads("ADD", "fc", "both"), "an operand of shape"),
    "shifts over unequal shapes": (
        lambda p: reads("ADD", "fc", "one")(op("ADD", fields={"PotScaleInt16": 1})(p)),
        "an operand has shape",
    ),
    "a step too fine to add": (tensor("added", format=Format(16, 2.0**-30)), "multiplies by"),
    "a step too fine to multiply": (tensor("times", format=Format(16, 2.0**-70)), "multiplies by"),
    "a step too fine for a product": (tensor("fc", format=Format(16, 2.0**-70)), "multiplies by"),
    "a step too fine to rescale": (tensor("fine", format=Format(16, 2.0**-40)), "multiplies by"),
    "a step too fine for a curve": (tensor("sigma", format=Format(16, 2.0**-60)), "multiplies by"),
    "a matrix of more axes": (
        tensor("big", shape=(4, 1, 1, 8), data=np.zeros((4, 1, 1, 8), np.int8)),
        "a weight of shape",
    ),
    "a row too coarse for a product": (
        tensor("big", format=Format(8, np.array([2.0**40, 1, 1, 1]))),
        "multiplies by",
    ),
    "a row too fine for a product": (
        lambda p: tensor("big", format=Format(8, np.array([2.0**-126, 1, 1, 1])))(
            tensor("fc", format=Format(16, 2.0**-11))(p)
        ),
        "multiplies by",
    ),
    "single values for a row": (reads("MUL", "one", "one"), "no operand has the shape"),
    "a result of other width": (tensor("fc", shape=(1, 5)), "the result has shape"),
    "rows where an image is due": (reads("CONV_2D", "q", "weight", "bias"), "an input of shape"),
    "a reshape of other size": (
        lambda p: tensor("four", data=LIST([1, 1, 1, 5], np.int32))(
            tensor("image", shape=(1, 1, 1, 5))(p)
        ),
        "becomes",
    ),
    "a reshape to another shape": (tensor("four", data=LIST([1, 1, 4, 1], np.int32)), "asked for"),
    "a reshape to a guess": (tensor("four", data=LIST([1, 1, 1, -1], np.int32)), "asked for"),
    "a reshape in other steps": (tensor("image", format=Format(8, 0.06, 3)), "other steps"),
    "a slice beyond the end": (tensor("begin", data=LIST([0, 3], np.int32)), "out of"),
    "a slice before the start": (tensor("begin", data=LIST([0, -1], np.int32)), "out of"),
    "a slice of other size": (tensor("size", data=LIST([1, 2], np.int32)), "the result has shape"),
    "a slice to the end": (tensor("size", data=LIST([1, -1], np.int32)), "the result has shape"),
    "a slice in other steps": (tensor("cut", format=Format(16, 0.5)), "other steps"),
    "a join along no axis": (op("CONCATENATION", fields={"Axis": 2}), "joins along"),
    "a join along the rows": (op("CONCATENATION", fields={"Axis": 0}), "joins along"),
    "a join too long": (tensor("both", shape=(1, 9)), "the result has shape"),
    "a join of other rows": (reads("CONCATENATION", "fine", "deep"), "a part"),
    "a join of other types": (reads("CONCATENATION", "fine", "q"), "joins int16 and int8"),
    "a list that counts in steps": (tensor("begin", format=Format(32, 1.0)), "no constant list"),
    "scales along a constant row": (
        tensor("one", shape=(4,), data=LIST([7] * 4, np.int16), format=Format(16, np.ones(4))),
        "has not one scale",
    ),
    "a join in other steps": (tensor("both", format=Format(16, 0.5)), "other steps"),
    "a weight that is computed": (
        lambda p: facing(inputs={"x": "x", "s": "s", "b": "big"})(
            tensor("big", data=None, format=Format(8, 0.02))(p)
        ),
        "the weight is no constant",
    ),
    "a weight of other width": (
        tensor("big", shape=(4, 7), data=np.zeros((4, 7), np.int8)),
        "the input has shape",
    ),
    "a weight with a zero point": (tensor("big", format=Format(8, 0.02, 1)), "zero point 1"),
    "a bias too short": (
        tensor("long", shape=(3,), data=np.zeros(3, np.int64), format=Format(64, np.full(3, 1e-4))),
        "the bias has shape",
    ),
    "a wide kernel": (
        tensor("weight", shape=(4, 2, 2, 1)),
        "a weight of shape",
    ),
    "a strange activation": (
        op("MUL", fields={"FusedActivationFunction": 4}),
        "fused_activation_function is 4",
    ),
    "padding": (
        op("CONV_2D", fields={"Padding": 0, "StrideW": 1, "StrideH": 1}),
        "padding is 0",
    ),
    "a bias of 32 bits that is not said to be": (
        lambda p: replace(
            p,
            ops=tuple(
                replace(o, fields=VALID) if o.version == 4 and o.code == "CONV_2D" else o
                for o in p.ops
            ),
        ),
        "quantized_bias_type is 0, not 2",
    ),
    "a bias of 8-bit products that is said to be": (
        op("CONV_2D", fields={**VALID, "QuantizedBiasType": 2}),
        "quantized_bias_type is 2, not 0",
    ),
    "strides": (op("CONV_2D", fields={"Padding": 1, "StrideW": 0, "StrideH": 1}), "stride_w is 0"),
    "axes that go": (op("FULLY_CONNECTED", fields={"KeepNumDims": 0}), "keep_num_dims is 0"),
    "a cast of others": (op("CAST", fields={"InDataType": 7, "OutDataType": 7}), "in_data_type"),
    # the outside
    "no input": (facing(inputs={"s": "s"}), "not computed|too early"),
    "other names": (facing(inputs={"x": "x", "t": "s"}), "the signature has inputs"),
    "an output more": (
        facing(outputs={"y": "y", "s.next": "minus", "z": "fc"}),
        "the signature has inputs",
    ),
    "a state that comes back in other rows": (
        facing(outputs={"y": "y", "s.next": "cut"}),
        "the state 's' does not come back",
    ),
    "a state that comes back otherwise": (
        facing(outputs={"y": "y", "s.next": "sigma"}),
        "the state 's' does not come back",
    ),
    "an output of integers": (facing(outputs={"y": "cut", "s.next": "minus"}), "not comp|'y' is"),
    "an input that is a constant": (facing(inputs={"x": "x", "s": "one"}), "is a constant"),
    "an input twice": (facing(inputs={"x": "x", "s": "x"}), "or two inputs"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_network_that_no_edgemem_wrote(name: str) -> None:
    change, why = DAMAGE[name]
    refused(serialize(change(every_operator()), {}), why)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_constant_that_is_no_number(value: float) -> None:
    weight = np.eye(8, dtype=np.float32)
    weight[3, 4] = value
    refused(chain("FULLY_CONNECTED", 5, 8, 1, weight), "a constant that is no number")


def test_another_signature() -> None:
    data = payload()
    refused(data.replace(b"serving_default\0", b"serving_nothing\0"), "'serving_nothing', not")


def test_two_outputs_of_one_name() -> None:
    network = every_operator()
    twice = replace(network, outputs={**network.outputs, "y.next": network.outputs["y"]})
    data = serialize(twice, {}).replace(b"y.next\0", b"s.next\0")
    refused(data, "two outputs of one name")


def test_a_sentence_stays_one_whatever_the_names() -> None:
    network = every_operator()
    more = {f"{i}{'z' * 900}": network.outputs["y"] for i in range(1000)}
    data = serialize(replace(network, outputs={**network.outputs, **more}), {})
    refused(data, "the signature has inputs s, x and outputs 0z{200}")
    with pytest.raises(ArtefactError) as found:
        verify(data, "net.tflite")
    assert len(str(found.value)) < 500


def test_an_output_that_is_no_tensor() -> None:
    network = every_operator()
    refused(serialize(replace(network, outputs={"y": 99}), {}), "outputs that are no tensors")


def test_an_input_that_is_no_row() -> None:
    table = Tensor("", (2, 4), "float32")
    made = (Op("RELU", 1, (0,), (1,)),)
    refused(serialize(Program((table, table), made, {"x": 0}, {"y": 1}), {}), "the input is no row")


def test_a_name_that_a_terminal_obeys() -> None:
    network = every_operator()
    tensors = tuple(replace(t, name="\x1b[2J") if t.name == "tanh" else t for t in network.tensors)
    refused(serialize(replace(network, tensors=tensors), {}), "cannot be printed")


# sizes


def test_sizes_are_bounded() -> None:
    fits = MEMORY // 4 // 1000
    verify(chain("RELU", 1, 1000, 100), "chain")
    refused(chain("RELU", 1, 1000 * (fits // 100), 101), "bytes computed in a step")
    square = np.zeros((1024, 1024), np.float32)
    times = (CONSTANTS + 2 * square.nbytes) // square.nbytes
    verify(chain("FULLY_CONNECTED", 5, 1024, times, square), "chain")
    refused(chain("FULLY_CONNECTED", 5, 1024, times + 1, square), "bytes of constants")
    refused(chain("RELU", 1, 4, 5000), "entries, not 1 to 4096")
    # one buffer for many tensors: refused before anything looks at their values
    tensors = tuple(Tensor("", square.shape, "float32", None, square) for _ in range(times + 1))
    refused(serialize(Program(tensors, (), {"x": 0}, {"y": 0}), {}), "more than .* of constants")


def test_multiplications_are_bounded() -> None:
    n, rows = 256, MACS // 256**2 + 1
    weight = Tensor("", (n, n), "float32", None, np.zeros((n, n), np.float32))
    shape = Tensor("", (2,), "int32", None, np.array([rows, n], np.int32))
    flat, table = (Tensor("", s, "float32") for s in ((1, rows * n), (rows, n)))
    made = (
        Op("RESHAPE", 1, (0, 1), (2,)),
        Op("FULLY_CONNECTED", 5, (2, 3), (4,), {"KeepNumDims": 1}),
    )
    tensors = (flat, shape, table, weight, table)
    refused(serialize(Program(tensors, made, {"x": 0}, {"y": 4}), {}), "multiplications in a step")
