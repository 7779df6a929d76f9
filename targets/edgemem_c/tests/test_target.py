"""The target as a plug-in: files, the compiled runner, and what is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edgemem import artefact, conversion, pretrained, target
from edgemem.artefact import Artefact, Golden
from edgemem.errors import (
    ArtefactError,
    ConfigError,
    ShapeError,
    ToleranceError,
    UnsupportedOpError,
)
from edgemem.model import load
from edgemem.quantize import Format, IntegerOps, Operation, Program, Tensor, build
from edgemem.quantize.scheme import choose
from edgemem.verification import verify
from edgemem_c import TARGET, COptions, compiler, names
from edgemem_c.network import network_c
from edgemem_c.runner import CRunner
from edgemem_c.step import step_c

PREFIX = "kws12_lmu_small"


@cache
def program() -> Program:
    model = load(pretrained.resolve("kws12-lmu-small", pretrained.MODEL))
    scheme = choose(model.scheme, "int8", "model")
    return build(model.graph(), scheme, model.calibration.features[:12]).program


@cache
def converted() -> Artefact:
    model = load(pretrained.resolve("kws12-lmu-small", pretrained.MODEL))
    made = TARGET.convert(model, COptions(), model.calibration.features[:12])
    golden = Golden(np.zeros((1, 1, 80), np.float32), np.zeros((1, 1, 12), np.float32))
    said = {"frontend": model.frontend.to_dict(), "detector": model.detector.to_dict()}
    fields = {"target": "c", **said, **made.facts}
    return artefact.build(made.payload, fields, model.labels, golden, made.parts)


def frames(seed: int, n: int) -> npt.NDArray[np.float32]:
    return np.random.default_rng(seed).uniform(-30, 290, (n, 80)).astype(np.float32)


def test_float_inputs_round_as_the_semantics_say() -> None:
    """Also halves, far outside the range, infinities and the border of 32-bit integers."""
    runner, ops = CRunner(converted()), IntegerOps(program())
    form = program().tensors[program().input].form
    halves = (np.arange(-300, 300) + 0.5).astype(np.float32) * np.float32(form.scale)
    wild = np.array([np.inf, -np.inf, 3e9, -3e9, 1e38, -0.0, 8388607.5, 16777217.0], np.float32)
    every = np.concatenate([halves, np.nextafter(halves, 0), wild, np.zeros(72, np.float32)])
    for start in range(0, len(every) // 80 * 80, 80):
        x = every[start : start + 80]
        runner.step(x)
        taken = runner.tensors()["x"].array
        with np.errstate(invalid="ignore"):  # infinity less infinity
            wanted = ops.quantize(x)
        np.testing.assert_array_equal(taken, wanted)


def test_states_and_tensors_are_those_of_the_semantics() -> None:
    runner, ops = CRunner(converted()), IntegerOps(program())
    assert runner.tensors() == {}
    states = program().zero_state()
    for frame in frames(1, 7):
        states, values = ops.step(states, ops.quantize(frame))
        y = runner.step_integers(ops.quantize(frame))
        np.testing.assert_array_equal(y, values[program().output])
    held = runner.states()
    assert held.keys() == states.keys()
    for name, wanted in states.items():
        np.testing.assert_array_equal(held[name], wanted)
    seen = runner.tensors()
    assert len(seen) > 30
    for name, values_ in seen.items():
        wanted = values[name] if name != "x" else ops.quantize(frame)
        np.testing.assert_array_equal(values_.array, wanted, name)
        assert values_.scale == float(program().tensors[name].form.scale)
    # looking changes nothing
    np.testing.assert_array_equal(runner.states()["1.lmu.m"], states["1.lmu.m"])


def test_a_converted_file_verifies(tmp_path) -> None:  # type: ignore[no-untyped-def]
    model = load(pretrained.resolve("kws12-lmu-small", pretrained.MODEL))
    data, report = conversion.convert(model, "c", {"weights": "8"})
    assert report.agreement is not None and report.agreement >= 0.95
    path = tmp_path / "kws.c.zip"
    path.write_bytes(data)
    found = verify(artefact.read(path))
    assert (found.equal, found.last_places) == (1.0, 0.0)
    # a plain zip: what stands in front of it is nothing
    assert data[:2] == b"PK"
    facts = artefact.read(path).manifest["c"]
    assert facts["macs"] == program().macs()


def test_refuses_an_input_of_another_shape() -> None:
    runner = CRunner(converted())
    with pytest.raises(ShapeError, match="expected"):
        runner.step_integers(np.zeros(79, np.int8))


@pytest.fixture
def nothing_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No library of an earlier run, in this process or on disk; the folder of those to come."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    compiler._loaded.cache_clear()
    return tmp_path / "edgemem" / "c"


def test_says_that_a_compiler_is_needed(
    monkeypatch: pytest.MonkeyPatch, nothing_kept: Path
) -> None:
    monkeypatch.setenv("CC", "no-such-compiler -m64")
    with pytest.raises(ConfigError, match="no no-such-compiler; install one"):
        CRunner(converted())
    monkeypatch.delenv("CC")
    monkeypatch.setattr(compiler, "COMPILERS", ("no-such-compiler",))
    with pytest.raises(ConfigError, match="install one"):
        CRunner(converted())


class Counted:
    """Compiler's runs, and the texts that they read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.runs = 0
        self.texts: list[str] = []
        self._run = compiler._run
        monkeypatch.setattr(compiler, "_run", self)

    def __call__(self, command: Sequence[str], folder: Path) -> Any:
        self.runs += 1
        self.texts += [path.read_text() for path in folder.iterdir()] + list(command)
        return self._run(command, folder)


def test_a_library_is_compiled_once_and_kept(
    monkeypatch: pytest.MonkeyPatch, nothing_kept: Path
) -> None:
    counted, x = Counted(monkeypatch), frames(3, 5)
    first = [CRunner(converted()).step(frame).tolist() for frame in x]
    assert counted.runs == 1
    compiler._loaded.cache_clear()
    monkeypatch.setattr(compiler, "COMPILERS", ())  # as on a machine that has lost its compiler
    assert [CRunner(converted()).step(frame).tolist() for frame in x] == first
    assert counted.runs == 1
    (kept,) = nothing_kept.iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600 and nothing_kept.stat().st_mode & 0o777 == 0o700


def test_a_library_that_was_damaged_is_compiled_anew(
    monkeypatch: pytest.MonkeyPatch, nothing_kept: Path
) -> None:
    counted = Counted(monkeypatch)
    CRunner(converted())
    (kept,) = nothing_kept.iterdir()
    data = kept.read_bytes()
    kept.unlink()  # what this process has mapped stays as it is
    kept.write_bytes(data[:-1] + b"?")
    kept.chmod(0o600)
    compiler._loaded.cache_clear()
    CRunner(converted())
    assert counted.runs == 2


def test_a_folder_that_others_can_write_is_not_used(
    monkeypatch: pytest.MonkeyPatch, nothing_kept: Path
) -> None:
    nothing_kept.mkdir(parents=True)
    nothing_kept.chmod(0o777)
    counted = Counted(monkeypatch)
    CRunner(converted())
    assert counted.runs == 1 and not list(nothing_kept.iterdir())


def test_only_so_many_libraries_are_kept(
    monkeypatch: pytest.MonkeyPatch, nothing_kept: Path
) -> None:
    monkeypatch.setattr(compiler, "MOST_KEPT", 1)
    CRunner(converted()).step(frames(0, 1)[0])
    runner = CRunner(converted())
    runner.step(frames(0, 1)[0])
    runner.tensors()  # another library, with a look at each result
    assert len(list(nothing_kept.iterdir())) == 1


def test_nothing_of_a_file_reaches_the_compiler_but_numbers(
    monkeypatch: pytest.MonkeyPatch, nothing_kept: Path
) -> None:
    """Names of tensors and arrays, title and labels of a file are all somebody else's text."""
    model = load(pretrained.resolve("kws12-lmu-tiny", pretrained.MODEL))
    labels = tuple(f"evil label {n}" for n in range(len(model.labels)))
    named = replace(model, name="evil title", labels=labels)
    counted = Counted(monkeypatch)
    data, _ = conversion.convert(named, "c")
    opened = artefact.from_bytes(data, "file")
    foreign = {"evil", *opened.manifest["labels"]}
    program = json.loads(opened.part("program.json"))
    foreign |= {name for name in program["tensors"] if len(name) > 2}
    runner = CRunner(opened)
    runner.step(np.zeros(runner.n_in, np.float32))
    assert set(runner.tensors()) > {"x"} and set(runner.states()) <= set(program["tensors"])
    assert counted.runs and not [name for name in foreign for t in counted.texts if name in t]


CODE = "0}; __attribute__((constructor)) static void run(void) { __builtin_trap(); } int y[] = {0"


@pytest.mark.parametrize("place", ["attrs", "shape", "zero", "bits", "kind"])
def test_code_in_the_place_of_a_number_is_refused(place: str, nothing_kept: Path) -> None:
    """The digests are computed anew, as somebody would who wants it to run."""
    opened = converted()
    plan = json.loads(opened.part("program.json"))
    scaled = next(op for op in plan["operations"] if "shift" in op[3])
    tensor = plan["tensors"][plan["input"]]
    if place == "attrs":
        scaled[3]["shift"] = CODE
    elif place == "kind":
        scaled[0] = CODE
    else:
        tensor[{"shape": 0, "bits": 1, "zero": 3}[place]] = [CODE] if place == "shape" else CODE
    parts = {**opened.parts, "program.json": json.dumps(plan).encode()}
    made = artefact.build(b"", opened.manifest, opened.labels, opened.golden, parts)
    with pytest.raises(ArtefactError, match=r"program\.json holds no integer program"):
        target.load(made)
    assert not nothing_kept.exists()


def damaged(**changes: object) -> Artefact:
    opened = converted()
    facts = {**opened.manifest[names.FACTS], **changes}
    return replace(opened, manifest={**opened.manifest, names.FACTS: facts})


@pytest.mark.parametrize(
    "opened",
    [
        lambda: damaged(prefix="a;b"),
        lambda: damaged(prefix='x"\n#error'),
        lambda: damaged(prefix=None),
        lambda: damaged(hears=False),
        lambda: damaged(title="another"),
        lambda: replace(converted(), manifest={"target": "c"}),
        lambda: replace(converted(), parts={}),
        lambda: replace(
            converted(), parts={**converted().parts, f"{PREFIX}.c": b"int broken(void) { return }"}
        ),
        lambda: replace(converted(), parts={**converted().parts, f"{PREFIX}.h": b"\xff\xfe"}),
    ],
)
def test_refuses_a_damaged_file(opened) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ArtefactError):
        CRunner(opened())


def test_runs_no_code_but_its_own() -> None:
    # one comment more: what it says would compile and give the same bits
    source = converted().parts[f"{PREFIX}.c"] + b"/* and more */\n"
    opened = replace(converted(), parts={**converted().parts, f"{PREFIX}.c": source})
    with pytest.raises(ArtefactError, match="it runs no other code"):
        CRunner(opened)


def single(
    kind: str, forms: tuple[Format, Format], attrs: dict[str, int], **arrays: object
) -> Program:
    """One operation from ``x`` of 4 elements to ``y`` of 4."""
    given = {name: np.asarray(array) for name, array in arrays.items()}
    return Program(
        {"x": Tensor((4,), forms[0]), "y": Tensor((4,), forms[1])},
        (Operation(kind, "y", ("x",), attrs, {name: name for name in given}),),
        given,
        {},
        {"weight": Format(8, np.ones(4))} if given else {},
        {},
        "x",
        "y",
    )


EIGHT, SIXTEEN = Format(8, 0.5), Format(16, 0.5)
ROWS: dict[str, npt.NDArray[Any]] = {
    "multiplier": np.full(4, 1 << 30, np.int32),
    "shift": np.zeros(4, np.int8),
}


def product(weight: int, bias: int, shift: int = 0, bits: int = 8) -> Program:
    forms = (EIGHT, EIGHT) if bits == 8 else (SIXTEEN, SIXTEEN)
    return single(
        "product" if bits == 8 else "wide_product",
        forms,
        {},
        weight=np.full((4, 4), weight, np.int8),
        bias=np.full(4, bias, np.int32),
        multiplier=ROWS["multiplier"],
        shift=np.full(4, shift, np.int8),
    )


@pytest.mark.parametrize(
    "wrong",
    [
        # 4 x 127 x 255 + 2^31 - 129_540 is one beyond the largest 32-bit integer
        product(127, (1 << 31) - 129_540),
        product(127, 0, shift=15),
        product(127, (1 << 31) - 4 * 127 * 32768, bits=16),
        single("rescale", (SIXTEEN, SIXTEEN), {"multiplier": 1 << 30, "shift": 16}),
    ],
)
def test_refuses_what_could_overflow(wrong: Program) -> None:
    with pytest.raises(ToleranceError, match="could"):
        step_c(wrong)


@pytest.mark.parametrize(
    "right",
    [
        product(127, (1 << 31) - 129_541),
        product(127, (1 << 31) - 1 - 4 * 127 * 32768, bits=16),
        single("rescale", (SIXTEEN, SIXTEEN), {"multiplier": 1 << 30, "shift": 15}),
    ],
)
def test_takes_what_just_fits(right: Program) -> None:
    step_c(right)


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        (single("tanh", (SIXTEEN, SIXTEEN), {"multiplier": 40000, "shift": 0}), "32767"),
        (single("sigmoid", (SIXTEEN, EIGHT), {"multiplier": 4, "shift": 0}), "16 bits"),
        (single("narrow", (SIXTEEN, EIGHT), {"shift": -1}), "0 to 31"),
        (single("relu", (SIXTEEN, Format(32, 1.0)), {"multiplier": 4, "shift": 0}), "8 and 16"),
    ],
)
def test_refuses_what_has_no_c_form(wrong: Program, match: str) -> None:
    with pytest.raises(UnsupportedOpError, match=match):
        step_c(wrong)


def test_weights_of_other_widths_from_8_to_16_bits_are_refused() -> None:
    mixed = single("product", (EIGHT, SIXTEEN), {}, weight=np.ones((4, 4), np.int8), **ROWS)
    with pytest.raises(UnsupportedOpError, match="8 to 16 bits"):
        step_c(mixed)


def test_equal_tables_are_written_once() -> None:
    twice = Program(
        {name: Tensor((4,), EIGHT) for name in ("x", "y", "z")},
        (
            Operation(
                "product", "y", ("x",), {}, {role: role for role in (*ROWS, "weight", "bias")}
            ),
            Operation(
                "product", "z", ("y",), {}, {role: role for role in (*ROWS, "weight", "bias")}
            ),
        ),
        {**ROWS, "weight": np.ones((4, 4), np.int8), "bias": np.zeros(4, np.int32)},
        {},
        {"weight": Format(8, np.ones(4))},
        {},
        "x",
        "z",
    )
    text = network_c(twice, "n", ["l"] * 4, "n").weights
    for role in ("weight", "bias", "multiplier", "shift"):
        assert len(re.findall(rf"static const \w+ {role}_\d+\[", text)) == 1


def test_is_installed() -> None:
    assert target.get("c").name == "c"
