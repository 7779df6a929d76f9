"""What is fuzzed: for each kind of file, one that was damaged, and what a user would do with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from edgemem import artefact, target
from edgemem.quantize import IntegerOps
from edgemem.quantize.stored import ARRAYS, PROGRAM, read_program
from edgemem.runtime.loop import Listener
from edgemem.runtime.network import describe, of_artefact, open_network
from edgemem.verification import verify
from fuzzing import data_files, flatbuffers, networks, sample, sounds, structures
from fuzzing.case import MEMORY, Case

STEPS = 3


def run_artefact(path: Path) -> None:
    """``info``, ``verify`` and ``run``."""
    describe(path)
    opened = artefact.read(path)
    for reference_kernels in (False, True) if opened.target == "tflite" else (False,):
        runner = target.load(opened, reference_kernels)
        runner.reset()
        for x in np.random.default_rng(0).normal(size=(STEPS, runner.n_in)).astype(np.float32):
            assert runner.step(x).shape == (runner.n_out,)
        if isinstance(runner, target.Inspectable):
            runner.tensors()
            float(runner.output_scale or 0.0)
    _listen(of_artefact(path, opened).listener())
    verify(opened)


def run_model(path: Path) -> None:
    """``info`` and ``run``."""
    describe(path)
    _listen(open_network(path).listener())


def _listen(listener: Listener) -> None:
    listener.push(np.zeros(480 + 160 * STEPS, np.int16))


def _artefact(name: str, rng: np.random.Generator, folder: Path) -> Path:
    sound = structures.converted(name)
    path = folder / f"network.{name}"
    path.write_bytes(structures.mutated_artefact(sound[int(rng.integers(len(sound)))], rng))
    return path


def _model(rng: np.random.Generator, folder: Path) -> Path:
    sound = structures.models()
    path = folder / "network.model"
    path.write_bytes(structures.mutated_model(sound[int(rng.integers(len(sound)))], rng))
    return path


def run_c_of_program(path: Path) -> None:
    """C of a damaged program, written by edgemem's own writer, gives the integers of NumPy."""
    from edgemem_c import names
    from edgemem_c.sources import sources_of

    opened = artefact.read(path)
    program = read_program(opened)
    written = sources_of(program, "net", opened.labels, "net", None)
    facts = {names.FACTS: {"title": "net", "prefix": "net", "hears": False}}
    parts = {name: text.encode() for name, text in written.texts.items()}
    parts.update({name: opened.part(name) for name in (PROGRAM, ARRAYS)})
    fields = {"target": "c", **facts}
    made = artefact.build(b"", fields, opened.labels, opened.golden, parts)
    runner = target.load(artefact.from_bytes(artefact.to_bytes(made), "C"))
    ops, states = IntegerOps(program), program.zero_state()
    limits = np.iinfo(program.tensors[program.input].form.dtype)
    x = np.random.default_rng(0).integers(limits.min, limits.max, (STEPS, program.n_in), "int64")
    for frame in x.astype(limits.dtype):
        states, values = ops.step(states, frame)
        np.testing.assert_array_equal(runner.step_integers(frame), values[program.output])


def _program(rng: np.random.Generator, folder: Path) -> Path:
    sound = structures.converted("fixed")
    path = folder / "network.fixed"
    path.write_bytes(structures.mutated_program(sound[int(rng.integers(len(sound)))], rng))
    return path


def _flatbuffer(
    damage: Callable[[bytes, np.random.Generator], bytes], rng: np.random.Generator, folder: Path
) -> Path:
    sound = structures.converted("tflite")
    opened = artefact.from_bytes(sound[int(rng.integers(len(sound)))], "sound")
    path = folder / "network.tflite"
    # of a network that hears, or of one with every operator
    payload = damage(opened.payload if rng.random() < 0.7 else sample.payload(), rng)
    path.write_bytes(structures._sealed(dict(opened.manifest), payload, opened.parts))
    return path


SLOW = frozenset({"c", "loihi", "nengo-loihi"})
"""Targets that compile or simulate."""

PEERS = {"nengo-loihi": "nengo_loihi"}
"""Targets whose simulators have an environment of their own (scripts/test-peers), and what those
import."""

IMPORTS = {"nengo-loihi": 400 << 20}
"""What simulators of others take by themselves, in bytes."""

CASES: Mapping[str, Case] = {
    **data_files.cases(),
    **sounds.cases(),
    "model": Case(_model, run_model),
    "tflite-bytes": Case(partial(_flatbuffer, flatbuffers.mutate), run_artefact),
    "tflite-network": Case(partial(_flatbuffer, networks.mutate), run_artefact),
    "c-program": Case(_program, run_c_of_program, slow=True),
    **{
        name: Case(
            partial(_artefact, name), run_artefact, name in SLOW, MEMORY + IMPORTS.get(name, 0)
        )
        for name in sorted(target.available())
    },
}
"""By kind of file; every installed target is one, and every reader of data."""
