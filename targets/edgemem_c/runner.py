"""Device half: the generated C itself, compiled here and called step by step."""

from __future__ import annotations

import ctypes
import itertools
import re
from typing import TYPE_CHECKING

import numpy as np

from edgemem.errors import ArtefactError, ShapeError
from edgemem.frontend import FrontEnd
from edgemem.ir.values import Values
from edgemem.quantize.program import Integers, Tensor
from edgemem.quantize.stored import read_program
from edgemem.runtime.rule import DetectorConfig

from . import names
from .compiler import find_compiler, load_library
from .parts import render
from .sources import Sources, sources_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgemem.artefact import Artefact
    from edgemem.target import Features

_PREFIX = re.compile(r"[a-z][a-z0-9_]*")


class CRunner:
    """See :class:`edgemem.target.Runner` and :class:`edgemem.target.Inspectable`.

    No code of a file is run. The sources are written anew from the program that is stored beside
    them; those in the file must be the same, byte for byte.

    Parameters
    ----------
    artefact : Artefact
    """

    def __init__(self, artefact: Artefact) -> None:
        self._origin = artefact.origin
        self._written = _written_anew(artefact)
        self.program = self._written.program
        tensors = self.program.tensors
        self.n_in, self.n_out = self.program.n_in, self.program.n_out
        self.input_format = tensors[self.program.input].form
        self.output_format = tensors[self.program.output].form
        self._library = self._load()
        self.engine = f"C, {find_compiler()[0]}"
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
        getattr(self._library, f"{self._written.prefix}_reset")(ctypes.c_void_p(self._addresses[0]))
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
        for number, name in enumerate(self._written.network.step.states.values()):
            offset = int(self._library.host_member(number))
            found[name] = _cut(held, offset, self.program.tensors[name])
        return found

    def tensors(self) -> dict[str, Values]:
        """Input and computed results of the last step; views of others are left out.

        The step is taken once more, by the same sources with a look at each result.
        """
        if not self._stepped:
            return {}
        tensors, traced = self.program.tensors, self._written.network.step.traced
        sizes = [int(np.prod(tensors[n].shape)) * tensors[n].form.bits // 8 for n in traced]
        starts = list(itertools.accumulate(sizes, initial=0))
        library = self._load(starts)
        state = (type(self._before))()
        ctypes.memmove(state, self._before, ctypes.sizeof(state))
        address = ctypes.c_void_p(ctypes.addressof(state))
        arguments = (address, *map(ctypes.c_void_p, self._addresses[2:4]))
        getattr(library, f"{self._written.prefix}_step")(*arguments)
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
        prefix = self._written.prefix
        flags: list[str] = []
        if starts:
            sources["trace.h"] = render("trace.h.in", PREFIX=prefix.upper())
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
        form, prefix = self.input_format, self._written.prefix
        members = self._written.network.step.states
        offsets = [f"offsetof({prefix}_state, {member})" for member in members]
        return render(
            "host.c.in",
            prefix=prefix,
            PREFIX=prefix.upper(),
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


def _written_anew(artefact: Artefact) -> Sources:
    """The sources of the program in the file, if they are those in the file."""
    program = read_program(artefact)
    try:
        facts = artefact.manifest[names.FACTS]
        title, prefix, hears = str(facts["title"]), str(facts["prefix"]), bool(facts["hears"])
    except (KeyError, TypeError) as error:
        raise ArtefactError(
            f"{artefact.origin}: the manifest lacks what C needs ({error!r}); convert again"
        ) from error
    if not _PREFIX.fullmatch(prefix):
        raise ArtefactError(
            f"{artefact.origin}: {prefix!r} is no name for C; convert the model again"
        )
    written = sources_of(program, title, artefact.labels, prefix, _ears(artefact, hears))
    for name, text in written.texts.items():
        if artefact.part(name) != text.encode("ascii"):
            raise ArtefactError(
                f"{artefact.origin}: {name} is not what this edgemem writes for its program, and "
                "it runs no other code; compile the sources yourself, or convert the model again"
            )
    return written


def _ears(artefact: Artefact, hears: bool) -> tuple[FrontEnd, DetectorConfig] | None:
    if not hears:
        return None
    try:
        frontend, detector = artefact.manifest["frontend"], artefact.manifest["detector"]
    except KeyError as error:
        raise ArtefactError(
            f"{artefact.origin}: the manifest lacks its {error}; convert the model again"
        ) from error
    return FrontEnd.from_dict(frontend), DetectorConfig.from_dict(detector)
