"""What is really said in a scene, and when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgemem.data.scenes.material import Material
from edgemem.data.scenes.schedule import CLEAN, Scene

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

NO_KEYWORD = -1
"""Label of a word that is no keyword."""


@dataclass(frozen=True, eq=False)
class Truth:
    """The words of a scene, in order of time, and the conditions under which they are said.

    Parameters
    ----------
    starts, ends : (n,) array
        Of each word, in seconds.
    labels : (n,) int array
        Position in the network's labels, or :data:`NO_KEYWORD`.
    said : tuple of str
        The word itself, as its data set has it.
    conditions : tuple of float
        The signal-to-noise ratios of the scene.
    word_conditions : (n,) int array
        Position in ``conditions`` of each word.
    borders : (m,) array
        Where each stretch starts, in seconds.
    stretch_conditions : (m,) int array
    hours : (n_conditions,) array
        Hours under each condition.
    empty : (m,) bool array
        Which stretches have no word at all.
    """

    starts: Floats
    ends: Floats
    labels: Ints
    said: tuple[str, ...]
    conditions: tuple[float, ...]
    word_conditions: Ints
    borders: Floats
    stretch_conditions: Ints
    hours: Floats
    empty: npt.NDArray[np.bool_]

    @property
    def spans(self) -> Floats:
        """Length of each stretch, in hours."""
        end = 3600.0 * float(self.hours.sum())
        return np.asarray(np.diff(np.append(self.borders, end)) / 3600.0)

    @property
    def keywords(self) -> npt.NDArray[np.bool_]:
        """Which words are keywords."""
        return np.asarray(self.labels != NO_KEYWORD)

    def stretches_at(self, times: Floats) -> Ints:
        """Number of the stretch that holds each time."""
        at = np.searchsorted(self.borders, times, side="right") - 1
        return np.asarray(np.clip(at, 0, None))

    def conditions_at(self, times: Floats) -> Ints:
        """Position in ``conditions`` of what holds at each time."""
        return np.asarray(self.stretch_conditions[self.stretches_at(times)])


def truth_of(
    scene: Scene, material: Material, labels: Sequence[str], keywords: Sequence[str]
) -> Truth:
    """Truth of a scene.

    Parameters
    ----------
    scene : Scene
    material : Material
    labels : sequence of str
        Labels of the network.
    keywords : sequence of str
        Those that can fire.
    """
    rate = material.frontend.sample_rate
    conditions = tuple(sorted({stretch.snr for stretch in scene.stretches}, reverse=True))
    number = {snr: index for index, snr in enumerate(conditions)}
    position = {label: labels.index(label) for label in keywords}
    words = [(word, number[stretch.snr]) for stretch in scene.stretches for word in stretch.words]
    clips = [word.clip for word, _ in words]
    begins = np.array([word.start for word, _ in words], np.int64)
    places = begins[:, None] + material.extents[clips]
    hours = np.zeros(len(conditions))
    for stretch in scene.stretches:
        hours[number[stretch.snr]] += stretch.length / rate / 3600.0
    return Truth(
        starts=places[:, 0] / rate,
        ends=places[:, 1] / rate,
        labels=np.array(
            [position.get(material.clips[clip].label, NO_KEYWORD) for clip in clips], np.int64
        ),
        said=tuple(material.words[clip] for clip in clips),
        conditions=conditions,
        word_conditions=np.array([condition for _, condition in words], np.int64),
        borders=np.array([stretch.start / rate for stretch in scene.stretches]),
        stretch_conditions=np.array([number[s.snr] for s in scene.stretches], np.int64),
        hours=hours,
        empty=np.array([not stretch.words for stretch in scene.stretches], bool),
    )


def condition_name(snr: float) -> str:
    """A condition in words: ``clean`` or ``10 dB``."""
    return "clean" if snr == CLEAN else f"{snr:g} dB"
