"""Host half: a network to C99 sources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgemem.frontend import FrontEnd
from edgemem.quantize import IntegerOps, build
from edgemem.quantize.scheme import choose
from edgemem.quantize.stored import program_parts
from edgemem.runtime.rule import DetectorConfig
from edgemem.target import Converted

from . import names
from .identifiers import comment, identifier
from .parts import render, rows
from .sources import Sources, sources_of

if TYPE_CHECKING:
    from edgemem.quantize.program import Integers, Program
    from edgemem.target import Features, Source

    from . import COptions

GOLDEN_STEPS = 16
"""Steps of the test vectors in C; the file's own golden vectors are longer."""


def convert(model: Source, options: COptions, calibration: Features) -> Converted:
    """C99 sources of ``model``; nothing stands in front of them."""
    scheme = choose(model.scheme, options.quantize, options.weights)
    program = build(model.graph(), scheme, calibration).program
    prefix = identifier(model.name)
    ears = _ears(model) if options.frontend else None
    written = sources_of(program, model.name, model.labels, prefix, ears)
    texts = {
        **written.texts,
        names.golden(prefix): golden_h(program, prefix, calibration[0, :GOLDEN_STEPS]),
        "main.c": main_c(prefix, ears is not None),
        "CMakeLists.txt": render("CMakeLists.txt.in", prefix=prefix, PREFIX=prefix.upper(), D="$"),
        "README.md": readme(model.name, written),
    }
    parts = {name: text.encode("ascii") for name, text in texts.items()}
    facts = {names.FACTS: {"title": model.name, **facts_of(written)}, "quantize": options.quantize}
    return Converted(b"", {**parts, **program_parts(program)}, facts)


def _ears(model: Source) -> tuple[FrontEnd, DetectorConfig] | None:
    """Front end and decision rule of a model that hears; a network of mere values has none."""
    frontend, rule = getattr(model, "frontend", None), getattr(model, "detector", None)
    if not isinstance(frontend, FrontEnd) or not isinstance(rule, DetectorConfig):
        return None
    return None if frontend.kind == "values" else (frontend, rule)


def main_c(prefix: str, hears: bool) -> str:
    """The example; ``hears`` says whether there is a front end."""
    names = {"prefix": prefix, "PREFIX": prefix.upper()}
    return render(
        "main.c.in",
        **names,
        then=", then keywords in raw sound" if hears else "",
        listen=render("listen.c.in", **names) if hears else "",
        call="\n    listen();" if hears else "",
    )


USAGE = """\
    static {0}_state state;
    {0}_init(&state);
    {0}_step(&state, input, logits); /* each time step */
"""

USAGE_SOUND = """\
    static {0}_listener listener;
    {0}_listener_init(&listener);
    /* each time {1}_SAMPLES new samples of 16 bits have come, {1}_SAMPLE_RATE a second */
    int label = {0}_listen(&listener, samples);
    if (label >= 0) {{ puts({0}_labels[label]); }}
"""


def readme(title: str, written: Sources) -> str:
    """What comes with the sources in words."""
    facts, prefix, sound = facts_of(written), written.prefix, written.sound
    row = f"| all that it takes to hear, bytes of RAM | {facts['listener_ram']:,} |\n"
    usage = USAGE if sound is None else USAGE_SOUND
    return render(
        "README.md.in",
        title=comment(title),
        prefix=prefix,
        PREFIX=prefix.upper(),
        steps=GOLDEN_STEPS,
        and_sound="" if sound is None else ", its front end and its detector",
        and_listens="" if sound is None else " and hears raw sound",
        listener_row="" if sound is None else row,
        usage=usage.format(prefix, prefix.upper()),
        **{name: f"{facts[name]:,}" for name in ("macs", "flash", "ram")},
    )


def golden_h(program: Program, prefix: str, x: Features) -> str:
    """Test vectors as a header: the first steps of a sequence.

    Parameters
    ----------
    program : Program
    prefix : str
    x : (t, n_in) float32 array
    """
    inputs, logits = golden(program, x)
    return render(
        "golden.h.in",
        prefix=prefix,
        PREFIX=prefix.upper(),
        steps=len(x),
        inputs=rows(inputs.reshape(-1).tolist()),
        logits=rows(logits.reshape(-1).tolist()),
    )


def golden(program: Program, x: Features) -> tuple[Integers, Integers]:
    """Integers of the inputs (t, n_in), and the outputs (t, n_out) that belong to them."""
    ops, states, logits = IntegerOps(program), program.zero_state(), []
    inputs = ops.quantize(x)
    for frame in inputs:
        states, values = ops.step(states, frame)
        logits.append(values[program.output])
    return inputs, np.stack(logits)


def facts_of(written: Sources) -> dict[str, Any]:
    """How the sources were written, and what they take: bytes and multiply-accumulates."""
    network, parts = written.network, () if written.sound is None else written.sound.parts
    return {
        "prefix": written.prefix,
        "hears": written.sound is not None,
        "ram": network.ram,
        "listener_ram": -(-(network.ram + sum(part.ram for part in parts)) // 4) * 4,
        "flash": network.step.flash + sum(part.flash for part in parts),
        "macs": written.program.macs(),
    }
