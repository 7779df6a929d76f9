"""The event loop: samples, feature vectors, logits, events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from edgemem.errors import ArtefactError
from edgemem.frontend import FrontEnd
from edgemem.runtime.detector import Detector, DetectorConfig, Event

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgemem.target import Runner


class Listener:
    """A front end, a runner and a detector in a row; no thread, all state in the three.

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
        self.detector = Detector(detector, labels, frontend.frame_period, frontend.lead)
        self._stream = frontend.stream()
        self.reset()

    def reset(self) -> None:
        """Start anew: every stage forgets what it heard."""
        self._stream.reset()
        self.runner.reset()
        self.detector.reset()

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
        frames = self._stream.push(samples)
        out = np.empty((len(frames), self.runner.n_out), np.float32)
        for index, frame in enumerate(frames):
            out[index] = self.runner.step(frame)
        return out

    def push(self, samples: npt.NDArray[np.int16]) -> list[Event]:
        """Events that a block of samples brings.

        Parameters
        ----------
        samples : (n,) int16 array
        """
        events = (self.detector.push(logits) for logits in self.logits(samples))
        return [event for event in events if event is not None]
