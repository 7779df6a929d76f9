#!/usr/bin/env python3
"""Accuracy of 12-class keyword spotters in noise, at several signal-to-noise ratios.

Every clip of the split is mixed with a piece of background noise of the same split, so that the
mean power of the clip is that many decibels above the mean power of the noise; silence clips stay
as they are. Validation has log-mel pictures alone: there powers of mel bands are mixed, and the
float network reads them. Test has recordings: there samples are mixed and streamed through the
front end into the file that is named.

usage: noise.py DATA NETWORK ... [--split validation] [--snr 20 10 5 0] [--json FILE]

DATA holds the folders speech_commands_v0.02_logmel40, speech_commands_v0.02_test and
speech_commands_noise. NETWORK is a file or a pretrained name.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemem import pretrained
from edgemem.data import DataSet, list_clips, load, read_samples
from edgemem.data.background import cuts, recordings_of
from edgemem.data.protocols import SILENCE
from edgemem.data.types import Clip
from edgemem.evaluate.clips import score_clips
from edgemem.frontend import PICTURES
from edgemem.frontend.powers import band_features, band_powers
from edgemem.ir import trace
from edgemem.model import load as load_model
from edgemem.runtime.detector import pooled
from edgemem.runtime.network import open_network

PROTOCOL = "12"
SEED = 0
BATCH = 500


def mixed(signal: NDArray[Any], noise: NDArray[Any], snr: float, power: float) -> NDArray[Any]:
    """Signal plus noise at a ratio of mean ``|values|**power``, of the values of each clip."""
    axes = tuple(range(1, signal.ndim))
    loud, quiet = (
        (np.abs(values) ** power).mean(axis=axes, keepdims=True) + 1e-12
        for values in (signal, noise)
    )
    factor = (loud / quiet * 10.0 ** (-snr / 10.0)) ** (1.0 / power)
    return np.asarray(signal + noise * factor)


def noisy_pictures(data: DataSet, snr: float | None) -> NDArray[np.float32]:
    """Validation clips with validation silence mixed in, shape (n, n_frames, n_bands)."""
    clips = data.validation
    features = clips.features.astype(np.float32)
    if snr is None:
        return features
    silent = clips.labels == data.labels.index(SILENCE)
    rng = np.random.default_rng([SEED, 5])
    noise = features[rng.choice(np.flatnonzero(silent), len(features))]
    front = data.frontend
    signal, other = (band_powers(values, front) for values in (features, noise))
    sum_ = band_features(mixed(signal, other, snr, 1.0), front)
    sum_[silent] = features[silent]
    return sum_


def on_validation(network: str, data: DataSet, snr: float | None) -> float:
    """Accuracy of the float network."""
    model = load_model(pretrained.resolve(network, pretrained.MODEL))
    graph = trace(model.cell, model.params)
    features = model.frontend.stack_frames(noisy_pictures(data, snr)).astype(float)
    right = 0
    for start in range(0, len(features), BATCH):
        logits, _ = graph.scan(features[start : start + BATCH])
        decided = pooled(logits, model.detector.window).argmax(axis=1)
        right += int((decided == data.validation.labels[start : start + BATCH]).sum())
    return right / len(features)


def noisy_recordings(folder: Path, clips: list[Clip], snr: float | None) -> Callable[..., Any]:
    """A reader of recordings with test background mixed in."""
    rate = PICTURES.sample_rate
    recordings, _ = recordings_of(sorted(folder.glob("*.wav")), rate)
    samples = {recording.path: recording.samples for recording in recordings}
    pieces = cuts(recordings, "test", len(clips), rate, SEED)
    noise_of = {clip.name: piece for clip, piece in zip(clips, pieces)}

    def read(clip: Clip) -> NDArray[np.int16]:
        signal = read_samples(clip, rate)
        if snr is None or clip.label == SILENCE:
            return signal
        piece = noise_of[clip.name]
        start = piece.cut.start if piece.cut else 0
        noise = samples[piece.path][start : start + rate]
        sum_ = mixed(signal[None].astype(float), noise[None].astype(float), snr, 2.0)[0]
        return np.asarray(np.clip(np.rint(sum_), -32768, 32767), np.int16)

    return read


def on_test(network: str, root: Path, snr: float | None) -> float:
    """Accuracy of the network as its file runs it."""
    opened = open_network(network)
    clips, _ = list_clips(
        root / "speech_commands_v0.02_test", PROTOCOL, "test", labels=opened.labels
    )
    folder = root / "speech_commands_noise" / "_background_noise_"
    return score_clips(opened.listener(), clips, noisy_recordings(folder, clips, snr)).accuracy


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("networks", nargs="+")
    parser.add_argument("--split", choices=("validation", "test"), default="validation")
    parser.add_argument("--snr", nargs="+", type=float, default=[20.0, 10.0, 5.0, 0.0])
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    levels: list[float | None] = [None, *options.snr]
    if options.split == "validation":
        data = load(
            options.data / "speech_commands_v0.02_logmel40",
            PROTOCOL,
            PICTURES,
            options.cache,
            ("validation",),
            background=options.data / "speech_commands_noise" / "_background_noise_",
        )
    rows = {}
    print("| network | clean |" + "".join(f" {snr:g} dB |" for snr in options.snr))
    print("|---" * (len(levels) + 1) + "|")
    for network in options.networks:
        rows[network] = [
            on_validation(network, data, snr)
            if options.split == "validation"
            else on_test(network, options.data, snr)
            for snr in levels
        ]
        cells = "".join(f" {accuracy:.2%} |" for accuracy in rows[network])
        print(f"| {Path(network).stem} |{cells}", flush=True)
    if options.json:
        found = {"split": options.split, "snr": levels, "accuracy": rows}
        options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
