"""The front end in C: the bits of the NumPy form, on every machine that is at hand."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from edgemem.frontend import PICTURES, RECORDINGS, FrontEnd, IntegerFrontEnd
from edgemem_c.frontend import frontend_c
from edgemem_c.parts import CPart

Samples = npt.NDArray[np.int16]
Build = Callable[[CPart, str], Callable[[bytes], bytes]]

FRONTENDS = {
    "pictures": PICTURES,
    "pairs": replace(PICTURES, stack=2),
    "mfcc": FrontEnd(kind="mfcc", n_mfcc=13, stack=3, window="hann_symmetric"),
    # a hop that no frame is a multiple of, and bands above a quarter of the sample rate
    "odd": FrontEnd(frame_length=401, hop_length=133, n_fft=512, f_max=8000.0, n_mels=20, stack=2),
    "long": FrontEnd(frame_length=1024, hop_length=512, n_fft=1024, f_min=60.0, f_max=7600.0),
    "falling": FrontEnd(gain=-230500.0, offset=1.0, floor_db=-120.0),
    "tiny": FrontEnd(frame_length=8, hop_length=8, n_fft=8, n_mels=1, f_min=1000.0, f_max=7000.0),
    "blocked": replace(RECORDINGS, stack=2),
    "blocked, odd": FrontEnd(
        frame_length=401, hop_length=133, f_max=8000.0, n_mels=20, stack=2, dc_pole=0.9
    ),
    "blocked, tiny": FrontEnd(
        frame_length=8,
        hop_length=8,
        n_fft=8,
        n_mels=1,
        f_min=1000.0,
        f_max=7000.0,
        dc_pole=0.9999,
    ),
    "loud floor": FrontEnd(floor_db=10.0, low=0.0, high=1.0, n_mels=3, f_max=8000.0),
}

MAIN = """
typedef char takes_the_memory_that_it_says[sizeof(kws_frontend_state) == RAM ? 1 : -1];

int main(void)
{
    static kws_frontend_state state;
    static int16_t samples[KWS_FRONTEND_SAMPLES];
    static int16_t features[KWS_FRONTEND_FEATURES];

    kws_frontend_reset(&state);
    while (fread(samples, sizeof samples, 1, stdin) == 1) {
        if (kws_frontend_push(&state, samples, features) != 0) {
            (void)fwrite(features, sizeof features, 1, stdout);
        }
    }
    return 0;
}
"""


def sounds(count: int) -> Samples:
    """Noise of every level, silence, square waves, the lowest sample, a chirp."""
    rng = np.random.default_rng(7)
    part = count // 8
    places = np.arange(part)
    levels = np.exp2(np.arange(part) * 15 / part)
    pieces = [
        np.clip(rng.standard_normal(part) * levels, -32768, 32767),
        np.zeros(part),
        np.where(places % 2 == 0, 32767, -32768),
        np.where(places % 37 < 18, 32767, -32768),
        np.full(part, -32768),
        rng.integers(-32768, 32768, part),
        20000 * np.sin(places**2 * np.pi / (4 * part)),
        rng.integers(-1, 2, part),
    ]
    return np.asarray(np.concatenate(pieces), np.int16)


@pytest.mark.parametrize("name", FRONTENDS)
def test_c_gives_the_bits_of_numpy(name: str, build: Build) -> None:
    form = IntegerFrontEnd.of(FRONTENDS[name])
    samples = sounds(48000)
    part = frontend_c(form, "kws")
    output = build(part, MAIN.replace("RAM", str(part.ram)))(samples.tobytes())
    got = np.frombuffer(output, np.int16).reshape(-1, form.n_features)
    push = form.config.stack * form.config.hop_length
    expected = form.features(samples[: len(samples) // push * push])
    assert len(expected) > 20
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("name", ["pairs", "blocked"])
def test_reset_forgets_every_sample(name: str, build: Build) -> None:
    form = IntegerFrontEnd.of(FRONTENDS[name])
    samples = sounds(6400)
    part = frontend_c(form, "kws")
    main = MAIN.replace("RAM", str(part.ram)).replace(
        "    kws_frontend_reset(&state);\n",
        """    kws_frontend_reset(&state);
    memset(samples, 85, sizeof samples);
    (void)kws_frontend_push(&state, samples, features);
    (void)kws_frontend_push(&state, samples, features);
    kws_frontend_reset(&state);
""",
    )
    output = build(part, main)(samples.tobytes())
    assert output == form.features(samples).tobytes()


@pytest.mark.parametrize("name", ["pairs", "blocked"])
def test_a_cortex_m4_spends_no_more_than_it_says(
    name: str, for_cortex_m4: Callable[[CPart], str]
) -> None:
    part = frontend_c(IntegerFrontEnd.of(FRONTENDS[name]), "kws")
    symbols = [line.split() for line in for_cortex_m4(part).splitlines()]
    tables = sum(int(line[1], 16) for line in symbols if len(line) == 4 and line[2] in "rR")
    assert part.flash - 16 <= tables <= part.flash + 32  # a few scalars
    assert not any(kind in "bBdD" for *_, kind, _ in symbols)  # no memory but the caller's
    # no library but the compiler's own, none of floating point, no heap
    needed = {line[-1] for line in symbols if line[-2] == "U"}
    assert needed <= {"memcpy", "memmove", "memset"}
    # 3.3 kB of 64
    assert part.ram < 4096


def test_only_names_with_the_prefix_are_seen_outside(for_cortex_m4: Callable[[CPart], str]) -> None:
    part = frontend_c(IntegerFrontEnd.of(PICTURES), "hey")
    symbols = [line.split() for line in for_cortex_m4(part).splitlines()]
    outside = {line[-1] for line in symbols if line[-2] in "TDBRC"}
    assert outside == {"hey_frontend_reset", "hey_frontend_push"}
    assert set(re.findall(r"#define (\w+?)_", part.header)) == {"HEY"}


@pytest.mark.parametrize("name", ["pictures", "blocked"])
def test_nothing_in_it_is_a_floating_point_number(name: str) -> None:
    part = frontend_c(IntegerFrontEnd.of(FRONTENDS[name]), "kws")
    code = re.sub(r"/\*.*?\*/", "", part.header + part.source, flags=re.DOTALL)
    assert not re.search(r"\b(float|double)\b|\d\.\d|malloc", code)
