"""The tables against the packages that follow the published schema, and what edgemem writes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, get_args

import numpy as np
import pytest
import tflite

from edgemem import artefact, pretrained
from edgemem.cells import LEM, Cell
from edgemem.errors import UnsupportedOpError
from edgemem.ir import Graph, trace
from edgemem.quantize import Scheme
from edgemem_tflite import Mode, TFLiteOptions, verifier
from edgemem_tflite.convert import convert
from edgemem_tflite.operators import OPERATORS
from edgemem_tflite.schema import (
    OPTIONS,
    TABLES,
    TYPES,
    Child,
    Children,
    Choice,
    Numbers,
    Scalar,
    Text,
)
from edgemem_tflite.structure import read
from edgemem_tflite.verifier import verify


def camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def test_numbers_are_those_of_the_schema() -> None:
    assert {n: op.number for n, op in OPERATORS.items()} == {
        name: getattr(tflite.BuiltinOperator, name) for name in OPERATORS
    }
    assert {name: getattr(tflite.BuiltinOptions, name) for name in OPTIONS} == OPTIONS
    assert {name: getattr(tflite.TensorType, name.upper()) for name in TYPES} == TYPES
    assert {op.options for op in OPERATORS.values()} - {""} == set(OPTIONS)


def test_fields_are_those_of_the_schema() -> None:
    """Each field of every table, as the published accessors read it out of the shipped networks."""
    compared = set()
    for data in (*shipped().values(), made(LEM(4, 5), "none")):
        compared |= set(_compared(read(data), tflite.Model.GetRootAs(data), "Model"))
    assert compared == {(of, f.name) for of, fields in TABLES.items() for f in fields}


def _compared(ours: Any, theirs: Any, of: str) -> Iterator[tuple[str, str]]:
    for field in TABLES[of]:
        value, name, kind = ours[field.name], camel(field.name), field.kind
        yield of, field.name
        if isinstance(kind, Scalar):
            assert getattr(theirs, name)() == value, (of, field.name)
        elif value is None:
            continue
        elif isinstance(kind, Text):
            assert getattr(theirs, name)().decode() == value
        elif isinstance(kind, Numbers):
            np.testing.assert_array_equal(getattr(theirs, f"{name}AsNumpy")(), value)
        elif isinstance(kind, Child):
            yield from _compared(value, getattr(theirs, name)(), kind.of)
        elif isinstance(kind, Children):
            assert getattr(theirs, f"{name}Length")() == len(value)
            for i, child in enumerate(value):
                yield from _compared(child, getattr(theirs, name)(i), kind.of)
        else:
            assert isinstance(kind, Choice)
            table = kind.among[ours[kind.by]]
            options = getattr(tflite, table)()
            place = getattr(theirs, name)()
            options.Init(place.Bytes, place.Pos)
            yield from _compared(value, options, table)


# everything that edgemem writes


@cache
def shipped() -> dict[str, bytes]:
    return {
        name: artefact.read(pretrained.resolve(name, pretrained.CONVERTED)).payload
        for name in pretrained.names()
    }


@dataclass(frozen=True)
class Rows(Cell):
    """Every row of a matrix and one of parameters: what no cell of edgemem's has."""

    name: ClassVar[str] = "rows"
    n_in: int = 12
    n_out: int = 12

    @property
    def params(self) -> dict[str, tuple[int, ...]]:
        return {"W": (12, 12), "b": (4,)}

    def step(self, ops: Any, p: Any, s: Any, x: Any) -> tuple[dict[str, Any], Any]:
        table = ops.split(ops.matvec(p["W"], x), 3)
        return {}, ops.tanh(ops.merge(ops.add(table, p["b"])))


@dataclass(frozen=True)
class Net:
    cell: Cell
    name: str = "net"
    labels: tuple[str, ...] = ()
    scheme: Scheme | None = None

    def graph(self) -> Graph:
        rng = np.random.default_rng(3)
        arrays = {name: rng.normal(size=shape) for name, shape in self.cell.params.items()}
        return trace(self.cell, {**arrays, **self.cell.constants})

    reference = graph


@cache
def made(cell: Cell, quantize: Mode) -> bytes:
    x = np.random.default_rng(0).normal(size=(4, 20, cell.n_in)).astype(np.float32)
    return convert(Net(cell), TFLiteOptions(quantize=quantize), x).payload


@pytest.mark.parametrize("quantize", get_args(Mode))
def test_rows_over_a_matrix_are_sound(quantize: Mode) -> None:
    verify(made(Rows(), quantize), "rows")


@pytest.mark.parametrize("name", pretrained.names())
def test_shipped_networks_are_sound(name: str) -> None:
    verify(shipped()[name], name)


def test_a_conversion_is_held_to_the_same_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifier, "MACS", 10)
    with pytest.raises(UnsupportedOpError, match=r"net: .*multiplications in a step, 10 at most"):
        made(LEM(3, 4), "none")
