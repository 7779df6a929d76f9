"""What the live page is told of sound: frames in few bytes, and events."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgemem.runtime.lines import event_fields

if TYPE_CHECKING:
    from edgemem.listen.types import Heard
    from edgemem.runtime.network import Network

# Seconds at which the newest frame ends; frames, features, labels; peak level in tenths of dBFS.
HEADER = struct.Struct("<dHHHh")
# One step of a feature on its way; what lies beyond +-1024 is cut off there.
FEATURE_STEP = 1 / 32
SILENT = -999


@dataclass(frozen=True)
class WebFacts:
    """What the page has to know of a network.

    Parameters
    ----------
    name : str
    labels : tuple of str
        Name of each logit.
    frame_period : float
        Seconds between two feature vectors.
    sample_rate : int
        Samples a second.
    stack : int
        Number of consecutive frames in one feature vector, oldest first.
    axis : str
        What the features of a frame go along.
    """

    name: str
    labels: tuple[str, ...]
    frame_period: float
    sample_rate: int
    stack: int = 1
    axis: str = "features"

    @classmethod
    def of(cls, network: Network) -> WebFacts:
        """The facts of a network that is ready to run."""
        frontend = network.frontend
        mel = f"{frontend.f_min / 1000:g} to {frontend.f_max / 1000:g} kHz"
        return cls(
            name=network.path.stem,
            labels=network.labels,
            frame_period=frontend.frame_period,
            sample_rate=frontend.sample_rate,
            stack=frontend.stack,
            axis=mel if frontend.kind == "logmel" else "cepstra",
        )


def event_message(heard: Heard) -> dict[str, Any]:
    """An event, as the page lists it."""
    return {"kind": "event", "at": round(heard.at, 3), **event_fields(heard)}


def status_message(status: Mapping[str, Any]) -> dict[str, Any]:
    """How the loop does; numbers that are none have no place in JSON."""
    wrong = {
        name for name, value in status.items() if isinstance(value, float) and not isfinite(value)
    }
    return {"kind": "status", **{key: status[key] for key in status if key not in wrong}}


@dataclass(frozen=True)
class Frames:
    """Frames that follow each other, as they travel.

    Parameters
    ----------
    end : float
        Seconds from the source's beginning at which the newest frame ends.
    features : (k, n_features) int16 array
        In steps of :data:`FEATURE_STEP`.
    posteriors : (k, n_labels) uint8 array
        In steps of 1/255.
    level : int
        Peak of their samples, in tenths of dBFS.
    """

    end: float
    features: npt.NDArray[np.int16]
    posteriors: npt.NDArray[np.uint8]
    level: int

    @classmethod
    def of(
        cls,
        end: float,
        features: npt.NDArray[np.floating[Any]],
        posteriors: npt.NDArray[np.floating[Any]],
        peak: int,
    ) -> Frames:
        """Frames in few bytes.

        Parameters
        ----------
        end : float
            As above.
        features : (k, n_features) array
        posteriors : (k, n_labels) array
            In [0, 1].
        peak : int
            Largest magnitude of a sample.
        """
        steps = np.clip(np.rint(features * (1 / FEATURE_STEP)), -32768, 32767).astype(np.int16)
        shares = np.rint(np.clip(posteriors, 0.0, 1.0) * 255).astype(np.uint8)
        level = round(200 * np.log10(peak / 32768)) if peak else SILENT
        return cls(end, steps, shares, int(level))

    def to_bytes(self) -> bytes:
        """``HEADER``, features, posteriors; little-endian, row after row."""
        k, n_features = self.features.shape
        head = HEADER.pack(self.end, k, n_features, self.posteriors.shape[1], self.level)
        return head + self.features.astype("<i2").tobytes() + self.posteriors.tobytes()


def joined(parts: Sequence[Frames]) -> Frames:
    """Several frames as one; the newest says when it ends."""
    return Frames(
        parts[-1].end,
        np.concatenate([part.features for part in parts]),
        np.concatenate([part.posteriors for part in parts]),
        max(part.level for part in parts),
    )
