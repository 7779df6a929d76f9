"""Device half: the generated C itself, compiled here and called step by step."""

from __future__ import annotations

import ctypes
import itertools
import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from edgemem.errors import ArtefactError, ShapeError
from edgemem.ir.values import Values
from edgemem.quantize.formats import Format
from edgemem.quantize.program import Integers

from . import names
from .compiler import find_compiler, load_library
from .parts import render

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edgemem.artefact import Artefact
    from edgemem.target import Features

_PREFIX = re.compile(r"[a-z][a-z0-9_]*")
_MEMBER = re.compile(r"s[0-9]+")


class CRunner:
    """See :class:`edgemem.target.Runner` and :class:`edgemem.target.Inspectable`.

    The sources in the file are compiled and run: a file is trusted as a program is.

    Parameters
    ----------
    artefact : Artefact
    """

    def __init__(self, artefact: Artefact) -> None:
        self._artefact = artefact
        try:
            self._read(artefact.manifest[names.FACTS])
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ArtefactError(
                f"{artefact.origin}: the manifest lacks what C needs ({error!r}); convert again"
            ) from error
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

    def _read(self, facts: Mapping[str, Any]) -> None:
        self._prefix = str(facts["prefix"])
        self._members = {
            str(member): (str(name), int(bits), tuple(shape))
            for member, (name, bits, shape) in facts["states"].items()
        }
        if not _PREFIX.fullmatch(self._prefix) or not all(map(_MEMBER.fullmatch, self._members)):
            raise ValueError("a name that is no identifier")
        self.n_in, self.n_out = int(facts["n_in"]), int(facts["n_out"])
        self.input_format, self.output_format = Format(*facts["input"]), Format(*facts["output"])

    def reset(self) -> None:
        getattr(self._library, f"{self._prefix}_reset")(ctypes.c_void_p(self._addresses[0]))
        self._stepped = False

    def step(self, x: Features) -> Features:
        if x.shape != self._x.shape:
            raise ShapeError(f"step: got an input of shape {x.shape}, expected {self._x.shape}")
        np.copyto(self._x, x)
        self._step(self._argument)
        self._stepped = True
        return self._y.copy()

    def step_integers(self, x: Integers) -> Integers:
        """One time step from the integers of the input to those of the output.

        Parameters
        ----------
        x : (n_in,) integer array

        Returns
        -------
        (n_out,) integer array
        """
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
        for number, (name, bits, shape) in enumerate(self._members.values()):
            offset = int(self._library.host_member(number))
            values = np.frombuffer(held, f"int{bits}", int(np.prod(shape)), offset)
            found[name] = values.reshape(shape)
        return found

    def tensors(self) -> dict[str, Values]:
        """Input and computed results of the last step; views of others are left out.

        The step is taken once more, by the same sources with a look at each result.
        """
        if not self._stepped:
            return {}
        form = self.input_format
        found = {"x": Values(self._input.copy(), "", float(form.scale), form.zero_point)}
        table = self._table()
        sizes = [int(np.prod(shape)) * bits // 8 for _, _, bits, shape, _, _ in table]
        starts = list(itertools.accumulate(sizes, initial=0))
        library = self._load(starts)
        state = (type(self._before))()
        ctypes.memmove(state, self._before, ctypes.sizeof(state))
        address = ctypes.c_void_p(ctypes.addressof(state))
        arguments = (address, *map(ctypes.c_void_p, self._addresses[2:4]))
        getattr(library, f"{self._prefix}_step")(*arguments)
        traced = (ctypes.c_char * starts[-1]).in_dll(library, "host_trace").raw
        for start, (name, op, bits, shape, scale, zero) in zip(starts, table):
            values = np.frombuffer(traced, f"int{bits}", int(np.prod(shape)), start)
            found[name] = Values(values.reshape(shape), op, scale, zero)
        return found

    def _table(self) -> list[tuple[str, str, int, list[int], float, int]]:
        """Name, operation, bits, shape, scale and zero point of each traced result."""
        text = self._artefact.part(names.TENSORS)
        try:
            return [
                (str(name), str(op), int(bits), list(map(int, shape)), float(scale), int(zero))
                for name, op, bits, shape, scale, zero in json.loads(text)
            ]
        except (TypeError, ValueError) as error:
            raise ArtefactError(
                f"{self._artefact.origin}: {names.TENSORS} is damaged ({error}); convert again"
            ) from error

    def _load(self, starts: Sequence[int] = ()) -> ctypes.CDLL:
        """The library; with a place for each result, one that keeps them there."""
        prefix, parts = self._prefix, self._artefact.part
        wanted = (names.header(prefix), names.source(prefix), names.weights(prefix))
        # what is no text does not compile, which is then said
        sources = {name: parts(name).decode("ascii", "replace") for name in wanted}
        sources["host.c"] = self._host()
        flags: list[str] = []
        if starts:
            sources["trace.h"] = render("trace.h.in", PREFIX=prefix.upper())
            sources["host.c"] += (
                f"\nunsigned char host_trace[{starts[-1]}];\n"
                f"const unsigned int host_trace_at[] = {{{', '.join(map(str, starts))}}};\n"
            )
            flags = ["-include", "trace.h"]
        library = load_library(sources, flags, self._artefact.origin)
        library.host_state_size.restype = ctypes.c_size_t
        library.host_member.restype = ctypes.c_size_t
        return library

    def _host(self) -> str:
        form, prefix = self.input_format, self._prefix
        offsets = [f"offsetof({prefix}_state, {member})" for member in self._members]
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
