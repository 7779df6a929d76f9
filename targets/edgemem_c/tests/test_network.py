"""Whole networks in C: what they compile to, on every board, and what they leave alone."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pytest

from edgemem import pretrained
from edgemem.cells import LEM, LMU, Dense, Norm, Stack
from edgemem.frontend import PICTURES, FrontEnd
from edgemem.frontend.integer import IntegerFrontEnd
from edgemem.ir import Graph, trace
from edgemem.model import Model, load
from edgemem.quantize import IntegerOps, Program, build
from edgemem.quantize.features import FeatureInput
from edgemem.quantize.scheme import choose
from edgemem.runtime.integer_detector import IntegerDetector
from edgemem.runtime.rule import DetectorConfig
from edgemem_c import TARGET, COptions, emulation
from edgemem_c.emulation import BOARDS, Board
from edgemem_c.parts import rows

pytestmark = pytest.mark.slow

SANITISERS = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
NAME = "kws12-lmu-small"
PREFIX = "kws12_lmu_small"
OPTIONS = {
    "int8": COptions(),
    "int16": COptions(quantize="int16"),
    "4 bits": COptions(weights="4"),
    "2 bits": COptions(weights="2"),
    "int16, 4 bits": COptions(quantize="int16", weights="4"),
}


@cache
def model() -> Model:
    return load(pretrained.resolve(NAME, pretrained.MODEL))


def calibration() -> npt.NDArray[np.float32]:
    return model().calibration.features[:12]


@cache
def converted(form: str) -> Mapping[str, str]:
    """Texts of the sources."""
    parts = TARGET.convert(model(), OPTIONS[form], calibration()).parts
    return {n: t.decode("ascii") for n, t in parts.items() if n.endswith((".c", ".h"))}


@cache
def program(form: str) -> Program:
    options = OPTIONS[form]
    scheme = choose(model().scheme, options.quantize, options.weights)
    return build(model().graph(), scheme, calibration()).program


def sources(form: str) -> dict[str, str]:
    return {n: t for n, t in converted(form).items() if n != "main.c"}


@dataclass(frozen=True)
class Small:
    """A network with every kind of kernel and few weights: analysers read every constant."""

    name: str = "a small ??/ network"
    labels: tuple[str, ...] = ("yes", 'say "no"', "قف")
    scheme: None = None
    frontend: FrontEnd = PICTURES
    detector: DetectorConfig = field(default_factory=DetectorConfig)

    def graph(self) -> Graph:
        n = self.frontend.n_features
        cell = Stack((LMU(n, 6, 4, 20.0, 2), LEM(6, 5, dt=0.3), Norm(5), Dense(5, 3)))
        return trace(cell, cell.init(np.random.default_rng(1)))

    def reference(self) -> Graph:
        return self.graph()


@cache
def small(weights: Literal["model", "4"]) -> tuple[str, Mapping[str, str]]:
    """Prefix and texts."""
    x = np.random.default_rng(2).uniform(0, 255, (8, 30, PICTURES.n_features)).astype(np.float32)
    made = TARGET.convert(Small(), COptions(weights=weights), x)
    texts = {n: t.decode("ascii") for n, t in made.parts.items() if n.endswith((".c", ".h"))}
    return made.facts["c"]["prefix"], texts


def have(*tools: str) -> None:
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")


def on(name: str) -> Board:
    board = BOARDS[name]
    have(*board.missing())
    return board


def sound() -> npt.NDArray[np.int16]:
    """1.6 s: silence, noise that swells, a chirp, square waves, full scale."""
    rng = np.random.default_rng(3)
    part = 4096
    ramp = np.arange(part) / part
    pieces = [
        np.zeros(part),
        rng.normal(size=part) * 8000 * ramp,
        15000 * np.sin(ramp**2 * part * 0.6),
        np.where(np.arange(part) // 20 % 2, 9000, -9000),
        rng.choice([-32768, 32767], part),
        rng.normal(size=part) * 300,
    ]
    return np.asarray(np.clip(np.concatenate(pieces), -32768, 32767), np.int16)


def heard(form: str, samples: npt.NDArray[np.int16]) -> list[tuple[list[int], list[int], int]]:
    """Logits, posteriors and label of every feature vector, by the integer semantics."""
    made, it = model(), program(form)
    ears = IntegerFrontEnd.of(made.frontend)
    take = FeatureInput(ears.scale, it.tensors[it.input].form)
    logit = it.tensors[it.output].form
    detector = IntegerDetector(
        made.detector, made.labels, made.frontend.frame_period, scale=float(logit.scale)
    )
    ops, states, found = IntegerOps(it), it.zero_state(), []
    for features in ears.features(samples):
        states, values = ops.step(states, take(features))
        logits = values[it.output]
        event = detector.push(logits)
        label = -1 if event is None else made.labels.index(event.label)
        found.append((logits.tolist(), detector.posteriors.tolist(), label))
    return found


LISTEN = """
#include "board.h"
#include "PREFIX.h"
#include "sound.h"

static PREFIX_listener listener;

int main(void)
{
    PREFIX_listener_init(&listener);
    for (uint32_t at = 0; at + PREFIX_SAMPLES_ <= sizeof sound / sizeof sound[0];
         at += PREFIX_SAMPLES_) {
        const int32_t label = PREFIX_listen(&listener, &sound[at]);
        board_write(listener.logits, sizeof listener.logits);
        board_write(listener.posteriors, sizeof listener.posteriors);
        board_write(&label, sizeof label);
    }
    return 0;
}
"""


def listening(form: str) -> dict[str, str]:
    main = LISTEN.replace("PREFIX_SAMPLES_", f"{PREFIX.upper()}_SAMPLES").replace("PREFIX", PREFIX)
    table = f"static const int16_t sound[] = {{\n    {rows(sound().tolist())}\n}};\n"
    return {**sources(form), "main.c": main, "sound.h": f"#include <stdint.h>\n{table}"}


BOARD_CASES = [
    *((name, "int8", ("-O2",)) for name in BOARDS),
    ("host", "int8", SANITISERS),
    ("host", "4 bits", (*SANITISERS, "-march=native")),
    ("host", "int16, 4 bits", SANITISERS),
    ("arm64", "int16", ("-O3",)),
    ("armv7", "4 bits", ("-O3", "-mfpu=neon")),
    ("cortex-m4", "int8", ("-O2", f"-D{PREFIX.upper()}_USE_DSP")),
    ("cortex-m4", "4 bits", ("-O2", f"-D{PREFIX.upper()}_USE_DSP")),
    ("cortex-m7", "2 bits", ("-Os",)),
    ("cortex-m7", "int16", ("-O2", f"-D{PREFIX.upper()}_USE_DSP")),
]


@pytest.mark.parametrize(("name", "form", "flags"), BOARD_CASES)
def test_sound_to_labels_on_every_board(
    name: str, form: str, flags: tuple[str, ...], tmp_path: Path
) -> None:
    board = on(name)
    made = emulation.build(board, tmp_path, listening(form), flags)
    output = emulation.run(board, made)
    bits = program(form).tensors[program(form).output].form.bits
    n_out = len(model().labels)
    row = np.dtype([("logits", f"i{bits // 8}", n_out), ("p", "u2", n_out), ("label", "i4")])
    got = np.frombuffer(output, row)
    wanted = heard(form, sound())
    # the first calls give nothing: the front end waits for a whole vector
    delay = len(got) - len(wanted)
    assert len(wanted) > 60
    assert 0 <= delay <= 2
    for at, (logits, posteriors, label) in enumerate(wanted, delay):
        assert got[at]["logits"].tolist() == logits, at
        assert got[at]["p"].tolist() == posteriors, at
        assert got[at]["label"] == label, at


def test_valgrind_finds_nothing(tmp_path: Path) -> None:
    have("valgrind")
    # vector units read tables on into what follows: within their bounds
    board = Board("", (), ("valgrind", "-q", "--error-exitcode=9", "--track-origins=yes"))
    texts = listening("4 bits")
    texts["main.c"] = texts["main.c"].replace("sizeof sound / sizeof sound[0]", "3200U")
    made = emulation.build(board, tmp_path, texts, ("-O3", "-g", "-mavx2"))
    assert emulation.run(board, made)


def test_cppcheck_finds_nothing(tmp_path: Path) -> None:
    have("cppcheck")
    prefix, texts = small("model")
    write(tmp_path, texts)
    done = subprocess.run(
        [
            "cppcheck",
            "--std=c99",
            "--enable=warning,performance,portability",
            "--inconclusive",
            "--error-exitcode=5",
            "--quiet",
            "--suppress=missingIncludeSystem",
            f"{prefix}.c",
            "main.c",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_clang_tidy_finds_nothing(tmp_path: Path) -> None:
    found = next((name for name in ("clang-tidy", "clang-tidy-14") if shutil.which(name)), None)
    if found is None:
        pytest.skip("not installed: clang-tidy")
    prefix, texts = small("4")
    write(tmp_path, texts)
    checks = "-*,clang-analyzer-*,bugprone-*,cert-*,misc-*,portability-*,"
    # arguments of one type in a row are what kernels are made of; memcpy_s is no part of C99
    checks += "-bugprone-easily-swappable-parameters,"
    # gcc's -Wconversion has its own say; which of two limits is the smaller follows from constants
    checks += "-bugprone-narrowing-conversions,-misc-redundant-expression,"
    # an index is a product of sizes, which fit 32 bits
    checks += "-bugprone-implicit-widening-of-multiplication-result,"
    checks += "-clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling"
    done = subprocess.run(
        [found, f"--checks={checks}", "--warnings-as-errors=*", f"{prefix}.c", "--", "-std=c99"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[:3000]


def write(folder: Path, texts: Mapping[str, str]) -> None:
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="ascii")


def test_needs_nothing_but_copying(tmp_path: Path) -> None:
    """No heap, no floats, no stdio: of other code only memory functions and 64-bit division."""
    board = on("cortex-m4")
    emulation.build(board, tmp_path, listening("int8"))
    needed = emulation.needed_symbols(board, [tmp_path / f"{PREFIX}.c.o"])
    copying = {"memcpy", "memset", "memmove"}
    division = {"__aeabi_uldivmod", "__aeabi_ldivmod", "__aeabi_lasr", "__aeabi_llsr"}
    assert "memcpy" in needed
    assert needed <= copying | division
    flash, ram = emulation.sizes(board, [tmp_path / f"{PREFIX}.c.o"])
    assert ram == 0
    assert flash < 64 * 1024


def test_no_word_of_floating_point() -> None:
    for name, text in sources("int8").items():
        code = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
        assert not re.search(r"\b(float|double|malloc|calloc|free|printf)\b|\d\.\d", code), name


def test_states_its_memory(tmp_path: Path) -> None:
    facts: Any = TARGET.convert(model(), COptions(), calibration()).facts["c"]
    main = (
        f'#include "{PREFIX}.h"\n'
        f"typedef char network[sizeof({PREFIX}_state) == {facts['ram']} ? 1 : -1];\n"
        f"typedef char all[sizeof({PREFIX}_listener) == {facts['listener_ram']} ? 1 : -1];\n"
        "int main(void) { return 0; }\n"
    )
    for name in ("host", "cortex-m4"):
        folder = tmp_path / name
        folder.mkdir()
        emulation.build(on(name), folder, {**sources("int8"), "main.c": main})


def test_packed_weights_count_by_their_bits() -> None:
    sizes = {
        form: TARGET.convert(model(), OPTIONS[form], calibration()).facts["c"]["flash"]
        for form in ("int8", "4 bits", "2 bits")
    }
    matrices = {
        bits: sum(
            int(program(form).arrays[name].size)
            for name, weight in program(form).weights.items()
            if weight.bits == bits
        )
        for bits, form in ((4, "4 bits"), (2, "2 bits"))
    }
    assert matrices[4] == matrices[2] > 30_000
    # rows begin with a byte of their own: a few fields are left empty
    for form, share in (("4 bits", 1 / 2), ("2 bits", 3 / 4)):
        saved = sizes["int8"] - sizes[form]
        assert 0 <= share * matrices[4] - saved < 0.02 * matrices[4]


def test_the_header_serves_c_plus_plus(tmp_path: Path) -> None:
    have("g++")
    write(tmp_path, sources("int8"))
    (tmp_path / "use.cpp").write_text(
        f'#include "{PREFIX}.h"\n#include "{PREFIX}_golden.h"\n'
        f"int main() {{ static {PREFIX}_listener l; {PREFIX}_listener_init(&l); "
        f"return {PREFIX}_golden_inputs[0] + {PREFIX}_golden_logits[0] > 1000; }}\n"
    )
    subprocess.run(["gcc", "-std=c99", "-c", f"{PREFIX}.c"], cwd=tmp_path, check=True)
    flags = ["-Wall", "-Wextra", "-Werror", "use.cpp", f"{PREFIX}.o", "-o", "use"]
    subprocess.run(["g++", *flags], cwd=tmp_path, check=True)


def test_the_example_agrees_with_its_test_vectors(tmp_path: Path) -> None:
    write(tmp_path, converted("int8"))
    flags = ["-std=c99", "-O2", *emulation.WARNINGS, f"{PREFIX}.c", "main.c", "-o", "example"]
    subprocess.run(["gcc", *flags], cwd=tmp_path, check=True)
    command = [str(tmp_path / "example")]
    done = subprocess.run(command, input=b"", capture_output=True, check=True)
    assert done.stdout.startswith(b"0 of ")
    # and says so when they differ
    golden = tmp_path / f"{PREFIX}_golden.h"
    text = golden.read_text()
    first = re.search(r"_golden_logits\[\] = \{\n\s+(-?\d+),", text)
    assert first is not None
    changed = text[: first.start(1)] + str(int(first[1]) ^ 1) + text[first.end(1) :]
    golden.write_text(changed)
    subprocess.run(["gcc", *flags], cwd=tmp_path, check=True)
    failed = subprocess.run(command, input=b"", capture_output=True, check=False)
    assert (failed.returncode, failed.stdout[:5]) == (1, b"1 of ")


def test_cmake_builds_and_tests(tmp_path: Path) -> None:
    have("cmake", "ctest")
    parts = TARGET.convert(model(), COptions(), calibration()).parts
    for name, data in parts.items():
        (tmp_path / name).write_bytes(data)
    for command in (
        ["cmake", "-S", ".", "-B", "build"],
        ["cmake", "--build", "build"],
        ["ctest", "--test-dir", "build", "--output-on-failure"],
    ):
        done = subprocess.run(
            command, cwd=tmp_path, capture_output=True, stdin=subprocess.DEVNULL, check=False
        )
        assert done.returncode == 0, done.stdout.decode()[-2000:]


CMSIS_HEADER = """
#include <stdint.h>
typedef struct { void *buf; int32_t size; } cmsis_nn_context;
typedef struct { int32_t min; int32_t max; } cmsis_nn_activation;
typedef struct {
    int32_t input_offset;
    int32_t filter_offset;
    int32_t output_offset;
    cmsis_nn_activation activation;
} cmsis_nn_fc_params;
typedef struct { int32_t *multiplier; int32_t *shift; } cmsis_nn_per_channel_quant_params;
typedef struct { int32_t n; int32_t h; int32_t w; int32_t c; } cmsis_nn_dims;
typedef enum { ARM_CMSIS_NN_SUCCESS = 0 } arm_cmsis_nn_status;
arm_cmsis_nn_status arm_fully_connected_per_channel_s8(
    const cmsis_nn_context *ctx, const cmsis_nn_fc_params *fc_params,
    const cmsis_nn_per_channel_quant_params *quant_params, const cmsis_nn_dims *input_dims,
    const int8_t *input_data, const cmsis_nn_dims *filter_dims, const int8_t *filter_data,
    const cmsis_nn_dims *bias_dims, const int32_t *bias_data, const cmsis_nn_dims *output_dims,
    int8_t *output_data);
"""

CMSIS_SOURCE = """
#include "arm_nnfunctions.h"

/* What the library's documentation says of this function, in as many words. */
static int32_t requantised(int32_t value, int32_t multiplier, int32_t shift)
{
    const int64_t wide = (int64_t)value * ((int64_t)1 << (shift > 0 ? shift : 0)) * multiplier;
    const int64_t high = (wide + (1 << 30)) >> 31;
    const int32_t right = shift < 0 ? -shift : 0;
    const int64_t magnitude = high < 0 ? -high : high;
    const int64_t nearest = (magnitude + (((int64_t)1 << right) >> 1)) >> right;

    return (int32_t)(high < 0 ? -nearest : nearest);
}

arm_cmsis_nn_status arm_fully_connected_per_channel_s8(
    const cmsis_nn_context *ctx, const cmsis_nn_fc_params *fc_params,
    const cmsis_nn_per_channel_quant_params *quant_params, const cmsis_nn_dims *input_dims,
    const int8_t *input_data, const cmsis_nn_dims *filter_dims, const int8_t *filter_data,
    const cmsis_nn_dims *bias_dims, const int32_t *bias_data, const cmsis_nn_dims *output_dims,
    int8_t *output_data)
{
    (void)bias_dims;
    for (int32_t b = 0; b < input_dims->n; b++) {
        for (int32_t i = 0; i < output_dims->c; i++) {
            /* with an offset of 0 the kernel sums are the biases */
            int32_t sum = ((const int32_t *)ctx->buf)[i];
            sum += bias_data[i] - sum;
            for (int32_t j = 0; j < filter_dims->n; j++) {
                sum += (input_data[b * filter_dims->n + j] + fc_params->input_offset)
                    * filter_data[i * filter_dims->n + j];
            }
            sum = requantised(sum, quant_params->multiplier[i], quant_params->shift[i]);
            sum += fc_params->output_offset;
            sum = sum < fc_params->activation.min ? fc_params->activation.min : sum;
            sum = sum > fc_params->activation.max ? fc_params->activation.max : sum;
            output_data[b * output_dims->c + i] = (int8_t)sum;
        }
    }
    return ARM_CMSIS_NN_SUCCESS;
}
"""


@pytest.mark.parametrize("name", ["host", "cortex-m4"])
def test_calls_cmsis_nn_where_asked_to(name: str, tmp_path: Path) -> None:
    """Against a stand-in with the library's interface and rounding; the library is not here."""
    texts = {**listening("int8"), "arm_nnfunctions.h": CMSIS_HEADER, "cmsis.c": CMSIS_SOURCE}
    flags = ("-O2", f"-D{PREFIX.upper()}_USE_CMSIS_NN")
    board = on(name)
    made = emulation.build(board, tmp_path, texts, flags)
    calls = emulation.needed_symbols(board, [tmp_path / f"{PREFIX}.c.o"])
    assert "arm_fully_connected_per_channel_s8" in calls
    plain = tmp_path / "plain"
    plain.mkdir()
    without = emulation.build(BOARDS["host"], plain, listening("int8"))
    assert emulation.run(board, made) == emulation.run(BOARDS["host"], without)
