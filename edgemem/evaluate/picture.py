"""A picture of what a network hears in a recording."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgemem import drawing
from edgemem.errors import AudioError
from edgemem.runtime.detector import Detector, Event
from edgemem.runtime.network import Network
from edgemem.runtime.soundfiles import Samples

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Heard:
    """Every stage between a recording and its events.

    Parameters
    ----------
    times : (t,) array
        When each feature vector is complete, in seconds.
    features : (t, n_features) array
    posteriors : (t, n_labels) array
        Smoothed, as the detector compares them with its threshold.
    events : tuple of Event
    """

    times: Array
    features: npt.NDArray[np.float32]
    posteriors: Array
    events: tuple[Event, ...]


def hear(network: Network, samples: Samples) -> Heard:
    """Stream a recording through a network, from the zero state, and keep what every stage gave.

    Parameters
    ----------
    network : Network
    samples : (n,) int16 array

    Raises
    ------
    AudioError
        If the recording is shorter than one feature vector.
    """
    frontend, runner = network.frontend, network.runner
    features = frontend.features(samples)
    if not len(features):
        raise AudioError(
            f"the recording has {len(samples)} samples, fewer than one feature vector takes"
        )
    detector = Detector(network.detector, network.labels, frontend.frame_period, frontend.lead)
    runner.reset()
    posteriors, events = [], []
    for vector in features:
        event = detector.push(runner.step(vector))
        posteriors.append(detector.posteriors)
        if event is not None:
            events.append(event)
    runner.reset()
    counted = np.arange(1, len(features) + 1, dtype=np.float64)
    times = frontend.lead + frontend.frame_period * counted
    return Heard(times, features, np.array(posteriors), tuple(events))


def draw(network: Network, samples: Samples, out: Path) -> Heard:
    """Write a picture of features, posteriors and events over time.

    Parameters
    ----------
    network : Network
    samples : (n,) int16 array
    out : Path
        PNG file.

    Raises
    ------
    MissingExtraError
        Without matplotlib.
    AudioError
        If the recording is shorter than one feature vector.
    OutputError
        If the file cannot be written.
    """
    heard = hear(network, samples)
    width = float(np.clip(0.5 * heard.times[-1], 7.0, 20.0))
    figure = drawing.figure(width, 5.0)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2, 3))
    _draw_features(above, network, heard)
    _draw_posteriors(below, network, heard)
    drawing.save(figure, out)
    return heard


def _draw_features(axes: Any, network: Network, heard: Heard) -> None:
    n_bands = network.frontend.n_bands
    frames = heard.features.reshape(-1, n_bands)
    end = heard.times[-1]
    axes.imshow(
        frames.T, origin="lower", aspect="auto", cmap="magma", extent=(0.0, end, 0, n_bands)
    )
    axes.set_ylabel(f"{network.frontend.kind} band")
    axes.set_title(network.path.name, loc="left", fontsize="medium")


def _draw_posteriors(axes: Any, network: Network, heard: Heard) -> None:
    rule = network.detector
    for label, posterior in zip(network.labels, heard.posteriors.T):
        silent = label in rule.ignore
        style = {"color": "0.75", "linewidth": 0.8} if silent else {"linewidth": 1.4}
        axes.plot(heard.times, posterior, label=label, **style)
    axes.axhline(rule.threshold, color="0.4", linestyle="--", linewidth=0.8)
    for event in heard.events:
        axes.axvline(event.time, color="0.4", linestyle=":", linewidth=0.8)
        axes.annotate(
            event.label, (event.time, 1.02), rotation=45, fontsize="small", annotation_clip=False
        )
    axes.set_ylim(0.0, 1.2)
    axes.set_xlim(0.0, heard.times[-1])
    axes.set_xlabel("time, s")
    axes.set_ylabel("posterior")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize="small", frameon=False)
