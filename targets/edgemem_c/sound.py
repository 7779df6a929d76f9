"""Front end, network and detector in a row as C99: sound in, keywords out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgemem.frontend import FrontEnd
from edgemem.frontend.integer import IntegerFrontEnd
from edgemem.quantize.features import fed_by_features
from edgemem.quantize.program import Program
from edgemem.runtime.integer_detector import IntegerRule
from edgemem.runtime.rule import DetectorConfig

from .detector import detector_c
from .elementwise import elementwise_name
from .frontend import frontend_c
from .parts import CPart, render


@dataclass(frozen=True)
class Sound:
    """What goes with a network that hears.

    Parameters
    ----------
    frontend, detector, listener : CPart
        The listener's bytes are those of what it passes on; the others are members of it.
    calls : tuple of str
        Kernels that it needs.
    """

    frontend: CPart
    detector: CPart
    listener: CPart
    calls: tuple[str, ...]

    @property
    def parts(self) -> tuple[CPart, ...]:
        """In the order in which they are written."""
        return (self.frontend, self.detector, self.listener)


def sound_c(
    program: Program,
    frontend: FrontEnd,
    detector: DetectorConfig,
    labels: Sequence[str],
    prefix: str,
) -> Sound:
    """C that hears with ``program``.

    Raises
    ------
    ConfigError
        If the front end or the decision rule has no integer form.
    """
    ears = IntegerFrontEnd.of(frontend)
    logits = program.tensors[program.output].form
    rule = IntegerRule.of(detector, labels, frontend.frame_period, float(logits.scale))
    first, last = frontend_c(ears, prefix), detector_c(rule, logits.bits, prefix)
    form = program.tensors[program.input].form
    attrs = fed_by_features(program, ears.scale).operations[0].attrs
    # the members of sum_t: one operand, whose zero point is 0
    scaled = [0] * 7 + [attrs["multiplier"], attrs["shift"], form.zero_point]
    limits = [form.lowest - form.zero_point, form.highest - form.zero_point]
    rescale = elementwise_name("rescale", (16, form.bits))
    passed = 2 * len(labels) + 2 * program.n_in
    passed += program.n_in * form.bits // 8 + len(labels) * logits.bits // 8
    names = {"prefix": prefix, "PREFIX": prefix.upper()}
    header = render("listener.h.in", **names, rate=frontend.sample_rate)
    source = render(
        "listener.c.in", **names, input=", ".join(map(str, scaled + limits)), rescale=rescale
    )
    listener = CPart(header, source, passed, 4 * len(scaled + limits))
    return Sound(first, last, listener, (rescale,))
