"""What the headers of recordings say that somebody should know before training on them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgemem.data.types import Clip
from edgemem.errors import AudioError, MissingExtraError
from edgemem.runtime.crop import Crop, energy
from edgemem.runtime.soundfiles import Notes, Samples, about
from edgemem.runtime.sources import read_clip


@dataclass(frozen=True)
class Longer:
    """Recordings of which a part is kept.

    Parameters
    ----------
    clips : int
        Their number.
    longest : float
        Seconds of the longest.
    middle : float
        Second by which half of the energy has come, in the median.
    losing : int
        In how many more than half of the energy lies outside of the part that is kept.
    losing_centered : int
        The same were they cut around their energy.
    """

    clips: int
    longest: float
    middle: float
    losing: int
    losing_centered: int


class Survey:
    """Looks at the headers of recordings.

    Parameters
    ----------
    crop : Crop
        What is kept of each.
    sample_rate : int
        Rate at which they are heard.
    """

    def __init__(self, crop: Crop, sample_rate: int) -> None:
        self._crop, self._rate = crop, sample_rate
        self._notes = Notes(sample_rate)
        self._count = 0
        self._longest = 0.0
        self._long: list[Path] = []

    def look(self, clips: Iterable[Clip]) -> None:
        """Look at more; who reads them says what is wrong with one."""
        for clip in clips:
            if clip.cut is not None:
                continue
            try:
                found = about(clip.path)
            except (AudioError, MissingExtraError):
                continue
            self._count += 1
            self._notes.add(clip.name, found)
            if found.seconds > self._crop.seconds:
                self._long.append(clip.path)
                self._longest = max(self._longest, found.seconds)

    def longer(self) -> Longer | None:
        """Where the energy of the long ones lies; each of them is read."""
        around = Crop(self._crop.seconds, center=True)
        middles, kept = [], []
        for path in self._long:
            try:
                samples = read_clip(path, self._rate)
            except AudioError:
                continue
            come = energy(samples)
            if come[-1] > 0:
                middles.append(int(np.searchsorted(come, come[-1] / 2)) / self._rate)
                kept.append([self._share(samples, come, crop) for crop in (self._crop, around)])
        if not kept:
            return None
        losing = (np.array(kept) < 0.5).sum(axis=0)
        middle = round(float(np.median(middles)), 2)
        return Longer(len(kept), round(self._longest, 2), middle, int(losing[0]), int(losing[1]))

    def _share(self, samples: Samples, come: npt.NDArray[np.float64], crop: Crop) -> float:
        """Share of the energy in the part that ``crop`` keeps."""
        start = crop.start(samples, self._rate)
        end = min(start + crop.n_samples(self._rate), len(samples))
        return float((come[end - 1] - (come[start - 1] if start else 0.0)) / come[-1])

    def notes(self, longer: Longer | None = None) -> tuple[str, ...]:
        """Sentences about all that was looked at; with ``longer`` also where energy lies."""
        lines = self._notes.lines()
        if self._long:
            lines.append(self._about_long(longer))
        return tuple(lines)

    def _about_long(self, longer: Longer | None) -> str:
        seconds = f"{self._crop.seconds:g} s"
        kept, remedy = f"the first {seconds}", "--center keeps the part of most energy, --seconds"
        if self._crop.center:
            kept, remedy = f"the {seconds} of most energy", "--seconds"
        text = (
            f"{len(self._long)} of {self._count} clips are longer than {seconds} (up to "
            f"{self._longest:.1f} s), {kept} of each "
        )
        if longer is None:
            return (
                f"{text}is kept; {remedy} keeps more, and edgemem data check says where the "
                "energy lies"
            )
        instead = "" if self._crop.center else f" ({longer.losing_centered} with --center)"
        return (
            f"{text}is kept: in {longer.losing}{instead} more than half of the energy lies "
            f"elsewhere, its middle at {longer.middle:g} s in the median; {remedy} keeps more"
        )
