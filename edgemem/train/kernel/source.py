"""C text of a kernel: a recurrence forwards and backwards over all steps of all sequences.

The batch is cut into tiles of a few sequences. A tile goes through all steps by itself, its values
in a scratch buffer that the cache holds, so that threads need no barrier; weights are packed once a
call, and the gradients of the weights are added up by tile and then over the tiles, in their order.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from edgemem.ir.graph import Node
from edgemem.train.kernel.plan import Group, Item, Plan, Product, Sum, carry_of, upstream_of
from edgemem.train.kernel.product import Registers, head, outer, pack, product

TILE = 32
"""Most sequences in a tile."""

# tanh(x) = x p(x^2) / q(x^2), fitted to a relative error of 6e-8 for |x| <= 9.02; beyond, it is 1
TANH_BOUND = 9.02
TANH_P = (
    0.9999999404208116,
    0.1291793518500831,
    0.002919370276125768,
    9.254719489506256e-06,
    -1.2742500998256126e-08,
    1.8158967108791515e-11,
)
TANH_Q = (1.0, 0.46251218272954875, 0.02375747482473371, 0.0002279077784216168)

EXPRESSIONS = {
    "add": "{0} + {1}",
    "sub": "{0} - {1}",
    "mul": "{0} * {1}",
    "sigmoid": "sigmoid_({0})",
    "tanh": "tanh_({0})",
    "relu": "({0} < 0.0f ? 0.0f : {0})",  # a NaN stays one
    "sigmoid_adjoint": "{0} * {1} * (1.0f - {1})",
    "tanh_adjoint": "{0} * (1.0f - {1} * {1})",
    "relu_adjoint": "({1} > 0.0f ? {0} : 0.0f)",
}


def source(plan: Plan, registers: Registers) -> str:
    """The C text of a kernel.

    Parameters
    ----------
    plan : Plan
    registers : Registers
        Of the processor that it is compiled for.
    """
    forward, backward = _Forward(plan, registers), _Backward(plan, registers)
    bodies = [forward.text(), backward.text()]  # they name the products that they need
    functions = {**forward.functions, **backward.functions}
    return "\n".join(
        [RUNTIME_HEAD, head(registers), _tanh(), *functions.values(), RUNTIME, *bodies]
    )


def _tanh() -> str:
    def horner(coefficients: Sequence[float]) -> str:
        text = _number(coefficients[-1])
        for c in coefficients[-2::-1]:
            text = f"({text} * s + {_number(c)})"
        return text

    bound = _number(TANH_BOUND)
    return f"""
static inline float tanh_(float x) {{
  float c = x > {bound} ? {bound} : x; /* a NaN stays one */
  c = c < -{bound} ? -{bound} : c;
  float s = c * c;
  return c * {horner(TANH_P)} / {horner(TANH_Q)};
}}
static inline float sigmoid_(float x) {{ return 0.5f + 0.5f * tanh_(0.5f * x); }}
"""


def _number(value: float) -> str:
    text = repr(float(np.float32(value)))
    return f"{text}f"  # a float's repr has a point or an exponent


@dataclass(frozen=True)
class Place:
    """Where a value lies: ``base + r * stride`` for the sequence ``r`` of a tile."""

    base: str
    stride: str
    scratch: tuple[int, int] | None = None

    def row(self) -> str:
        return f"{self.base} + r * {self.stride}" if self.stride != "0" else self.base


@dataclass
class _Pass:
    """One direction while its text is written."""

    plan: Plan
    registers: Registers
    functions: dict[str, str] = field(default_factory=dict)
    packed: dict[tuple[str, str], int] = field(default_factory=dict)
    packed_size: int = 0
    places: dict[str, Place] = field(default_factory=dict)
    free: dict[int, list[int]] = field(default_factory=dict)
    scratch_size: int = 0

    # -- where values lie

    def allocate(self, name: str) -> Place:
        """Scratch for a value of each sequence of a tile."""
        size = self.registers.padded(self.plan.size(name))
        spare = self.free.get(size)
        if spare:
            offset = spare.pop()
        else:
            offset, self.scratch_size = self.scratch_size, self.scratch_size + size
        place = Place(f"(s + {offset * TILE})", str(self.plan.size(name)), (size, offset))
        self.places[name] = place
        return place

    def release(self, name: str) -> None:
        place = self.places.pop(name)
        if place.scratch is not None:
            size, offset = place.scratch
            self.free.setdefault(size, []).append(offset)

    def external(self, pointer: str, name: str) -> Place:
        """A value in a (batch, n_steps, n) array at the step ``t``."""
        n = self.plan.size(name)
        return Place(f"({pointer} + (row0 * steps + t) * {n})", f"steps * {n}")

    # -- items

    def items(self, items: Sequence[Item], kept: Iterable[str]) -> list[str]:
        """The text of items in their order; values are let go after their last reader."""
        kept = set(kept)
        last = {name: i for i, item in enumerate(items) for name in item.reads}
        text: list[str] = []
        for i, item in enumerate(items):
            wanted = [n for n in item.writes if n in kept or n in last]
            for name in wanted:
                if name not in self.places:
                    self.allocate(name)
            text += self.item(item, wanted)
            for name in {*item.reads, *wanted}:
                if last.get(name, i) == i and name not in kept and name in self.places:
                    self.release(name)
        return text

    def item(self, item: Item, wanted: Sequence[str]) -> list[str]:
        if isinstance(item, Product):
            return [self.product(item)]
        if isinstance(item, Sum):
            return [self.sum(item)]
        return self.group(item, wanted)

    def product(self, item: Product) -> str:
        rows, columns = self.matrix(item.weight)
        transposed = item.op == "matvec_adjoint"
        k, n = (rows, columns) if transposed else (columns, rows)
        name = f"product_{k}_{n}"
        self.functions.setdefault(name, product(name, k, n, self.registers))
        key = (item.weight, item.op)
        if key not in self.packed:
            self.packed[key] = self.packed_size
            self.packed_size += self.registers.padded(n) * k
        channels = self.plan.size(item.source) // k
        source, out = self.places[item.source].base, self.places[item.out].base
        return f"{name}(rows * {channels}, {source}, packed + {self.packed[key]}, {out});"

    def sum(self, item: Sum) -> str:
        raise NotImplementedError

    def group(self, item: Group, wanted: Sequence[str]) -> list[str]:
        pointers = [
            f"const float *restrict a{i} = {self.places[name].row()};"
            for i, name in enumerate(item.reads)
        ]
        pointers += [
            f"float *restrict o{i} = {self.places[name].row()};" for i, name in enumerate(wanted)
        ]
        values = {}
        body = []
        for i, name in enumerate(item.reads):
            n = self.plan.size(name)
            index = "i" if n == item.size else f"i % {n}"
            body.append(f"float x{i} = a{i}[{index}];")
            values[name] = f"x{i}"
        for i, node in enumerate(item.nodes):
            body.append(f"float y{i} = {_expression(node, values)};")
            values[node.name] = f"y{i}"
        body += [f"o{i}[i] = {values[name]};" for i, name in enumerate(wanted)]
        places = [self.places[name] for name in (*item.reads, *wanted)]
        if all(place.stride == str(item.size) for place in places):  # all in one piece
            pointers = [line.replace(f" + r * {item.size};", ";") for line in pointers]
            loop = f"EACH for (long i = 0; i < rows * {item.size}; i++) {{"
            return ["{", *pointers, loop, *body, "} }"]
        return [
            "for (long r = 0; r < rows; r++) {",
            *pointers,
            f"EACH for (long i = 0; i < {item.size}; i++) {{",
            *body,
            "} }",
        ]

    def copy(self, name: str, source: Place, into: Place) -> str:
        return f"copy(rows, {self.plan.size(name)}, {source.base}, {source.stride}, " + (
            f"{into.base}, {into.stride});"
        )

    def matrix(self, weight: str) -> tuple[int, int]:
        rows, columns = self.plan.shapes[weight]
        return rows, columns

    def load(self, items: Sequence[Item], name: str, external: Place) -> list[str]:
        """A value from outside; moved into the scratch if products read it."""
        readers = [item for item in items if name in item.reads]
        if all(isinstance(item, Group) for item in readers):
            self.places[name] = external
            return []
        return [self.copy(name, external, self.allocate(name))]

    def packing(self) -> str:
        weights = self.plan.recurrence.weights
        return "\n".join(
            pack(
                f"in[{weights.index(weight)}]",
                f"packed + {offset}",
                self.matrix(weight),
                op == "matvec_adjoint",
                self.registers,
            )
            for (weight, op), offset in self.packed.items()
        )

    def saved_places(self, pointer: str) -> None:
        """Saved values lie tile by tile, step by step, each in one piece."""
        offset, plan = 0, self.plan
        for name in plan.saved:
            base = (
                f"({pointer} + row0 * steps * {plan.saved_size} "
                f"+ rows * (t * {plan.saved_size} + {offset}))"
            )
            self.places[name] = Place(base, str(plan.size(name)))
            offset += plan.size(name)

    def weight_places(self) -> None:
        for i, name in enumerate(self.plan.recurrence.weights):
            self.places[name] = Place(f"c->in[{i}]", "0")

    def scratch_floats(self) -> int:
        return self.scratch_size * TILE + 2 * self.registers.lanes


def _expression(node: Node, values: dict[str, str]) -> str:
    args = [values[name] for name in node.inputs]
    if node.op == "scale":
        return f"{args[0]} * {_number(node.args[0])}"
    return EXPRESSIONS[node.op].format(*args)


class _Forward(_Pass):
    """In: weights, drives, start states. Out: states after every step, saved values."""

    def text(self) -> str:
        plan, r = self.plan, self.plan.recurrence
        n_in = len(r.weights)
        starts = n_in + len(r.drives)
        self.weight_places()
        self.saved_places(f"c->out[{len(r.states)}]")
        before, step = [], []
        for i, state in enumerate(r.states):
            start = Place(
                f"(c->in[{starts + i}] + row0 * {plan.size(state)})", str(plan.size(state))
            )
            before.append(self.copy(state, start, self.allocate(state)))
        for i, drive in enumerate(r.drives):
            external = self.external(f"c->in[{n_in + i}]", drive)
            step += self.load(plan.forward, drive, external)
        step += self.items(plan.forward, {*plan.after, *r.states, *plan.saved, *r.drives})
        for i, (state, after) in enumerate(zip(r.states, plan.after)):
            out = self.external(f"c->out[{i}]", state)
            step.append(self.copy(state, self.places[after], out))
        for state, after in zip(r.states, plan.after):
            step.append(self.copy(state, self.places[after], self.places[state]))
        return ENTRY.format(
            name="forward",
            before="\n".join(before),
            step="\n".join(step),
            end="",
            loop="long t = 0; t < steps; t++",
            packing=self.packing(),
            packed=self.packed_size,
            scratch=self.scratch_floats(),
            sums=0,
            reduce="",
        )


class _Backward(_Pass):
    """In: weights, drives, start states, states after every step, saved values, upstream adjoints.

    Out: adjoints of the weights, the drives and the start states.
    """

    def sum(self, item: Sum) -> str:
        share = item.share
        bar, offset = self.places[share.bar].base, self.sums[share.weight]
        shape = self.plan.shapes[share.weight]
        rows = f"rows * {self.plan.size(share.bar) // shape[0]}"
        if share.source is None:
            return f"add_rows({rows}, {shape[0]}, {bar}, sums + {offset});"
        name = f"outer_{shape[0]}_{shape[1]}"
        self.functions.setdefault(name, outer(name, shape[0], shape[1], self.registers))
        return f"{name}({rows}, {bar}, {self.places[share.source].base}, sums + {offset});"

    def _sum_places(self) -> int:
        """Where each weight's gradient is added up."""
        self.sums: dict[str, int] = {}
        total = 0
        for name in self.plan.recurrence.weights:
            *rows, last = self.plan.shapes[name]
            self.sums[name] = total
            total += math.prod(rows) * self.registers.padded(last)
        return total

    def _reduce(self, total: int) -> str:
        lines = []
        for i, name in enumerate(self.plan.recurrence.weights):
            *rows, last = self.plan.shapes[name]
            lines.append(
                f"  reduce(out[{i}], sums + {self.sums[name]}, {total}, tiles, "
                f"{math.prod(rows)}, {last}, {self.registers.padded(last)});"
            )
        return "\n".join(lines)

    def text(self) -> str:
        plan, r, back = self.plan, self.plan.recurrence, self.plan.adjoint
        n_in, n_drives, n_states = len(r.weights), len(r.drives), len(r.states)
        starts = n_in + n_drives
        trajectories, saved = starts + n_states, starts + 2 * n_states
        total = self._sum_places()
        self.weight_places()
        self.saved_places(f"c->in[{saved}]")
        before, step, end = [], [], []
        for state in r.states:
            place = self.allocate(carry_of(state))
            before.append(f"__builtin_memset({place.base}, 0, rows * {4 * plan.size(state)});")
        items = plan.backward
        for i, drive in enumerate(r.drives):
            step += self.load(items, drive, self.external(f"c->in[{n_in + i}]", drive))
        for i, (state, after) in enumerate(zip(r.states, plan.after)):
            n = plan.size(state)
            upstream = self.external(f"c->in[{saved + 1 + i}]", state)
            self.places[upstream_of(state)] = upstream
            step.append(
                f"const float *b{i} = t ? c->in[{trajectories + i}] + (row0 * steps + t - 1) * {n}"
                f" : c->in[{starts + i}] + row0 * {n};"
                f" const long d{i} = t ? steps * {n} : {n};"
            )
            step += self.load(items, state, Place(f"b{i}", f"d{i}"))
            if after not in self.places:
                external = self.external(f"c->in[{trajectories + i}]", state)
                step += self.load(items, after, external)
        carries = [carry_of(state) for state in r.states]
        results = [name for name in (*back.states, *back.drives) if name is not None]
        step += self.items(items, {*carries, *results, *self.places})
        for i, (drive, bar) in enumerate(zip(r.drives, back.drives)):
            out = self.external(f"c->out[{n_in + i}]", drive)
            step.append(self.copy_or_zero(drive, bar, out))
        for state, bar in zip(r.states, back.states):
            step.append(self.copy_or_zero(state, bar, self.places[carry_of(state)]))
        for i, state in enumerate(r.states):
            n = plan.size(state)
            out = Place(f"(c->out[{starts + i}] + row0 * {n})", str(n))
            end.append(self.copy(state, self.places[carry_of(state)], out))
        return ENTRY.format(
            name="backward",
            before="\n".join(before),
            step="\n".join(step),
            end="\n".join(end),
            loop="long t = steps - 1; t >= 0; t--",
            packing=self.packing(),
            packed=self.packed_size,
            scratch=self.scratch_floats(),
            sums=total,
            reduce=self._reduce(total),
        )

    def copy_or_zero(self, name: str, bar: str | None, into: Place) -> str:
        if bar is None:
            return f"zero(rows, {self.plan.size(name)}, {into.base}, {into.stride});"
        return self.copy(name, self.places[bar], into)


RUNTIME_HEAD = """
#include <pthread.h>
#include <stdlib.h>

#if defined(__clang__)
#define EACH _Pragma("clang loop vectorize(assume_safety)")
#else
#define EACH _Pragma("GCC ivdep")
#endif
"""

RUNTIME = """
struct call {
  const float *const *in;
  float *const *out;
  const float *packed;
  float *sums;
  long batch, steps, tile, tiles, threads, sum_size;
  size_t scratch;
  void (*run)(const struct call *, long, float *);
};

struct worker { const struct call *c; long first; int failed; };

static float *floats(size_t n) {
  return aligned_alloc(64, (n * sizeof(float) + 127) / 64 * 64);
}

static inline void copy(long rows, long n, const float *a, long da, float *b, long db) {
  for (long r = 0; r < rows; r++) __builtin_memcpy(b + r * db, a + r * da, n * sizeof(float));
}

static inline void zero(long rows, long n, float *b, long db) {
  for (long r = 0; r < rows; r++) __builtin_memset(b + r * db, 0, n * sizeof(float));
}

static inline void add_rows(long rows, long n, const float *restrict a, float *restrict g) {
  for (long r = 0; r < rows; r++)
    for (long i = 0; i < n; i++) g[i] += a[r * n + i];
}

static void reduce(float *out, const float *sums, long size, long tiles, long rows, long n,
                   long padded) {
  for (long r = 0; r < rows; r++)
    for (long i = 0; i < n; i++) {
      float total = 0.0f;
      for (long k = 0; k < tiles; k++) total += sums[k * size + r * padded + i];
      out[r * n + i] = total;
    }
}

static void *work(void *argument) {
  struct worker *w = argument;
  const struct call *c = w->c;
#ifdef __SSE__ /* numbers too small for a normal exponent are zero: they would take ages */
  const unsigned int mode = __builtin_ia32_stmxcsr();
  __builtin_ia32_ldmxcsr(mode | 0x8040);
#endif
  float *scratch = floats(c->scratch);
  w->failed = scratch == NULL;
  if (scratch)
    for (long i = w->first; i < c->tiles; i += c->threads) c->run(c, i, scratch);
  free(scratch);
#ifdef __SSE__
  __builtin_ia32_ldmxcsr(mode);
#endif
  return NULL;
}

static int run_all(const struct call *c) {
  struct worker *w = calloc(c->threads, sizeof *w);
  pthread_t *ids = calloc(c->threads, sizeof *ids);
  int failed = w == NULL || ids == NULL;
  long started = 1;
  for (long i = 0; !failed && i < c->threads; i++) w[i] = (struct worker){c, i, 0};
  for (; !failed && started < c->threads; started++)
    if (pthread_create(ids + started, NULL, work, w + started)) break;
  if (!failed) {
    work(w);
    for (long i = started; i < c->threads; i++) work(w + i); /* a thread that could not start */
    for (long i = 1; i < started; i++) pthread_join(ids[i], NULL);
    for (long i = 0; i < c->threads; i++) failed |= w[i].failed;
  }
  free(w);
  free(ids);
  return failed;
}
"""

ENTRY = """
static void {name}_tile(const struct call *c, long index, float *restrict s) {{
  const long steps = c->steps, row0 = index * c->tile;
  const long rows = c->batch - row0 < c->tile ? c->batch - row0 : c->tile;
  const float *restrict packed = c->packed;
  float *restrict sums = c->sums + index * c->sum_size;
  (void)packed, (void)sums;
{before}
  for ({loop}) {{
{step}
  }}
{end}
}}

int {name}(const float *const *in, float *const *out, long batch, long steps, long tile,
           long threads) {{
  const long tiles = (batch + tile - 1) / tile;
  float *packed = floats({packed}), *sums = floats(tiles * {sums});
  int failed = packed == NULL || sums == NULL;
  if (!failed) {{
{packing}
  for (long i = 0; i < tiles * {sums}; i++) sums[i] = 0.0f;
  const struct call c = {{in, out, packed, sums, batch, steps, tile, tiles,
                         threads < tiles ? threads : tiles, {sums}, {scratch}, {name}_tile}};
  failed = run_all(&c);
{reduce}
  }}
  free(packed);
  free(sums);
  return failed;
}}
"""
