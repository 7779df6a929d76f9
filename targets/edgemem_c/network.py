"""The network as C99: header, source and constants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from edgemem.quantize.formats import Format
from edgemem.quantize.program import Program

from .identifiers import comment, literal
from .kernels import kernels
from .parts import CPart, render
from .products import BLOCK
from .step import Step, step_c
from .storage import elements, n_bytes
from .sums import PROLOGUE


@dataclass(frozen=True)
class Network:
    """A program in C.

    Parameters
    ----------
    header, source, weights : str
        Texts of ``PREFIX.h``, ``PREFIX.c`` and ``PREFIX_weights.h``.
    step : Step
    ram : int
        Bytes of the state struct: states and scratch.
    """

    header: str
    source: str
    weights: str
    step: Step
    ram: int


def network_c(
    program: Program,
    title: str,
    labels: Sequence[str],
    prefix: str,
    parts: Sequence[CPart] = (),
    calls: Sequence[str] = (),
) -> Network:
    """The C of ``program``.

    Parameters
    ----------
    program : Program
    title : str
        What the comment at the top says.
    labels : sequence of str
        Name of each output.
    prefix : str
        A lower-case C identifier; every global name begins with it.
    parts : sequence of CPart
        Further parts of the same two files.
    calls : sequence of str
        Kernels that these need.

    Raises
    ------
    ToleranceError, UnsupportedOpError
        As :func:`edgemem_c.step.step_c`.
    """
    step = step_c(program)
    members, ram = _members(program, step)
    names = {"prefix": prefix, "PREFIX": prefix.upper(), "title": comment(title)}
    header = render(
        "network.h.in",
        **names,
        **_formats(program),
        n_in=program.n_in,
        n_out=program.n_out,
        macs=program.macs(),
        members=members,
        ram=ram,
        parts="".join(f"\n{part.header}" for part in parts),
    )
    source = render(
        "network.c.in",
        **names,
        prologue=_prologue(prefix, step),
        kernels=kernels({*step.calls, *calls}).replace("@P@", prefix.upper()),
        labels=",\n    ".join(literal(label) for label in labels),
        body="\n".join(f"    {line}" for line in step.body).replace(
            " TRACE(", f" {prefix.upper()}_TRACE("
        ),
        parts="".join(f"\n{part.source}" for part in parts),
    )
    weights = render(
        "weights.h.in", prefix=prefix, flash=step.flash, tables=step.tables, layers=step.layers
    )
    return Network(header, source, weights, step, ram)


def _members(program: Program, step: Step) -> tuple[str, int]:
    """Members of the state struct, widest first, and its bytes."""
    lines, size, widest = [], 0, 1
    tensors = {member: program.tensors[state] for member, state in step.states.items()}
    for member, tensor in sorted(tensors.items(), key=lambda item: -item[1].form.bits):
        note = f"{step.states[member]}, {' x '.join(map(str, tensor.shape))}"
        lines.append(
            f"    int{tensor.form.bits}_t {member}[{elements(tensor.shape)}]; /* {comment(note)} */"
        )
        size += n_bytes(tensor)
        widest = max(widest, tensor.form.bits // 8)
    if step.storage.size or not lines:
        halves = max(1, -(-step.storage.size // 2))
        lines.insert(0, f"    int16_t scratch[{halves}];")
        size += 2 * halves
        widest = 2
    return "\n".join(lines), -(-size // widest) * widest


def _formats(program: Program) -> dict[str, object]:
    values: dict[str, object] = {}
    for role, name in (("input", program.input), ("output", program.output)):
        form = program.tensors[name].form
        numerator, shift = ratio(form)
        values[f"{role}_type"] = f"int{form.bits}_t"
        values[f"{role}_zero"] = form.zero_point
        values[f"{role}_numerator"] = numerator
        values[f"{role}_shift"] = shift
    return values


def ratio(form: Format) -> tuple[int, int]:
    """The scale of a format as ``numerator / 2^shift``: exact, since it is a 32-bit float."""
    exact = Fraction(float(form.scale))
    return exact.numerator, exact.denominator.bit_length() - 1


def _prologue(prefix: str, step: Step) -> str:
    text = PROLOGUE.replace("@P@", prefix.upper()).replace("@BLOCK@", str(BLOCK))
    most = [_most(bits, step) for bits in sorted(step.widest)]
    return "\n".join([text, *most])


def _most(bits: int, step: Step) -> str:
    """Sizes of the memory in which vector units work on products, at their largest."""
    inputs, sums = (max(sizes) for sizes in zip(*step.widest[bits]))
    return (
        f"/* The most that vector units hold of a product with inputs of {bits} bits. */\n"
        f"#define MOST_INPUTS{bits} {inputs}\n#define MOST_SUMS{bits} {sums}\n"
    )
