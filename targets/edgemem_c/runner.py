"""Device half: the generated C itself, compiled here and called step by step."""

from __future__ import annotations

import ctypes
import itertools
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from edgemem.errors import ArtefactError, ShapeError
from edgemem.frontend import FrontEnd
from edgemem.ir.values import Values
from edgemem.quantize.program import Integers, Program, Tensor
from edgemem.quantize.stored import read_program
from edgemem.reading import DamageError
from edgemem.runtime.rule import DetectorConfig
from edgemem.shapes import FLAG, TEXT, Record, Text

from . import names
from .compiler import load_library
from .parts import render
from .sources import Sources, sources_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgemem.artefact import Artefact
    from edgemem.target import Features

T = TypeVar("T")

PREFIX = "network"
"""Begins every global name of what is compiled here."""

FACTS = Record({"title": Text(4096), "prefix": TEXT, "hears": FLAG}, more=True)

_PREFIX = re.compile(r"[a-z][a-z0-9_]*")


class CRunner:
    """See :class:`edgemem.target.Runner` and :class:`edgemem.target.Inspectable`.

    No code of a file is run, and nothing of it reaches a compiler as text. The sources in the file
    must be, byte for byte, what edgemem writes for the program that is stored beside them. What is
    compiled is written of that program under names of this module's own: of the file there are
    numbers in it alone, each of which was checked to be one.

    Parameters
    ----------
    artefact : Artefact
    """

    def __init__(self, artefact: Artefact) -> None:
        self._origin = artefact.origin
        self.program = _checked(artefact)
        self._written = compiled_sources(self.program)
        self._names = dict(zip(self._written.program.tensors, self.program.tensors))
        tensors = self.program.tensors
        self.n_in, self.n_out = self.program.n_in, self.program.n_out
        self.input_format = tensors[self.program.input].form
        self.output_format = tensors[self.program.output].form
        self._library = self._load()
        self.engine = "C, compiled here"
        self.output_scale = float(self.output_format.scale)
        size = int(self._library.host_state_size())
        self._state, self._before = ((ctypes.c_int64 * (size // 8 + 1))() for _ in range(2))
        self._x, self._y = np.zeros(self.n_in, np.float32), np.zeros(self.n_out, np.float32)
        self._input = np.zeros(self.n_in, self.input_format.dtype)
        self._logits = np.zeros(self.n_out, self.output_format.dtype)
        # addresses, worked out once: a step takes a microsecond or two
        held = [ctypes.addressof(self._state), ctypes.addressof(self._before)]
        arrays = (self._input, self._logits, self._x, self._y)
        self._addresses = [*held, *(array.ctypes.data for array in arrays)]
        self._call = (ctypes.c_void_p * len(self._addresses))(*self._addresses)
        self._argument = ctypes.byref(self._call)
        self._step = self._library.host_step
        self.reset()

    def reset(self) -> None:
        getattr(self._library, f"{PREFIX}_reset")(ctypes.c_void_p(self._addresses[0]))
        self._stepped = False

    def step(self, x: Features) -> Features:
        if x.shape != self._x.shape:
            raise ShapeError(f"step: got an input of shape {x.shape}, expected {self._x.shape}")
        np.copyto(self._x, x)
        self._step(self._argument)
        self._stepped = True
        return self._y.copy()

    def step_integers(self, x: Integers) -> Integers:
        if x.shape != self._input.shape:
            raise ShapeError(f"step: got an input of shape {x.shape}, expected ({self.n_in},)")
        np.copyto(self._input, x)
        self._library.host_step_integers(self._argument)
        self._stepped = True
        return self._logits.copy()

    def states(self) -> dict[str, Integers]:
        """The integers of every state, by its name in the network."""
        found = {}
        held = bytes(self._state)
        for number, plain in enumerate(self._written.network.step.states.values()):
            offset, name = int(self._library.host_member(number)), self._names[plain]
            found[name] = _cut(held, offset, self.program.tensors[name])
        return found

    def tensors(self) -> dict[str, Values]:
        """Input and computed results of the last step; views of others are left out.

        The step is taken once more, by the same sources with a look at each result.
        """
        if not self._stepped:
            return {}
        tensors = self.program.tensors
        traced = [self._names[plain] for plain in self._written.network.step.traced]
        sizes = [int(np.prod(tensors[n].shape)) * tensors[n].form.bits // 8 for n in traced]
        starts = list(itertools.accumulate(sizes, initial=0))
        library = self._load(starts)
        state = (type(self._before))()
        ctypes.memmove(state, self._before, ctypes.sizeof(state))
        address = ctypes.c_void_p(ctypes.addressof(state))
        arguments = (address, *map(ctypes.c_void_p, self._addresses[2:4]))
        getattr(library, f"{PREFIX}_step")(*arguments)
        results = (ctypes.c_char * starts[-1]).in_dll(library, "host_trace").raw
        kinds = {op.output: op.kind for op in self.program.operations}
        form = self.input_format
        found = {"x": Values(self._input.copy(), "", float(form.scale), form.zero_point)}
        for name, start in zip(traced, starts):
            form = tensors[name].form
            values = _cut(results, start, tensors[name])
            found[name] = Values(values, kinds[name], float(form.scale), form.zero_point)
        return found

    def _load(self, starts: Sequence[int] = ()) -> ctypes.CDLL:
        """The library; with a place for each result, one that keeps them there."""
        sources = {**self._written.texts, "host.c": self._host()}
        flags: list[str] = []
        if starts:
            sources["trace.h"] = render("trace.h.in", PREFIX=PREFIX.upper())
            sources["host.c"] += (
                f"\nunsigned char host_trace[{starts[-1]}];\n"
                f"const unsigned int host_trace_at[] = {{{', '.join(map(str, starts))}}};\n"
            )
            flags = ["-include", "trace.h"]
        library = load_library(sources, flags, self._origin)
        library.host_state_size.restype = ctypes.c_size_t
        library.host_member.restype = ctypes.c_size_t
        return library

    def _host(self) -> str:
        form = self.input_format
        members = self._written.network.step.states
        offsets = [f"offsetof({PREFIX}_state, {member})" for member in members]
        return render(
            "host.c.in",
            prefix=PREFIX,
            PREFIX=PREFIX.upper(),
            # a 32-bit float is exact in hexadecimal
            input_scale=f"{float(form.scale).hex()}F",
            output_scale=f"{float(self.output_format.scale).hex()}F",
            input_zero=form.zero_point,
            input_low=form.lowest,
            input_high=form.highest,
            output_zero=self.output_format.zero_point,
            offsets=", ".join(offsets) or "0",
        )


def _cut(held: bytes, offset: int, tensor: Tensor) -> Integers:
    values = np.frombuffer(held, tensor.form.dtype, int(np.prod(tensor.shape)), offset)
    return values.reshape(tensor.shape)


def compiled_sources(program: Program) -> Sources:
    """What is compiled to run ``program``: numbers of it, and names of this module's own."""
    labels = [f"label {number}" for number in range(program.n_out)]
    return sources_of(_numbered(program), "", labels, PREFIX, None)


def _numbered(program: Program) -> Program:
    """``program`` with names of our own, in the same order."""
    names = {name: f"t{number}" for number, name in enumerate(program.tensors)}
    arrays = {name: f"a{number}" for number, name in enumerate(program.arrays)}

    def renamed(values: Mapping[str, T], table: Mapping[str, str]) -> dict[str, T]:
        return {table[name]: value for name, value in values.items()}

    operations = tuple(
        replace(
            op,
            output=names[op.output],
            inputs=tuple(names[name] for name in op.inputs),
            arrays={role: arrays[name] for role, name in op.arrays.items()},
        )
        for op in program.operations
    )
    return Program(
        tensors=renamed(program.tensors, names),
        operations=operations,
        arrays=renamed(program.arrays, arrays),
        constants=renamed(program.constants, names),
        weights=renamed(program.weights, arrays),
        states={names[state]: names[after] for state, after in program.states.items()},
        input=names[program.input],
        output=names[program.output],
    )


def _checked(artefact: Artefact) -> Program:
    """The program in the file, if the sources beside it are what edgemem writes for it."""
    program = read_program(artefact)
    facts: dict[str, Any] = artefact.manifest.get(names.FACTS, {})
    try:
        FACTS.check(facts, names.FACTS)
    except DamageError as error:
        raise ArtefactError(
            f"{artefact.origin}: the manifest lacks what C needs ({error}); convert again"
        ) from error
    prefix = facts["prefix"]
    if not _PREFIX.fullmatch(prefix):
        raise ArtefactError(
            f"{artefact.origin}: {prefix!r} is no name for C; convert the model again"
        )
    ears = _ears(artefact, facts["hears"])
    written = sources_of(program, facts["title"], artefact.labels, prefix, ears)
    for name, text in written.texts.items():
        if artefact.part(name) != text.encode("ascii"):
            raise ArtefactError(
                f"{artefact.origin}: {name} is not what this edgemem writes for its program, and "
                "it runs no other code; compile the sources yourself, or convert the model again"
            )
    return program


def _ears(artefact: Artefact, hears: bool) -> tuple[FrontEnd, DetectorConfig] | None:
    if not hears:
        return None
    manifest = artefact.manifest
    missing = [name for name in ("frontend", "detector") if name not in manifest]
    if missing:
        raise ArtefactError(
            f"{artefact.origin}: the manifest lacks its {missing[0]}; convert the model again"
        )
    return FrontEnd.from_dict(manifest["frontend"]), DetectorConfig.from_dict(manifest["detector"])
