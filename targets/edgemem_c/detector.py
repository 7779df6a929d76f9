"""The integer detector as C99."""

from __future__ import annotations

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
    ring = n_labels * rule.window
    sizes = {
        "n_labels": n_labels,
        "window": rule.window,
        "ring": ring,
        "logit": f"int{bits}_t",
        "prefix": prefix,
    }
    source = render(
        "detector.c.in",
        **sizes,
        threshold=rule.threshold,
        release=rule.release,
        quiet=rule.quiet,
        multiplier=rule.multiplier,
        shift=rule.shift,
        half=(1 << rule.shift) >> 1,
        octave_bits=integer.OCTAVE_BITS,
        rest_bits=integer.REST_BITS,
        vanished=integer.VANISHED,
        fires=rows(int(fires) for fires in rule.fires),
        powers=rows(f"{power}U" for power in integer.POWER_TABLE),
        n_powers=len(integer.POWER_TABLE),
    )
    header = render("detector.h.in", **sizes, PREFIX=prefix.upper())
    ram = 4 * n_labels + 12 + ring * bits // 8 + n_labels
    return CPart(header, source, -(-ram // 4) * 4, 4 * len(integer.POWER_TABLE) + n_labels)
