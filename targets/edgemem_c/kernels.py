"""The kernels that a program calls, with what these call, as one C text.

Each computes what :class:`edgemem.quantize.integer.IntegerOps` does, bit for bit.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from . import elementwise, products, sums

TEXTS = {**elementwise.TEXTS, **sums.TEXTS, **products.TEXTS}
"""Definitions by name, each in front of those that use it."""

CMSIS = frozenset(f"product8_w8{suffix}" for suffix in products.SUFFIXES)
"""Kernels that CMSIS-NN can take over, and with them what they alone call."""

_WORD = re.compile(r"\w+")
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


def kernels(calls: Iterable[str]) -> str:
    """The definitions of ``calls`` and of everything that they use, each once.

    Parameters
    ----------
    calls : iterable of str
        Names of kernels.
    """
    instances = {name: elementwise.instance(name) for name in sorted(set(calls))}
    used = _closure(set(calls), {n: text for n, text in instances.items() if text})
    others = set(calls) - CMSIS
    own = used - _closure(others, {n: t for n, t in instances.items() if t}) - CMSIS
    parts = [
        f"\n#if !defined(@P@_USE_CMSIS_NN){text}#endif\n" if name in own else text
        for name, text in TEXTS.items()
        if name in used
    ]
    return "".join([*parts, *(text for text in instances.values() if text)])


def _closure(names: set[str], instances: dict[str, str]) -> set[str]:
    found: set[str] = set()
    waiting = set(names)
    while waiting:
        name = waiting.pop()
        found.add(name)
        text = _COMMENT.sub("", instances.get(name) or TEXTS[name])
        waiting |= {word for word in _WORD.findall(text) if word in TEXTS} - found
    return found
