"""Where each value of a step lives: views that cost nothing, states in place, one scratch arena.

Every value is a view into a *root*: the input, a state, a constant, the output, or a stretch of the
arena. Stretches whose values are never alive at the same time share bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from edgemem.quantize.program import Operation, Program, Shape, Tensor

ALIGNMENT = 4
"""Stretches of the arena begin at multiples of so many bytes: a word is loaded in one go."""

ELEMENTWISE = frozenset({"add", "sub", "mul", "sigmoid", "tanh", "relu", "narrow", "rescale"})
"""Kinds whose kernels take operands of either width, and may write over one of equal width."""


@dataclass(frozen=True)
class Place:
    """A view into a root.

    Parameters
    ----------
    root : str
        Name of the tensor whose memory it is.
    start : int
        First element of the view.
    """

    root: str
    start: int = 0


@dataclass(frozen=True)
class Stretch:
    """Bytes of the arena, for the operations ``first`` to ``last``."""

    name: str
    size: int
    first: int
    last: int
    offset: int = 0


@dataclass(frozen=True)
class Storage:
    """The plan.

    Parameters
    ----------
    places : mapping of Place
        Every tensor's view.
    stretches : mapping of Stretch
        Roots in the arena.
    kept : mapping
        State to the tensor whose bytes are copied into it at the end of the step. The others are
        written in place.
    saved : mapping
        State to the stretch through which it is kept: it takes over the old value of a state that
        is itself overwritten.
    in_place : mapping
        Tensors computed right in the memory of a state.
    output_in_place : bool
        Whether the last operation writes into the caller's array.
    size : int
        Bytes of the arena: the most that is ever alive, as far as first-fit comes to it.
    """

    places: Mapping[str, Place]
    stretches: Mapping[str, Stretch]
    kept: Mapping[str, str]
    saved: Mapping[str, str]
    in_place: Mapping[str, str]
    output_in_place: bool
    size: int


def plan_storage(program: Program) -> Storage:
    """The storage of ``program``."""
    return _Planner(program).plan()


def elements(shape: Shape) -> int:
    """Number of elements of a tensor."""
    total = 1
    for size in shape:
        total *= size
    return total


def n_bytes(tensor: Tensor) -> int:
    """Bytes of the integers of ``tensor``."""
    return elements(tensor.shape) * (tensor.form.bits // 8)


class _Planner:
    def __init__(self, program: Program) -> None:
        self._program = program
        self._operations = program.operations
        self._end = len(program.operations)
        self._readers = self._who_reads()
        self._places = {
            name: Place(name) for name in (program.input, *program.states, *program.constants)
        }
        for op in self._operations:
            self._places[op.output] = self._view(op) or Place(op.output)

    def plan(self) -> Storage:
        program = self._program
        in_place = {}
        for state, after in program.states.items():
            if self._may_overwrite(state, after):
                in_place[after] = state
        kept = {s: after for s, after in program.states.items() if after not in in_place}
        kept = {s: after for s, after in kept.items() if self._places[after] != Place(s)}
        saved = {s: f"*{s}*" for s, after in kept.items() if self._places[after].root in kept}
        output_in_place = self._writes_output(in_place)
        homes = dict(in_place)
        if output_in_place:
            homes[program.output] = OUTPUT
        places = {
            name: replace(place, root=homes.get(place.root, place.root))
            for name, place in self._places.items()
        }
        stretches = _first_fit([*self._stretches(homes, kept), *self._copies(saved)])
        size = max((s.offset + s.size for s in stretches), default=0)
        return Storage(
            places, {s.name: s for s in stretches}, kept, saved, in_place, output_in_place, size
        )

    # views

    def _who_reads(self) -> dict[str, list[Operation]]:
        readers: dict[str, list[Operation]] = {}
        for op in self._operations:
            for name in op.inputs:
                readers.setdefault(name, []).append(op)
        return readers

    def _view(self, op: Operation) -> Place | None:
        """The view that ``op`` comes to, or None where it computes or copies."""
        source = op.inputs[0]
        before = self._places[source]
        if op.kind == "reshape":
            return before
        if op.kind == "widen" and self._read_in_any_width(op.output):
            return before
        if op.kind == "slice":
            *outer, _ = self._program.tensors[source].shape
            if elements(tuple(outer)) == 1:
                return replace(before, start=before.start + op.attrs["start"])
        return None

    def _read_in_any_width(self, name: str) -> bool:
        """Whether only elementwise kernels read ``name``, themselves or through views."""
        if name == self._program.output or name in self._program.states.values():
            return False
        return all(
            op.kind in ELEMENTWISE
            or (op.kind in ("reshape", "slice") and self._read_in_any_width(op.output))
            for op in self._readers.get(name, [])
        )

    # what is written where it stays

    def _may_overwrite(self, state: str, after: str) -> bool:
        """Whether ``after`` can be computed over the old value of ``state``."""
        program = self._program
        if self._places[after] != Place(after) or self._is_given(after):
            return False
        if list(program.states.values()).count(after) > 1:
            return False
        if state in {self._places[name].root for name in self._leaves()}:
            return False
        made = next(i for i, op in enumerate(self._operations) if op.output == after)
        last = self._last_read(state)
        return last < made or (last == made and self._same_place(self._operations[made], state))

    def _same_place(self, op: Operation, state: str) -> bool:
        """Whether ``op`` reads each element of ``state`` just where it writes."""
        tensors = self._program.tensors
        views = [name for name in op.inputs if self._places[name].root == state]
        return op.kind in ELEMENTWISE and all(
            self._places[name].start == 0
            and elements(tensors[name].shape) == elements(tensors[op.output].shape)
            and tensors[state].form.bits == tensors[op.output].form.bits
            for name in views
        )

    def _writes_output(self, in_place: Mapping[str, str]) -> bool:
        name = self._program.output
        return (
            self._places[name] == Place(name)
            and not self._is_given(name)
            and name not in in_place
            and name not in self._program.states.values()
        )

    def _is_given(self, name: str) -> bool:
        program = self._program
        return name in program.states or name in program.constants or name == program.input

    def _leaves(self) -> tuple[str, ...]:
        """Tensors that are read after the last operation."""
        return (self._program.output, *self._program.states.values())

    def _last_read(self, root: str) -> int:
        reads = [
            i
            for i, op in enumerate(self._operations)
            if any(self._places[name].root == root for name in op.inputs)
        ]
        return max(reads, default=-1)

    # the arena

    def _stretches(self, homes: Mapping[str, str], kept: Mapping[str, str]) -> list[Stretch]:
        tensors = self._program.tensors
        found = []
        late = {self._places[name].root for name in (self._program.output, *kept.values())}
        for first, op in enumerate(self._operations):
            name = op.output
            if self._places[name] == Place(name) and name not in homes:
                size = n_bytes(tensors[name])
                last = self._end if name in late else max(first, self._last_read(name))
                found.append(Stretch(name, size, first, last))
        return found

    def _copies(self, saved: Mapping[str, str]) -> list[Stretch]:
        tensors = self._program.tensors
        return [Stretch(n, n_bytes(tensors[s]), self._end, self._end) for s, n in saved.items()]


OUTPUT = "*output*"
"""Root of what is computed in the caller's array; no tensor has such a name."""


def _first_fit(stretches: Iterable[Stretch]) -> list[Stretch]:
    """Offsets: the largest first, each at the lowest place that is free for its lifetime."""
    placed: list[Stretch] = []
    for stretch in sorted(stretches, key=lambda s: (-s.size, s.first)):
        offset = 0
        alive = (p for p in placed if p.first <= stretch.last and stretch.first <= p.last)
        for other in sorted(alive, key=lambda p: p.offset):
            if offset + stretch.size <= other.offset:
                break
            offset = max(offset, _aligned(other.offset + other.size))
        placed.append(replace(stretch, offset=offset))
    return sorted(placed, key=lambda s: s.first)


def _aligned(offset: int) -> int:
    return -(-offset // ALIGNMENT) * ALIGNMENT
