"""The event loop: samples, feature vectors, logits, events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from edgemem.errors import ArtefactError
from edgemem.frontend import FrontEnd
from edgemem.runtime.detector import Detector, Event
from edgemem.runtime.rule import DetectorConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgemem.runtime.integer_detector import IntegerDetector
    from edgemem.target import IntegerRunner, Runner

Array = npt.NDArray[Any]


class Stream(Protocol):
    """Samples in, feature vectors out."""

    def reset(self) -> None: ...

    def push(self, samples: npt.NDArray[np.int16]) -> Array: ...


class Observed(NamedTuple):
    """What a block of samples brought.

    Attributes
    ----------
    features : (k, n_features) float32 array
        The feature vectors that it completed.
    posteriors : (k, n_labels) float32 array
        What the detector made of each.
    events : list of Event
    """

    features: npt.NDArray[np.float32]
    posteriors: npt.NDArray[np.float32]
    events: list[Event]


@dataclass(frozen=True)
class Road:
    """The stages between samples and events.

    Parameters
    ----------
    stream : Stream
    step : callable
        A feature vector to logits.
    detector : Detector or IntegerDetector
    reals : callable
        Logits to float logits.
    feature_scale, posterior_scale : float
        Size of one step of a feature and of a posterior; 1 where they are floats.
    """

    stream: Stream
    step: Callable[[Array], Array]
    detector: Detector | IntegerDetector
    reals: Callable[[Array], Array]
    feature_scale: float = 1.0
    posterior_scale: float = 1.0


def float_road(
    frontend: FrontEnd, runner: Runner, detector: DetectorConfig, labels: Sequence[str]
) -> Road:
    """Float features, float logits, float posteriors."""
    return Road(
        frontend.stream(),
        runner.step,
        Detector(detector, labels, frontend.frame_period, frontend.lead),
        np.asarray,
    )


def integer_road(
    frontend: FrontEnd, runner: IntegerRunner, detector: DetectorConfig, labels: Sequence[str]
) -> Road:
    """Integers from the samples to the events, as on a microcontroller.

    Raises
    ------
    ConfigError
        If the front end or the decision rule has no integer form.
    """
    from edgemem.frontend.integer import IntegerFrontEnd
    from edgemem.quantize.features import FeatureInput
    from edgemem.runtime.integer_detector import POSTERIOR_BITS, IntegerDetector

    ears = IntegerFrontEnd.of(frontend)
    take = FeatureInput(ears.scale, runner.input_format)
    form = runner.output_format
    return Road(
        ears.stream(),
        lambda features: runner.step_integers(take(features)),
        IntegerDetector(
            detector, labels, frontend.frame_period, frontend.lead, scale=float(form.scale)
        ),
        form.dequantize,
        float(ears.scale),
        2.0**-POSTERIOR_BITS,
    )


class Listener:
    """A front end, a runner and a detector in a row; no thread, all state in the three.

    A runner that speaks integers (:class:`~edgemem.target.IntegerRunner`) gets the integer forms of
    front end and detector.

    Parameters
    ----------
    frontend : FrontEnd
    runner : Runner
        Takes feature vectors (n_features,), gives logits (n_labels,).
    detector : DetectorConfig
    labels : sequence of str
        Name of each logit.

    Raises
    ------
    ArtefactError
        If the widths of the parts do not meet.
    """

    def __init__(
        self,
        frontend: FrontEnd,
        runner: Runner,
        detector: DetectorConfig,
        labels: Sequence[str],
    ) -> None:
        if (runner.n_in, runner.n_out) != (frontend.n_features, len(labels)):
            raise ArtefactError(
                f"the network maps {runner.n_in} features to {runner.n_out} logits, but the front "
                f"end gives {frontend.n_features} features and there are {len(labels)} labels; "
                "convert the model again"
            )
        self.frontend = frontend
        self.runner = runner
        lay: Callable[..., Road] = float_road
        if hasattr(runner, "step_integers"):
            lay = integer_road
        self._road = lay(frontend, runner, detector, labels)
        self.reset()

    @property
    def detector(self) -> Detector | IntegerDetector:
        """The stage that decides."""
        return self._road.detector

    def reset(self) -> None:
        """Start anew: every stage forgets what it heard."""
        self._road.stream.reset()
        self.runner.reset()
        self._road.detector.reset()

    def logits(self, samples: npt.NDArray[np.int16]) -> npt.NDArray[np.float32]:
        """Logits of the feature vectors that a block of samples completes.

        Goes past the detector.

        Parameters
        ----------
        samples : (n,) int16 array

        Returns
        -------
        (k, n_labels) float32 array
        """
        road = self._road
        frames = road.stream.push(samples)
        out = np.empty((len(frames), self.runner.n_out), np.float32)
        for index, frame in enumerate(frames):
            out[index] = road.reals(road.step(frame))
        return out

    def push(self, samples: npt.NDArray[np.int16]) -> list[Event]:
        """Events that a block of samples brings.

        Parameters
        ----------
        samples : (n,) int16 array
        """
        road = self._road
        frames = road.stream.push(samples)
        events = (road.detector.push(road.step(frame)) for frame in frames)
        return [event for event in events if event is not None]

    def observe(self, samples: npt.NDArray[np.int16]) -> Observed:
        """As :meth:`push`, with what led to the events, for people to look at.

        Parameters
        ----------
        samples : (n,) int16 array
        """
        road = self._road
        frames = road.stream.push(samples)
        posteriors = np.empty((len(frames), len(self.detector.labels)), np.float32)
        events = []
        for index, frame in enumerate(frames):
            event = road.detector.push(road.step(frame))
            posteriors[index] = road.detector.posteriors
            if event is not None:
                events.append(event)
        return Observed(
            np.asarray(frames * road.feature_scale, np.float32),
            posteriors * np.float32(road.posterior_scale),
            events,
        )

    def adopt(self, config: DetectorConfig) -> None:
        """Go on with another decision rule; time and all that was heard stay.

        Raises
        ------
        ConfigError, UnknownNameError
            If the rule does not suit the labels; the old one then still holds.
        """
        self._road.detector.adopt(config)
