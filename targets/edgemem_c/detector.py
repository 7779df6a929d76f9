"""The integer detector as C99."""

from __future__ import annotations

from collections.abc import Iterable

from edgemem.runtime import integer_detector as integer
from edgemem.runtime.integer_detector import IntegerRule

from .parts import CPart, render, rows


def detector_c(rule: IntegerRule, bits: int, prefix: str) -> CPart:
    """C that computes the bits of :class:`edgemem.runtime.integer_detector.IntegerDetector`.

    Parameters
    ----------
    rule : IntegerRule
    bits : int
        Width of a logit: 8 or 16.
    prefix : str
        A lower-case C identifier.
    """
    n_labels = len(rule.labels)
    n_averages = len(rule.averages)
    ring = n_labels * rule.longest
    sizes = {
        "n_labels": n_labels,
        "n_averages": n_averages,
        "n_sums": n_labels * n_averages,
        "longest": rule.longest,
        "ring": ring,
        "logit": f"int{bits}_t",
        "prefix": prefix,
    }
    source = render(
        "detector.c.in",
        **sizes,
        longest_quiet=max(rule.quiet),
        averages=_structures(
            f"{{{a.window}, {a.multiplier}U, {a.shift}U, UINT64_C({(1 << a.shift) >> 1})}}"
            for a in rule.averages
        ),
        rules=_structures(
            f"{{{threshold}, {release}, {quiet}, {average}}}"
            for threshold, release, quiet, average in zip(
                rule.threshold, rule.release, rule.quiet, rule.average
            )
        ),
        octave_bits=integer.OCTAVE_BITS,
        rest_bits=integer.REST_BITS,
        vanished=integer.VANISHED,
        fires=rows(int(fires) for fires in rule.fires),
        powers=rows(f"{power}U" for power in integer.POWER_TABLE),
        n_powers=len(integer.POWER_TABLE),
    )
    header = render("detector.h.in", **sizes, PREFIX=prefix.upper())
    ram = 4 * n_labels * n_averages + 12 + ring * bits // 8 + n_labels
    flash = 4 * len(integer.POWER_TABLE) + (1 + _RULE) * n_labels + _AVERAGE * n_averages
    return CPart(header, source, -(-ram // 4) * 4, flash)


_RULE = 12
_AVERAGE = 24
"""Bytes of the structures of a label and of a window."""


def _structures(values: Iterable[str]) -> str:
    return ",\n    ".join(values)
