"""Batches of an epoch: which clips, in which order, how varied; all of it follows a seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from edgemem.data import DataSet
from edgemem.data.protocols import SILENCE, UNKNOWN
from edgemem.errors import DataError
from edgemem.frontend import FrontEnd
from edgemem.train.augment import Augmenter
from edgemem.train.negatives import negatives
from edgemem.train.recipes import Recipe

Frames = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]

SILENT, PARTIAL = -1, -2
"""What an epoch has in place of a clip: noise alone, and parts of words."""


@dataclass(frozen=True)
class Batches:
    """Training batches of a data set.

    Parameters
    ----------
    data : DataSet
    recipe : Recipe
    seed : int
    first : int
        Number of the first epoch: what follows on earlier training draws what that did not.
    more : (n,) int64 array, optional
        Positions of training clips of other words that come once more in every epoch, or as often
        as they stand there.

    Raises
    ------
    DataError
        If the clips are too few for a batch, or too short for a step.
    """

    data: DataSet
    recipe: Recipe
    seed: int
    first: int = 0
    more: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    def __post_init__(self) -> None:
        if self.n_steps < 1:
            raise DataError(
                f"clips of {self.data.train.features.shape[1]} frames are too short for a network "
                f"that reads {self.recipe.frames} frames a step"
            )
        if self.n_batches < 1:
            raise DataError(
                f"{len(self.data.train)} training clips do not fill one batch of "
                f"{self.recipe.batch}; give more clips or a smaller --batch"
            )

    @property
    def frontend(self) -> FrontEnd:
        """The front end of what the network sees: frames stacked."""
        return replace(self.data.frontend, stack=self.recipe.frames)

    @property
    def n_steps(self) -> int:
        """Length of the sequences."""
        return int(self.data.train.features.shape[1]) // self.recipe.frames

    @property
    def window(self) -> int:
        """Steps at the end of a sequence over which logits are averaged."""
        return max(1, min(self.n_steps, round(self.recipe.window / self.frontend.frame_period)))

    @property
    def n_batches(self) -> int:
        """Batches in an epoch."""
        return (sum(self._counts()) + len(self.more)) // self.recipe.batch

    @property
    def frequencies(self) -> npt.NDArray[np.float64]:
        """How often each label comes in an epoch, relative to the mean: (n_labels,)."""
        _, unknown, silence, parts = self._counts()
        counts = np.bincount(self.data.train.labels, minlength=len(self.data.labels)).astype(float)
        if self._unknown is not None:
            counts[self._unknown] = unknown + parts + len(self.more)
        if self._silence is not None:
            counts[self._silence] = silence
        relative: npt.NDArray[np.float64] = np.maximum(counts, 1.0) / counts.mean()
        return relative

    def epoch(self, number: int) -> Iterator[tuple[Frames, Labels]]:
        """Features (batch, n_steps, n_in) and labels (batch,) of epoch ``number``, from 0."""
        rng = np.random.default_rng([self.seed, self.first + number])
        chosen = self._choose(rng)
        augmenter = Augmenter(self.recipe.augmentation, self.data.frontend, self.data.background)
        for start in range(0, self.n_batches * self.recipe.batch, self.recipe.batch):
            yield self._batch(chosen[start : start + self.recipe.batch], augmenter, rng)

    def _counts(self) -> tuple[int, int, int, int]:
        """Clips of words, other words, made-up silence and parts of words in an epoch."""
        special = [i for i in (self._unknown, self._silence) if i is not None]
        words = int((~np.isin(self.data.train.labels, special)).sum())
        mean = words / max(1, len(self.data.labels) - len(special))
        unknown = silence = parts = 0
        if self._unknown is not None:
            there = int((self.data.train.labels == self._unknown).sum())
            unknown = min(there, round(self.recipe.unknown * mean))
            parts = round(self.recipe.parts * mean)
        if self._silence is not None:
            silence = round(self.recipe.silence * mean)
        return words, unknown, silence, parts

    @property
    def _unknown(self) -> int | None:
        """Label of other words."""
        return self.data.labels.index(UNKNOWN) if UNKNOWN in self.data.labels else None

    @property
    def _silence(self) -> int | None:
        """Label of made-up silence; without background the set's own silence is like a word."""
        there = SILENCE in self.data.labels and len(self.data.background) > 0
        return self.data.labels.index(SILENCE) if there else None

    def _choose(self, rng: np.random.Generator) -> npt.NDArray[np.int64]:
        """Positions in the training split, shuffled; SILENT and PARTIAL stand for what is made."""
        train = self.data.train.labels
        _, n_unknown, n_silence, n_parts = self._counts()
        is_unknown = train == (-1 if self._unknown is None else self._unknown)
        is_silence = train == (-1 if self._silence is None else self._silence)
        words = np.flatnonzero(~is_unknown & ~is_silence)
        unknown = rng.choice(np.flatnonzero(is_unknown), n_unknown, replace=False)
        made = np.repeat([SILENT, PARTIAL], [n_silence, n_parts])
        return rng.permutation(np.concatenate([words, unknown, self.more, made]))

    def _batch(
        self, chosen: npt.NDArray[np.int64], augmenter: Augmenter, rng: np.random.Generator
    ) -> tuple[Frames, Labels]:
        silent = chosen == SILENT
        labels = np.empty(len(chosen), np.int64)
        frames = np.empty((len(chosen), *self.data.train.features.shape[1:]), np.float32)
        frames[~silent], labels[~silent] = self._words(chosen[~silent], rng)
        frames[~silent] = augmenter.speech(frames[~silent], rng)
        if self._silence is not None and silent.any():
            frames[silent] = augmenter.silence(int(silent.sum()), rng)
            labels[silent] = self._silence
        return self.frontend.stack_frames(frames), labels

    def _words(
        self, chosen: npt.NDArray[np.int64], rng: np.random.Generator
    ) -> tuple[Frames, Labels]:
        """Clips and labels of words, of which ``PARTIAL`` ones are made of others."""
        train = self.data.train
        partial = chosen == PARTIAL
        frames = train.features[np.where(partial, 0, chosen)].astype(np.float32)
        labels = train.labels[np.where(partial, 0, chosen)]
        if self._unknown is not None and partial.any():
            frames[partial] = self._parts(int(partial.sum()), rng)
            labels[partial] = self._unknown
        return frames, labels

    def _parts(self, n: int, rng: np.random.Generator) -> Frames:
        """Parts of words; both clips of a splice have other labels, or are other words."""
        train = self.data.train
        first, second = rng.integers(0, len(train), (2, n))
        for _ in range(3):
            same = (train.labels[first] == train.labels[second]) & (
                train.labels[first] != self._unknown
            )
            second[same] = rng.integers(0, len(train), int(same.sum()))
        first, second = (train.features[c].astype(np.float32) for c in (first, second))
        return negatives(first, second, self.data.frontend, rng)
