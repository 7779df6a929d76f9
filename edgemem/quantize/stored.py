"""An integer program as parts of a converted file, and read back strictly.

Whatever runs a program, or writes C of it, may take every number of it for what it is: types,
ranges, shapes and references are checked here, by the table of :mod:`edgemem.quantize.kinds`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgemem.errors import ArtefactError, ConfigError, GraphError
from edgemem.files import npz_bytes
from edgemem.ir.stored import MOST_PRODUCTS, MOST_VALUES
from edgemem.quantize.formats import Format
from edgemem.quantize.kinds import BIAS, KINDS, MULTIPLIER, ROLES, SHIFT, WEIGHT
from edgemem.quantize.program import Integers, Operation, Program, Tensor
from edgemem.reading import DamageError, read_json
from edgemem.shapes import TEXT, ListOf, MapOf, OneOf, Real, Record, Row, Whole

if TYPE_CHECKING:
    from edgemem.artefact import Artefact

PROGRAM = "program.json"
ARRAYS = "program.npz"

MOST_OPERATIONS = 16384
MOST_WEIGHTS = 1 << 24

_TENSOR = Row(
    (
        ListOf(Whole(1, MOST_VALUES), 6, 1),
        OneOf((8, 16, 24, 32)),
        Real(2.0**-100, 2.0**100),
        Whole(-(1 << 15), (1 << 15) - 1),
    )
)
_OPERATION = Row(
    (
        OneOf(tuple(KINDS)),
        TEXT,
        ListOf(TEXT, 2, 1),
        MapOf(Whole(-(1 << 31), (1 << 31) - 1), 16),
        MapOf(TEXT, len(ROLES)),
    )
)
SCHEMA = Record(
    {
        "tensors": MapOf(_TENSOR, 2 * MOST_OPERATIONS),
        "operations": ListOf(_OPERATION, MOST_OPERATIONS),
        "constants": ListOf(TEXT, MOST_OPERATIONS),
        "weights": MapOf(OneOf((2, 4, 8)), MOST_OPERATIONS),
        "states": MapOf(TEXT, MOST_OPERATIONS),
        "input": TEXT,
        "output": TEXT,
    }
)
"""What :meth:`~edgemem.quantize.program.Program.to_dict` writes."""


def program_parts(program: Program) -> dict[str, bytes]:
    """Operations and integers, each under the name of its part."""
    plan = json.dumps(program.to_dict(), separators=(",", ":"))
    return {PROGRAM: plan.encode(), ARRAYS: npz_bytes(program.to_arrays())}


def read_program(artefact: Artefact) -> Program:
    """The program that :func:`program_parts` put into a file.

    Raises
    ------
    ArtefactError
        If there is none, or it is not one.
    """
    arrays = artefact.arrays(ARRAYS)
    try:
        return program_of(read_json(artefact.part(PROGRAM)), arrays)
    except (DamageError, GraphError, ConfigError) as error:
        raise ArtefactError(
            f"{artefact.origin}: {PROGRAM} holds no integer program ({error}); "
            "convert the model again"
        ) from error


def program_of(plan: Any, arrays: Mapping[str, NDArray[Any]]) -> Program:
    """The program that :meth:`~Program.to_dict` and :meth:`~Program.to_arrays` described.

    Raises
    ------
    DamageError
        If a field is of another kind than it must be, or out of its range.
    GraphError
        If names, shapes or formats do not meet, or a step is too large.
    ConfigError
        If a format is none.
    """
    SCHEMA.check(plan, "program")
    _check_names(plan, arrays)
    program = Program(
        tensors={
            name: Tensor(tuple(shape), Format(bits, scale, zero))
            for name, (shape, bits, scale, zero) in plan["tensors"].items()
        },
        operations=tuple(
            Operation(kind, output, tuple(inputs), attrs, named)
            for kind, output, inputs, attrs, named in plan["operations"]
        ),
        arrays=_part(arrays, "arrays/"),
        constants={name: arrays[f"constants/{name}"] for name in plan["constants"]},
        weights={
            name: Format(bits, arrays[f"scales/{name}"]) for name, bits in plan["weights"].items()
        },
        states=plan["states"],
        input=plan["input"],
        output=plan["output"],
    )
    _check_size(program)
    _check_values(program)
    for op in program.operations:
        _check_operation(program, op)
    return program


def _part(arrays: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    return {n[len(prefix) :]: a for n, a in arrays.items() if n.startswith(prefix)}


def _check_names(plan: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    wanted = [f"constants/{name}" for name in plan["constants"]]
    wanted += [f"{part}/{name}" for name in plan["weights"] for part in ("scales", "arrays")]
    missing = [name for name in wanted if name not in arrays]
    if missing:
        raise GraphError(f"no array named {missing[0]!r}")
    given = [plan["input"], *plan["states"], *plan["constants"]]
    if len(set(given)) != len(given):
        raise GraphError("input, states and constants share a name")


def _check_size(program: Program) -> None:
    values = sum(math.prod(tensor.shape) for tensor in program.tensors.values())
    weights = sum(array.size for array in program.arrays.values())
    if values > MOST_VALUES or weights > MOST_WEIGHTS:
        raise GraphError(f"a step of {values:,} values and {weights:,} weights is too large")


def _check_values(program: Program) -> None:
    """Formats of tensors, what states become, and the arrays that are no weights' rows."""
    for name, tensor in program.tensors.items():
        if not tensor.form.lowest <= tensor.form.zero_point <= tensor.form.highest:
            raise GraphError(f"tensor {name!r}: zero point {tensor.form.zero_point}")
    for name in (program.input, program.output):
        if len(program.tensors[name].shape) != 1:
            raise GraphError(f"tensor {name!r} has more than one axis")
    for state, after in program.states.items():
        a, b = program.tensors[state], program.tensors[after]
        if a.shape != b.shape or (a.form.bits, a.form.scale) != (b.form.bits, b.form.scale):
            raise GraphError(f"state {state!r} would leave a step in another format")
    for name, values in program.constants.items():
        tensor = program.tensors[name]
        if values.shape != tensor.shape or not _fits(values, tensor.form):
            raise GraphError(f"constant {name!r} holds no {tensor.form.bits}-bit integers")
    for name, form in program.weights.items():
        weight = program.arrays[name]
        rows = np.shape(form.scale)
        if weight.ndim != 2 or not weight.size or rows not in ((), weight.shape[:1]):
            raise GraphError(f"weight {name!r} is no matrix, or has other scales than rows")
        if weight.dtype != ROLES[WEIGHT] or not _fits(weight, form):
            raise GraphError(f"weight {name!r} holds no {form.bits}-bit integers")


def _fits(values: Integers, form: Format) -> bool:
    """Whether an array holds integers of a format."""
    if values.dtype.kind != "i" or not values.size:
        return False
    return form.lowest <= int(values.min()) and int(values.max()) <= form.highest


def _check_operation(program: Program, op: Operation) -> None:
    kind = KINDS[op.kind]
    if len(op.inputs) != kind.arity:
        raise GraphError(f"operation {op.output!r}: {len(op.inputs)} inputs for a {op.kind}")
    # of the forms that attributes may have, the largest that is there: one holds another's names
    there = [form for form in kind.attrs if set(form.fields) <= set(op.attrs)]
    form = max(there, key=lambda form: len(form.fields), default=kind.attrs[0])
    form.check(dict(op.attrs), f"operation {op.output!r}")
    shapes = [program.tensors[name].shape for name in op.inputs]
    output = program.tensors[op.output].shape
    if kind.shape(shapes, op.attrs, output) != output:
        raise GraphError(f"operation {op.output!r}: a {op.kind} of {shapes} has no shape {output}")
    if kind.product or op.arrays:
        _check_product(program, op)


def _check_product(program: Program, op: Operation) -> None:
    roles = set(op.arrays)
    if not KINDS[op.kind].product or not roles >= {WEIGHT, MULTIPLIER, SHIFT}:
        raise GraphError(f"operation {op.output!r}: a {op.kind} with arrays {sorted(roles)}")
    if not roles <= set(ROLES) or op.arrays[WEIGHT] not in program.weights:
        raise GraphError(f"operation {op.output!r}: arrays that no product has")
    rows, columns = program.arrays[op.arrays[WEIGHT]].shape
    shapes = [program.tensors[name].shape for name in (op.inputs[0], op.output)]
    if (shapes[0][-1], shapes[1][-1]) != (columns, rows):
        raise GraphError(f"operation {op.output!r}: {rows} x {columns} weights between {shapes}")
    if math.prod(shapes[0][:-1]) * rows * columns > MOST_PRODUCTS:
        raise GraphError(f"operation {op.output!r}: more than {MOST_PRODUCTS:,} products")
    for role in roles - {WEIGHT}:
        array = program.arrays[op.arrays[role]]
        if array.dtype != ROLES[role] or array.shape not in ((rows,), (1,)):
            raise GraphError(f"operation {op.output!r}: its {role} is no row of {ROLES[role]}")
    shift = program.arrays[op.arrays[SHIFT]]
    if shift.min() < -31 or shift.max() > 31 or program.arrays[op.arrays[MULTIPLIER]].min() < 0:
        raise GraphError(f"operation {op.output!r}: a multiplier or shift beyond 31 bits")
    if BIAS in roles and len(program.arrays[op.arrays[BIAS]]) != rows:
        raise GraphError(f"operation {op.output!r}: a bias for each of {rows} rows is missing")
