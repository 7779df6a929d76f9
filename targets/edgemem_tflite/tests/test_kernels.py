"""TFLite's integer kernels against the formulas of its quantisation specification."""

from __future__ import annotations

import sys
from dataclasses import replace
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from fuzzing.sample import every_operator

from edgemem.errors import ArtefactError, MissingExtraError
from edgemem.quantize import Format
from edgemem_tflite import xnnpack
from edgemem_tflite.flatbuffer import Op, Program, Tensor, serialize
from edgemem_tflite.interpreter import (
    check_reference,
    find_module,
    memory,
    open_interpreter,
    signature,
)

X8, Y8 = Format(8, 0.5, -3), Format(8, 0.25, 7)
X16, Y16 = Format(16, 2.0**-10), Format(16, 2.0**-9)


def run(program: Program, reference_kernels: bool, **values: Any) -> Any:
    interpreter = open_interpreter(serialize(program, {}), "test", reference_kernels)
    inputs, outputs = signature(interpreter, "test")
    for name, value in values.items():
        interpreter.set_tensor(inputs[name], value)
    interpreter.invoke()
    return interpreter.get_tensor(outputs["y"])


def exact_product(
    x: Any, weight: Any, bias: Any, x_form: Format, w_form: Format, y_form: Format
) -> list[int]:
    """``zp_y + round(s_x s_w / s_y * (sum_j w_ij (x_j - zp_x) + b_i))`` in exact arithmetic."""
    result = []
    for row, b, scale in zip(weight, bias, np.asarray(w_form.scale)):
        total = sum(int(w) * (int(v) - x_form.zero_point) for w, v in zip(row, x)) + int(b)
        real = (
            Fraction(float(x_form.scale)) * Fraction(float(scale)) / Fraction(float(y_form.scale))
        )
        value = y_form.zero_point + round(real * total)
        result.append(min(max(value, y_form.lowest), y_form.highest))
    return result


@pytest.mark.parametrize("reference_kernels", [False, True])
def test_product_in_8_bits(reference_kernels: bool) -> None:
    # scales that keep the exact results away from halves
    w_form = Format(8, np.array([0.013, 0.0071, 0.0219]))
    weight = np.array([[12, -127, 3], [0, 5, 90], [-8, 1, 1]], np.int8)
    bias = np.array([100, -2000, 7], np.int32)
    x = np.array([-128, 17, 90], np.int8)
    program = Program(
        (
            Tensor("x", (1, 1, 1, 3), "int8", X8),
            Tensor("w", (3, 1, 1, 3), "int8", w_form, weight.reshape(3, 1, 1, 3)),
            Tensor("b", (3,), "int32", Format(32, 0.5 * np.asarray(w_form.scale)), bias),
            Tensor("y", (1, 1, 1, 3), "int8", Y8),
        ),
        (
            Op(
                "CONV_2D",
                3,
                (0, 1, 2),
                (3,),
                {"Padding": 1, "StrideW": 1, "StrideH": 1},
            ),
        ),
        {"x": 0},
        {"y": 3},
    )
    y = run(program, reference_kernels, x=x.reshape(1, 1, 1, 3))
    assert y.reshape(-1).tolist() == exact_product(x, weight, bias, X8, w_form, Y8)


@pytest.mark.parametrize("reference_kernels", [False, True])
def test_product_in_16_bits_by_rows(reference_kernels: bool) -> None:
    w_form = Format(8, np.array([0.0131, 0.0073]))
    weight = np.array([[127, -4, 33], [-90, 2, 1]], np.int8)
    x = np.array([[1200, -32768, 7], [5, 9000, -450]], np.int16)
    program = Program(
        (
            Tensor("x", (2, 3), "int16", X16),
            Tensor("w", (2, 3), "int8", w_form, weight),
            Tensor("y", (2, 2), "int16", Y16),
        ),
        (Op("FULLY_CONNECTED", 7, (0, 1), (2,), {"KeepNumDims": 1}),),
        {"x": 0},
        {"y": 2},
    )
    y = run(program, reference_kernels, x=x)
    expected = [exact_product(row, weight, (0, 0), X16, w_form, Y16) for row in x]
    assert y.tolist() == expected


def test_reference_kernels_that_misread_older_files_do_not_run_them() -> None:
    class Newer:
        __module__ = "ai_edge_litert.interpreter"

        def __init__(self, program: Program) -> None:
            interpreter = open_interpreter(serialize(program, {}), "test", reference_kernels=True)
            self.get_tensor_details = interpreter.get_tensor_details
            self._get_ops_details = interpreter._get_ops_details

    class Older(Newer):
        __module__ = "tflite_runtime.interpreter"

    check_reference(Older(every_operator()), "test")
    with pytest.raises(ArtefactError, match=r"test: an older edgemem .* convert the model again"):
        check_reference(Newer(every_operator()), "test")
    others = tuple(op for op in every_operator().ops if op.code not in ("FULLY_CONNECTED", "ADD"))
    ends = {"x": 0, "s": 1}, {"y": others[-1].outputs[0]}
    fewer = [replace(op, inputs=(1, 1)) if op.code == "SUB" else op for op in others]
    check_reference(Newer(Program(every_operator().tensors, tuple(fewer), *ends)), "test")


@pytest.mark.parametrize("code", ["ADD", "SUB"])
@pytest.mark.parametrize("shifts", [True, False])
def test_sum_in_16_bits(code: str, shifts: bool) -> None:
    finer = Format(16, 2.0**-14)
    a = np.array([[32767, -32768, 100, -7]], np.int16)
    b = np.array([[160, -1600, 16000, 32]], np.int16)
    program = Program(
        (
            Tensor("x", (1, 4), "int16", X16),
            Tensor("b", (1, 4), "int16", finer),
            Tensor("y", (1, 4), "int16", X16),
        ),
        (
            Op(
                code,
                1 if shifts else {"ADD": 3, "SUB": 5}[code],
                (0, 1),
                (2,),
                {"PotScaleInt16": int(shifts)},
            ),
        ),
        {"x": 0, "b": 1},
        {"y": 2},
    )
    y = run(program, False, x=a, b=b)
    # b counts in sixteenths of a's step
    sign = 1 if code == "ADD" else -1
    assert y[0].tolist() == [
        32767 if sign == 1 else 32757,
        -32768 if sign == 1 else -32668,
        100 + sign * 1000,
        -7 + sign * 2,
    ]


@pytest.mark.parametrize("code", ["TANH", "LOGISTIC"])
@pytest.mark.parametrize("scale", [2.0**-12 * 1.001, 3e-4])
def test_curves_in_16_bits(code: str, scale: float) -> None:
    form, out = Format(16, scale), Format(16, 2.0**-15)
    program = Program(
        (Tensor("x", (1, 513), "int16", form), Tensor("y", (1, 513), "int16", out)),
        (Op(code, 3, (0,), (1,)),),
        {"x": 0},
        {"y": 1},
    )
    x = np.linspace(-32768, 32767, 513).astype(np.int16)[None]
    y = out.dequantize(run(program, False, x=x))
    real = form.dequantize(x)
    exact = np.tanh(real) if code == "TANH" else 1 / (1 + np.exp(-real))
    np.testing.assert_allclose(y, exact, atol=2e-4)


def test_memory_is_the_tensor_itself() -> None:
    form = Format(8, 1.0)
    program = Program(
        (Tensor("x", (1, 3), "int8", form), Tensor("y", (1, 3), "int8", form)),
        (Op("RELU", 2, (0,), (1,)),),
        {"x": 0},
        {"y": 1},
    )
    interpreter = open_interpreter(serialize(program, {}), "test")
    inputs, outputs = signature(interpreter, "test")
    x, y = memory(interpreter, inputs["x"]), memory(interpreter, outputs["y"])
    for values in ([1, -2, 3], [-4, 5, -6]):
        x[0] = values
        interpreter.invoke()
        assert y[0].tolist() == [max(v, 0) for v in values]
        assert interpreter.get_tensor(inputs["x"])[0].tolist() == values


def test_a_model_that_is_none() -> None:
    with pytest.raises(ArtefactError, match="cannot open the network"):
        open_interpreter(b"not a flatbuffer at all", "test")


def test_no_interpreter_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgemem_tflite.interpreter.MODULES", ("no_such_interpreter",))
    with pytest.raises(MissingExtraError, match=r"edgemem-toolkit\[tflite\]"):
        find_module()


def test_the_order_in_which_interpreters_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    def missing(name: str) -> None:
        tried.append(name.partition(".")[0])
        raise ModuleNotFoundError(name)

    monkeypatch.setattr("edgemem_tflite.interpreter._check_numpy", lambda name: None)
    monkeypatch.setattr("edgemem_tflite.interpreter.importlib.import_module", missing)
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    for modules, expected in (
        ({}, ["ai_edge_litert", "tflite_runtime", "tensorflow"]),
        ({"tensorflow": SimpleNamespace()}, ["ai_edge_litert", "tensorflow"]),
    ):
        tried.clear()
        for name, module in modules.items():
            monkeypatch.setitem(sys.modules, name, module)
        with pytest.raises(MissingExtraError):
            find_module()
        assert tried == expected


def test_no_delegate_for_another_release(monkeypatch: pytest.MonkeyPatch) -> None:
    xnnpack._library.cache_clear()
    monkeypatch.setattr(xnnpack, "version", lambda _: "9.9.9")
    assert xnnpack.int8_delegates() == []
    xnnpack._library.cache_clear()
