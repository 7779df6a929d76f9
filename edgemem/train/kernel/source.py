"""C text of a kernel: a recurrence forwards and backwards over all steps of all sequences.

The batch is cut into tiles of a few sequences. A tile goes through all steps by itself, its values
in a scratch buffer that the cache holds, so that threads need no barrier; weights are packed once a
call, and the gradients of the weights are added up by thread and then over the threads, in their
order: the same tiles always go to the same thread.
"""

from __future__ import annotations

from collections.abc import Sequence

from edgemem.train.kernel.places import HELD, Place, Text
from edgemem.train.kernel.plan import Plan, carry_of, upstream_of
from edgemem.train.kernel.product import Registers, head
from edgemem.train.kernel.runtime import ENTRY, HEAD, RUNTIME, functions


def source(plan: Plan, registers: Registers) -> str:
    """The C text of a kernel.

    Parameters
    ----------
    plan : Plan
    registers : Registers
        Of the processor that it is compiled for.
    """
    there, back = Text(plan, registers, 1), Text(plan, registers, -1)
    entries = [_forward(there), _backward(back)]  # they name the products that they need
    products = {**there.functions, **back.functions}.values()
    return "\n".join([HEAD, head(registers), functions(), *products, RUNTIME, *entries])


def _forward(text: Text) -> str:
    """In: weights, drives, start states. Out: states after every step, saved values."""
    plan, r = text.plan, text.plan.recurrence
    drives = len(r.weights)
    starts = drives + len(r.drives)
    text.saved(f"c->out[{len(r.states)}]")
    before = text.carried(plan.forward, r.states, plan.after)
    step, late = [], []
    for i, state in enumerate(r.states):
        start = text.each_sequence(f"c->in[{starts + i}]", state)
        before.append(text.copy(state, start, text.places[state]))
    for i, drive in enumerate(r.drives):
        step += text.load(plan.forward, drive, text.every_step(f"c->in[{drives + i}]", drive))
    for i, (state, after) in enumerate(zip(r.states, plan.after)):
        out = text.every_step(f"c->out[{i}]", state)
        if after in text.copies or after not in text.grouped:
            late.append((state, after, out))
        else:
            text.copies[after] = out
    step += text.items(plan.forward, {*plan.after, *plan.saved})
    step += [text.copy(state, text.places[after], out) for state, after, out in late]
    step += text.carry(r.states, plan.after)
    return _entry(text, "forward", before, step, [], "")


def _backward(text: Text) -> str:
    """In: weights, drives, start states, states after every step, saved values, upstream adjoints.

    Out: adjoints of the weights, the drives and the start states.
    """
    plan, r, back = text.plan, text.plan.recurrence, text.plan.adjoint
    drives = len(r.weights)
    starts = drives + len(r.drives)
    trajectories = starts + len(r.states)
    saved = trajectories + len(r.states)
    for name in dict.fromkeys(n for share in back.shares for n in (share.bar, share.source)):
        if name is not None:
            text.hold(name)
    step = text.saved(f"c->in[{saved}]")
    carries = [carry_of(state) for state in r.states]
    before = text.carried(plan.backward, carries, back.states)
    before += [text.copy_or_zero(name, None, text.places[name]) for name in carries]
    before.append("long k = 0;")
    end = []
    for i, drive in enumerate(r.drives):
        step += text.load(plan.backward, drive, text.every_step(f"c->in[{drives + i}]", drive))
    for i, (state, after) in enumerate(zip(r.states, plan.after)):
        upstream = text.every_step(f"c->in[{saved + 1 + i}]", state)
        text.places[upstream_of(state)] = upstream
        earlier = _earlier(
            i, f"c->in[{trajectories + i}]", f"c->in[{starts + i}]", plan.size(state)
        )
        step.append(earlier)
        step += text.load(plan.backward, state, Place(f"b{i}", f"d{i}", ahead=-plan.size(state)))
        states = text.every_step(f"c->in[{trajectories + i}]", state)
        step += text.load(plan.backward, after, states)
    results = {name for name in (*back.states, *back.drives) if name is not None}
    step += text.items(plan.backward, results)
    for i, (drive, bar) in enumerate(zip(r.drives, back.drives)):
        out = text.every_step(f"c->out[{drives + i}]", drive)
        step.append(text.copy_or_zero(drive, bar, out))
    step += text.carry(carries, back.states)
    step += [f"if (++k == {HELD} || t == 0) {{", *map(text.sum, back.shares), "k = 0; }"]
    for i, (state, name) in enumerate(zip(r.states, carries)):
        out = text.each_sequence(f"c->out[{starts + i}]", state)
        end.append(text.copy(state, text.places[name], out))
    return _entry(text, "backward", before, step, end, text.reduction())


def _earlier(i: int, states: str, starts: str, n: int) -> str:
    """The state before step ``t``: ``b`` and its stride ``d``."""
    return (
        f"const float *b{i} = t ? {states} + (row0 * steps + t - 1) * {n} "
        f": {starts} + row0 * {n}; const long d{i} = t ? steps * {n} : {n};"
    )


def _entry(
    text: Text,
    name: str,
    before: Sequence[str],
    step: Sequence[str],
    end: Sequence[str],
    reduction: str,
) -> str:
    loops = {1: "long t = 0; t < steps; t++", -1: "long t = steps - 1; t >= 0; t--"}
    return ENTRY.format(
        name=name,
        before="\n".join(before),
        step="\n".join(step),
        end="\n".join(end),
        loop=loops[text.direction],
        packing=text.packing(),
        packed=text.packed_size,
        scratch=text.scratch_floats(),
        sums=text.sums_size if reduction else 0,
        reduce=reduction,
    )
