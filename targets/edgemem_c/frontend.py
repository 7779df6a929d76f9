"""The integer front end as C99."""

from __future__ import annotations

import numpy as np

from edgemem.frontend import fft
from edgemem.frontend.blocker import MEAN_BITS, SHARE_BITS, share_of
from edgemem.frontend.integer import Int, IntegerFrontEnd

from .parts import CPart, render, rows

_UPPER = """\
        if (FRONTEND_M - k <= FRONTEND_BINS) {
            frontend_store_power(high, sum_re - turned_re, sum_im - turned_im);
        }
"""
"""Only where a band reaches above a quarter of the sample rate."""

_MEAN = """\
    int32_t mean; /* of the samples before the next frame, $bits fraction bits */
""".replace("$bits", str(MEAN_BITS))

_LOAD = """\

    frontend_load(z, frame);
"""

_LOAD_BLOCKED = """\
    int32_t here = *mean;

    frontend_load(z, frame, &here);
    /* the next frame begins a hop later */
    for (half = 0; half < FRONTEND_HOP; half++) {
        (void)frontend_blocked(mean, frame[half]);
    }
"""

_SAMPLE_BLOCKED = """
                            frontend_blocked(mean, frame[n])"""

_BEGIN = """\
    if (state->missing == 0) { /* before the first sample stands the first sample itself */
        state->missing = -1;
        state->mean = state->samples[0] * (INT32_C(1) << FRONTEND_MEAN_BITS);
    }
"""


def frontend_c(form: IntegerFrontEnd, prefix: str) -> CPart:
    """C that computes the bits of :meth:`IntegerFrontEnd.stream`.

    One push takes the samples of one feature vector, ``stack * hop_length``.

    Parameters
    ----------
    form : IntegerFrontEnd
    prefix : str
        A lower-case C identifier.
    """
    config = form.config
    push = config.stack * config.hop_length
    # the last frame of a vector ends inside its last push
    waited = -(-(config.frame_length - config.hop_length) // push)
    sizes = {
        "push": push,
        "kept": (waited + 1) * push,
        "delay": waited,
        "n_fft": config.n_fft,
        "rate": config.sample_rate,
        "n_features": config.n_features,
        "fraction_bits": form.fraction_bits,
        "summary": _summary(form),
        "mean": "" if config.dc_pole is None else _MEAN,
        "prefix": prefix,
        "PREFIX": prefix.upper(),
    }
    tables, flash = _tables(form)
    describe = "logmel.c.in"
    values: dict[str, object] = {}
    if form.dct is not None:
        describe = "mfcc.c.in"
        values = {"n_dct": form.dct.size, "dct": rows(form.dct.ravel())}
        flash += 4 * form.dct.size
    source = render(
        "frontend.c.in",
        **sizes,
        **tables,
        **_constants(form),
        **_blocker(config.dc_pole),
        describe=render(describe, **values),
    )
    ram = 4 * config.n_fft + 2 * (waited + 1) * push + 4
    if config.dc_pole is not None:
        ram += 4
    return CPart(render("frontend.h.in", **sizes), source, -(-ram // 4) * 4, flash)


def _blocker(pole: float | None) -> dict[str, str]:
    """What a DC blocker puts into the source; nothing without one."""
    if pole is None:
        none = dict.fromkeys(("blocker", "take_mean", "pass_mean", "give_mean", "begin"), "")
        return {**none, "sample": " frame[n]", "load": _LOAD}
    facts = {"mean_bits": MEAN_BITS, "share": share_of(pole), "share_bits": SHARE_BITS}
    return {
        "blocker": render("blocker.c.in", **facts),
        "take_mean": ", int32_t *mean",
        "pass_mean": ", mean",
        "give_mean": ", &state->mean",
        "begin": _BEGIN,
        "sample": _SAMPLE_BLOCKED,
        "load": _LOAD_BLOCKED,
    }


def _summary(form: IntegerFrontEnd) -> str:
    config = form.config
    kind = "MFCC" if config.kind == "mfcc" else "log-mel"
    return (
        f"{config.n_bands} {kind} features of {config.frame_length} samples every "
        f"{config.hop_length},\n   {config.stack} to a vector"
    )


def _constants(form: IntegerFrontEnd) -> dict[str, object]:
    config = form.config
    upper = form.filters.shape[1] > config.n_fft // 4
    return {
        "upper": _UPPER if upper else "",
        "constant": "" if upper else "const ",
        "frame": config.frame_length,
        "hop": config.hop_length,
        "stack": config.stack,
        "n_bins": form.filters.shape[1],
        "period": form.period,
        "window_shift": form.window_shift,
        "twiddle_bits": fft.TWIDDLE_BITS,
        "n_mels": config.n_mels,
        "n_bands": config.n_bands,
        "reference": form.reference,
        "multiplier": form.multiplier,
        "shift": form.shift,
        "lowest": form.lowest,
        "highest": form.highest,
        "floor_high": form.floor >> fft.WORD_BITS,
        "floor_low": form.floor & ((1 << fft.WORD_BITS) - 1),
        "offset": form.offset,
        "weight_bits": form.weight_bits,
    }


def _tables(form: IntegerFrontEnd) -> tuple[dict[str, object], int]:
    """Tables by name with their lengths, and their bytes."""
    quarter = fft.quarter_wave(form.config.n_fft)
    sine = np.concatenate([quarter[::-1], quarter[1:-1], -quarter[::-1]])[:-1]
    bands, weights = _sparse(form.filters)
    values = {
        "window": rows(form.window),
        "n_window": len(form.window),
        "sine": rows(sine),
        "n_sine": len(sine),
        "weights": rows(weights),
        "n_weights": len(weights),
        "bands": rows(f"{{{first}, {count}}}" for first, count in bands),
        "log": rows(fft.LOG_TABLE),
        "n_log": len(fft.LOG_TABLE),
    }
    words = len(form.window) + len(sine) + len(fft.LOG_TABLE) + len(bands)
    return values, 4 * words + 2 * len(weights)


def _sparse(filters: Int) -> tuple[list[tuple[int, int]], list[int]]:
    """First bin and number of bins of each band, and the weights in a row."""
    bands, weights = [], []
    for row in filters:
        used = np.flatnonzero(row)
        first, last = int(used[0]), int(used[-1])
        bands.append((first + 1, last - first + 1))
        weights.extend(row[first : last + 1].tolist())
    return bands, weights
