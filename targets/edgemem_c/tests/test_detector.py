"""The detector in C: the bits of the NumPy form, on every machine that is at hand."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Union

import numpy as np
import numpy.typing as npt
import pytest

from edgemem.runtime.integer_detector import IntegerDetector
from edgemem.runtime.rule import DetectorConfig, KeywordRule
from edgemem_c.detector import detector_c
from edgemem_c.parts import CPart

Build = Callable[[CPart, str], Callable[[bytes], bytes]]
Logits = Union[npt.NDArray[np.int8], npt.NDArray[np.int16]]

LABELS = ("_silence_", "_unknown_", "yes", "no", "up", "down")
CASES = {
    "ordinary": (DetectorConfig(window=29, threshold=0.62, release=0.31), 8, 0.1),
    "wide": (DetectorConfig(window=7, threshold=0.8, release=0.0), 16, 0.0005),
    "no memory": (DetectorConfig(1, 1e-6, 0.0, 0.0, ignore=()), 8, 0.2),
    "sure": (DetectorConfig(3, 1.0, 1.0, 0.04), 16, 0.01),
    "fine": (DetectorConfig(window=300), 16, 1e-9),
    "own windows": (
        DetectorConfig(
            9,
            0.5,
            0.4,
            0.1,
            keywords={
                "yes": KeywordRule(3, 0.4, 0.1, 0.0),
                "no": KeywordRule(window=21, threshold=0.9),
                "down": KeywordRule(window=3, refractory=1.0),
            },
        ),
        8,
        0.1,
    ),
    "own levels": (
        DetectorConfig(
            5, 0.5, 0.4, 0.1, keywords={"up": KeywordRule(threshold=0.9999), "no": KeywordRule()}
        ),
        16,
        0.001,
    ),
    "coarse": (DetectorConfig(window=2, refractory=0.0), 8, 900.0),
}

MAIN = """
typedef char takes_the_memory_that_it_says[sizeof(kws_detector_state) == RAM ? 1 : -1];

int main(void)
{
    static kws_detector_state state;
    LOGIT logits[KWS_DETECTOR_LABELS];
    uint16_t posteriors[KWS_DETECTOR_LABELS];

    kws_detector_reset(&state);
    while (fread(logits, sizeof logits, 1, stdin) == 1) {
        const int32_t heard = kws_detector_push(&state, logits, posteriors);

        (void)fwrite(posteriors, sizeof posteriors, 1, stdout);
        (void)fwrite(&heard, sizeof heard, 1, stdout);
    }
    return 0;
}
"""

ROW = np.dtype([("posteriors", np.uint16, len(LABELS)), ("heard", np.int32)])


def logits_of(bits: int, count: int) -> Logits:
    """Vectors in which a label stands out for a while; the lowest and highest, all equal."""
    rng = np.random.default_rng(bits)
    top = 2 ** (bits - 1)
    speaker = np.repeat(rng.integers(0, 6, count // 25), 25)
    height = np.repeat(rng.uniform(0, 1.5, count // 25), 25)
    rows = rng.normal(0, 0.1, (len(speaker), 6)) + height[:, None] * np.eye(6)[speaker]
    ends = rng.choice([-top, top - 1], (50, 6))
    rows = np.concatenate([rows * top, ends, np.full((50, 6), -top), [[-top] + 5 * [top - 1]] * 50])
    whole = np.rint(rows).clip(-top, top - 1)
    return np.asarray(whole, np.int8) if bits == 8 else np.asarray(whole, np.int16)


def detector(name: str) -> IntegerDetector:
    config, _, scale = CASES[name]
    return IntegerDetector(config, LABELS, 0.02, scale=scale)


@pytest.mark.parametrize("name", CASES)
def test_c_gives_the_bits_of_numpy(name: str, build: Build) -> None:
    numpy, bits = detector(name), CASES[name][1]
    logits = logits_of(bits, 2000)
    part = detector_c(numpy.rule, bits, "kws")
    main = MAIN.replace("LOGIT", f"int{bits}_t").replace("RAM", str(part.ram))
    rows = np.frombuffer(build(part, main)(logits.tobytes()), ROW)
    assert len(rows) == len(logits)
    events = 0
    for row, vector in zip(rows, logits):
        event = numpy.push(vector)
        np.testing.assert_array_equal(row["posteriors"], numpy.posteriors)
        assert row["heard"] == (-1 if event is None else LABELS.index(event.label))
        events += event is not None
    assert events or name in ("fine", "sure")


def test_a_cortex_m4_needs_no_library_but_its_compilers(
    for_cortex_m4: Callable[[CPart], str],
) -> None:
    part = detector_c(detector("ordinary").rule, 8, "kws")
    symbols = [line.split() for line in for_cortex_m4(part).splitlines()]
    assert {line[-1] for line in symbols if line[-2] in "TDBRC"} == {
        "kws_detector_reset",
        "kws_detector_push",
    }
    needed = {line[-1] for line in symbols if line[-2] == "U"}
    assert needed <= {"memcpy", "memset", "__aeabi_uldivmod", "__aeabi_ldivmod"}
    code = re.sub(r"/\*.*?\*/", "", part.header + part.source, flags=re.DOTALL)
    assert not re.search(r"\b(float|double)\b|\d\.\d|malloc", code)
