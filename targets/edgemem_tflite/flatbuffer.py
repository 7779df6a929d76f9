"""A TFLite model written straight into its flatbuffer, without TensorFlow's converter.

Fields are written through the packages ``tflite`` and ``flatbuffers``; which numbers operators,
options and types have is in :mod:`.operators` and :mod:`.schema`, where who reads a file looks too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy as np
import tflite
from numpy.typing import NDArray

from edgemem.quantize import Format

from .names import SIGNATURE
from .operators import OPERATORS
from .schema import ALIGNMENT, IDENTIFIER, OPTIONS, TYPES, VERSION


@dataclass(frozen=True)
class Tensor:
    """One tensor: ``data`` is None for what is computed.

    Parameters
    ----------
    name : str
    shape : tuple of int
    dtype : str
        A key of :data:`.schema.TYPES`.
    format : Format, optional
        Scales and zero point of a quantised tensor; several scales run along axis 0.
    data : array, optional
        A constant's value.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    format: Format | None = None
    data: NDArray[Any] | None = None


@dataclass(frozen=True)
class Op:
    """One operator over the tensors of those numbers, with the fields of its options."""

    code: str
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    fields: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Program:
    """What a file holds: tensors, operators, and which tensors face outwards under which name."""

    tensors: tuple[Tensor, ...]
    ops: tuple[Op, ...]
    inputs: Mapping[str, int]
    outputs: Mapping[str, int]
    description: str = "edgemem"


def serialize(program: Program, metadata: Mapping[str, bytes]) -> bytes:
    """The flatbuffer of ``program`` with ``metadata`` entries by name."""
    return _Writer().model(program, metadata)


class _Writer:
    """One flatbuffer being built; equal vectors and strings are stored once."""

    def __init__(self) -> None:
        self._b = flatbuffers.Builder(1 << 18)
        self._numbers: dict[tuple[str, bytes], int] = {}

    def model(self, program: Program, metadata: Mapping[str, bytes]) -> bytes:
        codes = list(dict.fromkeys((op.code, op.version) for op in program.ops))
        contents: list[bytes] = [b""]  # buffer 0 is the empty one, by convention
        places: dict[bytes, int] = {}

        def place(data: bytes) -> int:
            if data not in places:
                places[data] = len(contents)
                contents.append(data)
            return places[data]

        buffers = [0 if t.data is None else place(t.data.tobytes()) for t in program.tensors]
        entries = [(name, place(data)) for name, data in metadata.items()]

        b = self._b
        graph = self._offsets([self._subgraph(program, buffers, codes)])
        operator_codes = self._offsets([self._operator_code(*code) for code in codes])
        signatures = self._offsets([self._signature(program)])
        meta = self._offsets([self._metadata(name, buffer) for name, buffer in entries])
        description = b.CreateSharedString(program.description)
        stored = self._offsets([self._buffer(data) for data in contents])
        b.StartObject(8)
        tflite.ModelAddVersion(b, VERSION)
        tflite.ModelAddOperatorCodes(b, operator_codes)
        tflite.ModelAddSubgraphs(b, graph)
        tflite.ModelAddDescription(b, description)
        tflite.ModelAddBuffers(b, stored)
        tflite.ModelAddMetadata(b, meta)
        tflite.ModelAddSignatureDefs(b, signatures)
        b.Finish(b.EndObject(), file_identifier=IDENTIFIER)
        return bytes(b.Output())

    def _subgraph(
        self, program: Program, buffers: Sequence[int], codes: Sequence[tuple[str, int]]
    ) -> int:
        b = self._b
        tensors = self._offsets(
            [self._tensor(t, buffer) for t, buffer in zip(program.tensors, buffers)]
        )
        operators = self._offsets(
            [self._operator(op, codes.index((op.code, op.version))) for op in program.ops]
        )
        inputs = self._vector(list(program.inputs.values()), "int32")
        outputs = self._vector(list(program.outputs.values()), "int32")
        name = b.CreateSharedString("step")
        tflite.SubGraphStart(b)
        tflite.SubGraphAddTensors(b, tensors)
        tflite.SubGraphAddInputs(b, inputs)
        tflite.SubGraphAddOutputs(b, outputs)
        tflite.SubGraphAddOperators(b, operators)
        tflite.SubGraphAddName(b, name)
        return int(tflite.SubGraphEnd(b))

    def _tensor(self, tensor: Tensor, buffer: int) -> int:
        b = self._b
        shape = self._vector(tensor.shape, "int32")
        name = b.CreateSharedString(tensor.name) if tensor.name else None
        quantization = None if tensor.format is None else self._quantization(tensor.format)
        tflite.TensorStart(b)
        tflite.TensorAddShape(b, shape)
        tflite.TensorAddType(b, TYPES[tensor.dtype])
        tflite.TensorAddBuffer(b, buffer)
        if name is not None:
            tflite.TensorAddName(b, name)
        if quantization is not None:
            tflite.TensorAddQuantization(b, quantization)
        return int(tflite.TensorEnd(b))

    def _quantization(self, form: Format) -> int:
        b = self._b
        scales = np.atleast_1d(np.asarray(form.scale, np.float32))
        scale = self._vector(scales, "float32")
        zero = self._vector(np.full(scales.shape, form.zero_point, np.int64), "int64")
        tflite.QuantizationParametersStart(b)
        tflite.QuantizationParametersAddScale(b, scale)
        tflite.QuantizationParametersAddZeroPoint(b, zero)
        return int(tflite.QuantizationParametersEnd(b))

    def _operator(self, op: Op, code: int) -> int:
        b = self._b
        inputs = self._vector(op.inputs, "int32")
        outputs = self._vector(op.outputs, "int32")
        options = self._options(op)
        tflite.OperatorStart(b)
        tflite.OperatorAddOpcodeIndex(b, code)
        tflite.OperatorAddInputs(b, inputs)
        tflite.OperatorAddOutputs(b, outputs)
        if options is not None:
            tflite.OperatorAddBuiltinOptionsType(b, OPTIONS[OPERATORS[op.code].options])
            tflite.OperatorAddBuiltinOptions(b, options)
        return int(tflite.OperatorEnd(b))

    def _options(self, op: Op) -> int | None:
        table = OPERATORS[op.code].options
        if not table:
            return None
        getattr(tflite, f"{table}Start")(self._b)
        for name, value in op.fields.items():
            add: Callable[[Any, int], None] = getattr(tflite, f"{table}Add{name}")
            add(self._b, value)
        return int(getattr(tflite, f"{table}End")(self._b))

    def _operator_code(self, code: str, version: int) -> int:
        b = self._b
        number = OPERATORS[code].number
        tflite.OperatorCodeStart(b)
        # Readers from before schema 3a look at the 8-bit field only.
        tflite.OperatorCodeAddDeprecatedBuiltinCode(b, min(number, 127))
        tflite.OperatorCodeAddVersion(b, version)
        tflite.OperatorCodeAddBuiltinCode(b, number)
        return int(tflite.OperatorCodeEnd(b))

    def _signature(self, program: Program) -> int:
        b = self._b
        inputs = self._tensor_map(program.inputs)
        outputs = self._tensor_map(program.outputs)
        key = b.CreateSharedString(SIGNATURE)
        tflite.SignatureDefStart(b)
        tflite.SignatureDefAddInputs(b, inputs)
        tflite.SignatureDefAddOutputs(b, outputs)
        tflite.SignatureDefAddSignatureKey(b, key)
        return int(tflite.SignatureDefEnd(b))

    def _tensor_map(self, names: Mapping[str, int]) -> int:
        b = self._b
        maps = []
        for name, index in names.items():
            text = b.CreateSharedString(name)
            tflite.TensorMapStart(b)
            tflite.TensorMapAddName(b, text)
            tflite.TensorMapAddTensorIndex(b, index)
            maps.append(int(tflite.TensorMapEnd(b)))
        return self._offsets(maps)

    def _metadata(self, name: str, buffer: int) -> int:
        b = self._b
        text = b.CreateSharedString(name)
        tflite.MetadataStart(b)
        tflite.MetadataAddName(b, text)
        tflite.MetadataAddBuffer(b, buffer)
        return int(tflite.MetadataEnd(b))

    def _buffer(self, data: bytes) -> int:
        b = self._b
        content = None
        if data:
            # StartVector aligns the element that comes first in memory
            b.StartVector(1, len(data), ALIGNMENT)
            b.head = b.head - len(data)
            b.Bytes[b.head : b.head + len(data)] = data
            content = b.EndVector()
        tflite.BufferStart(b)
        if content is not None:
            tflite.BufferAddData(b, content)
        return int(tflite.BufferEnd(b))

    def _vector(self, values: Iterable[float], dtype: str) -> int:
        array = np.asarray(list(values), dtype)
        key = (dtype, array.tobytes())
        if key not in self._numbers:
            self._numbers[key] = int(self._b.CreateNumpyVector(array))
        return self._numbers[key]

    def _offsets(self, offsets: Sequence[int]) -> int:
        self._b.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            self._b.PrependUOffsetTRelative(offset)
        return int(self._b.EndVector())
