"""How much of a recording a network was trained on, and which part of a longer one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgemem.errors import ConfigError, refuse_unknown_fields

Samples = npt.NDArray[np.int16]

LONGEST = 60.0
"""Most seconds of a clip."""

_STEP = 0.01
# Of the most energy that a part holds: parts that hold so much hold the word.
_NEARLY = 0.99


@dataclass(frozen=True)
class Crop:
    """The part of a recording that stands for it.

    Parameters
    ----------
    seconds : float
        Its length. A shorter recording gets zeros at its end.
    center : bool
        Whether a longer one is cut around its energy; else it keeps its beginning.

    Raises
    ------
    ConfigError
        If ``seconds`` is no finite number above 0, at most :data:`LONGEST`.
    """

    seconds: float = 1.0
    center: bool = False

    def __post_init__(self) -> None:
        number = isinstance(self.seconds, (int, float)) and not isinstance(self.seconds, bool)
        if not number or not 0 < self.seconds <= LONGEST:
            raise ConfigError(
                f"clips of {self.seconds} s; expected a finite number above 0, at most {LONGEST:g}"
            )
        if not isinstance(self.center, bool):
            raise ConfigError(f"center is {self.center!r}; expected true or false")

    def n_samples(self, sample_rate: int) -> int:
        """Its length in samples."""
        return round(self.seconds * sample_rate)

    def start(self, samples: Samples, sample_rate: int) -> int:
        """First sample of a recording that is kept.

        With ``center`` the part of most energy, a constant left out. Many parts hold all of a short
        word; it is the middle one of those that do, moving away from the first, and so lies in the
        middle.
        """
        n = self.n_samples(sample_rate)
        if not self.center or len(samples) <= n:
            return 0
        step = max(1, round(_STEP * sample_rate))
        power = _power(samples, step)
        width = max(1, n // step)
        sums = np.concatenate([[0.0], np.cumsum(power)])
        held = sums[width:] - sums[:-width]
        best = int(held.argmax())
        enough = held >= _NEARLY * held[best]
        first = last = best
        while first > 0 and enough[first - 1]:
            first -= 1
        while last + 1 < len(enough) and enough[last + 1]:
            last += 1
        return min((first + last) // 2 * step, len(samples) - n)

    def of(self, samples: Samples, sample_rate: int) -> Samples:
        """The part of a recording that stands for it: ``n_samples`` samples."""
        start = self.start(samples, sample_rate)
        return fit(samples[start:], self.n_samples(sample_rate))

    def to_dict(self) -> dict[str, Any]:
        """The fields, as JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Crop:
        """The crop that a file describes; one that says nothing means a second from the beginning.

        Raises
        ------
        ConfigError
            If a field is unknown or has a value that cannot work.
        """
        if not isinstance(values, Mapping):
            raise ConfigError(f"crop is {values!r}; expected fields and values")
        refuse_unknown_fields("crop", values, ("seconds", "center"))
        return cls(**values)


SECOND = Crop()
"""The first second, as Speech Commands is heard."""


def fit(samples: Samples, n_samples: int) -> Samples:
    """Bring a clip to ``n_samples``: a short one gets zeros at its end, a long one loses its end.

    This is the rule of the reference code of Speech Commands.
    """
    if len(samples) >= n_samples:
        return samples[:n_samples]
    return np.concatenate([samples, np.zeros(n_samples - len(samples), np.int16)])


def energy(samples: Samples) -> npt.NDArray[np.float64]:
    """Energy that has come by the end of each sample, (n,); a constant left out."""
    values = samples.astype(np.float64)
    come: npt.NDArray[np.float64] = np.cumsum((values - values.mean()) ** 2)
    return come


def _power(samples: Samples, step: int) -> npt.NDArray[np.float64]:
    """Energy of each whole step, a constant left out, above that of the quiet ones."""
    whole = len(samples) // step * step
    values = samples[:whole].astype(np.float64).reshape(-1, step)
    power: npt.NDArray[np.float64] = np.sum((values - samples.mean()) ** 2, axis=1)
    above: npt.NDArray[np.float64] = np.maximum(power - np.quantile(power, 0.1), 0.0)
    return above
