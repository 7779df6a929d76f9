"""Host half: a network to C99 sources."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from edgemem.frontend import FrontEnd
from edgemem.quantize import IntegerOps, build
from edgemem.quantize.scheme import choose
from edgemem.runtime.detector import DetectorConfig
from edgemem.target import Converted

from . import names
from .identifiers import comment, identifier
from .network import Network, network_c
from .parts import render, rows
from .sound import Sound, sound_c

if TYPE_CHECKING:
    from edgemem.quantize.formats import Format
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
    sound = _sound(model, program, prefix) if options.frontend else None
    parts, calls = ((), ()) if sound is None else (sound.parts, sound.calls)
    network = network_c(program, model.name, model.labels, prefix, parts, calls)
    texts = {
        names.header(prefix): network.header,
        names.source(prefix): network.source,
        names.weights(prefix): network.weights,
        names.golden(prefix): golden_h(program, prefix, calibration[0, :GOLDEN_STEPS]),
        "main.c": main_c(prefix, sound is not None),
        "CMakeLists.txt": render("CMakeLists.txt.in", prefix=prefix, PREFIX=prefix.upper(), D="$"),
        "README.md": readme(model.name, prefix, program, network, sound),
        names.TENSORS: json.dumps(_traced(program, network), separators=(",", ":")),
    }
    facts = {
        names.FACTS: facts_of(program, network, prefix, sound),
        "quantize": options.quantize,
    }
    return Converted(b"", {name: text.encode("ascii") for name, text in texts.items()}, facts)


def _sound(model: Source, program: Program, prefix: str) -> Sound | None:
    """Front end and detector of a model that says them; a network alone has none."""
    frontend, rule = getattr(model, "frontend", None), getattr(model, "detector", None)
    if not isinstance(frontend, FrontEnd) or not isinstance(rule, DetectorConfig):
        return None
    return sound_c(program, frontend, rule, model.labels, prefix)


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


def readme(title: str, prefix: str, program: Program, network: Network, sound: Sound | None) -> str:
    """What comes with the sources in words."""
    facts = facts_of(program, network, prefix, sound)
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


def facts_of(
    program: Program, network: Network, prefix: str, sound: Sound | None
) -> dict[str, Any]:
    """What the runner needs to know, and what a user does: bytes and multiply-accumulates."""
    parts = () if sound is None else sound.parts
    tensors = program.tensors
    return {
        "prefix": prefix,
        "n_in": program.n_in,
        "n_out": program.n_out,
        "input": _form(tensors[program.input].form),
        "output": _form(tensors[program.output].form),
        "states": {
            member: [state, tensors[state].form.bits, list(tensors[state].shape)]
            for member, state in network.step.states.items()
        },
        "ram": network.ram,
        "listener_ram": -(-(network.ram + sum(part.ram for part in parts)) // 4) * 4,
        "flash": network.step.flash + sum(part.flash for part in parts),
        "macs": program.macs(),
    }


def _form(form: Format) -> list[float]:
    return [form.bits, float(form.scale), form.zero_point]


def _traced(program: Program, network: Network) -> list[Any]:
    kinds = {op.output: op.kind for op in program.operations}
    table = []
    for name in network.step.traced:
        tensor = program.tensors[name]
        bits, scale, zero = _form(tensor.form)
        table.append([name, kinds[name], bits, list(tensor.shape), scale, zero])
    return table
