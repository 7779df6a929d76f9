"""The kernels that a program calls, with what these call, as one C text.

Each computes what :class:`edgemem.quantize.integer.IntegerOps` does, bit for bit.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from . import elementwise, products, sums

TEXTS = {**elementwise.TEXTS, **sums.TEXTS, **products.TEXTS}
"""Definitions by name, each in front of those that use it."""

_WORD = re.compile(r"\w+")


def kernels(calls: Iterable[str]) -> str:
    """The definitions of ``calls`` and of everything that they use, each once.

    Parameters
    ----------
    calls : iterable of str
        Names of kernels.
    """
    instances = {name: elementwise.instance(name) for name in sorted(set(calls))}
    used = _closure(set(calls), {n: text for n, text in instances.items() if text})
    wide = _closure({name for name in calls if name.startswith("product16")}, {})
    parts = [_guarded(name, text, wide) for name, text in TEXTS.items() if name in used]
    return "".join([*parts, *(text for text in instances.values() if text)])


def _closure(names: set[str], instances: dict[str, str]) -> set[str]:
    found: set[str] = set()
    waiting = set(names)
    while waiting:
        name = waiting.pop()
        found.add(name)
        text = instances.get(name) or TEXTS[name]
        waiting |= {word for word in _WORD.findall(text) if word in TEXTS} - found
    return found


def _guarded(name: str, text: str, wide: set[str]) -> str:
    """``text`` within the condition under which something calls it.

    Where 8-bit inputs are widened first, their sums are those of 16-bit ones.
    """
    if name in ("sum_x8_w8", "sums_x8_w8", "input8"):
        return f"\n#if !defined(WIDEN_INPUT){text}#endif\n"
    if name in ("sum_x16_w8", "sums_x16_w8") and name not in wide:
        return f"\n#if defined(WIDEN_INPUT){text}#endif\n"
    return text
