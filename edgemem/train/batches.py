"""Batches of an epoch: which clips, in which order, how varied; all of it follows a seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from edgemem.data import DataSet
from edgemem.data.protocols import SILENCE, UNKNOWN
from edgemem.errors import DataError
from edgemem.frontend import FrontEnd
from edgemem.train.augment import Augmenter
from edgemem.train.recipes import Recipe

Frames = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]


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

    Raises
    ------
    DataError
        If the clips are too few for a batch, or too short for a step.
    """

    data: DataSet
    recipe: Recipe
    seed: int
    first: int = 0

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
        words, unknown, silence = self._counts()
        return (words + unknown + silence) // self.recipe.batch

    def epoch(self, number: int) -> Iterator[tuple[Frames, Labels]]:
        """Features (batch, n_steps, n_in) and labels (batch,) of epoch ``number``, from 0."""
        rng = np.random.default_rng([self.seed, self.first + number])
        chosen = self._choose(rng)
        augmenter = Augmenter(self.recipe.augmentation, self.data.frontend, self.data.background)
        for start in range(0, self.n_batches * self.recipe.batch, self.recipe.batch):
            yield self._batch(chosen[start : start + self.recipe.batch], augmenter, rng)

    def _counts(self) -> tuple[int, int, int]:
        """Clips of words, of other words, and of made-up silence in an epoch."""
        special = [i for i in (self._unknown, self._silence) if i is not None]
        words = int((~np.isin(self.data.train.labels, special)).sum())
        mean = words / max(1, len(self.data.labels) - len(special))
        unknown = silence = 0
        if self._unknown is not None:
            there = int((self.data.train.labels == self._unknown).sum())
            unknown = min(there, round(self.recipe.unknown * mean))
        if self._silence is not None:
            silence = round(self.recipe.silence * mean)
        return words, unknown, silence

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
        """Positions in the training split, shuffled; -1 stands for silence."""
        train = self.data.train.labels
        _, n_unknown, n_silence = self._counts()
        is_unknown = train == (-1 if self._unknown is None else self._unknown)
        is_silence = train == (-1 if self._silence is None else self._silence)
        words = np.flatnonzero(~is_unknown & ~is_silence)
        unknown = rng.choice(np.flatnonzero(is_unknown), n_unknown, replace=False)
        return rng.permutation(np.concatenate([words, unknown, np.full(n_silence, -1)]))

    def _batch(
        self, chosen: npt.NDArray[np.int64], augmenter: Augmenter, rng: np.random.Generator
    ) -> tuple[Frames, Labels]:
        spoken = chosen >= 0
        clips = self.data.train.features
        frames = np.empty((len(chosen), *clips.shape[1:]), np.float32)
        frames[spoken] = augmenter.speech(clips[chosen[spoken]].astype(np.float32), rng)
        labels = np.empty(len(chosen), np.int64)
        labels[spoken] = self.data.train.labels[chosen[spoken]]
        if not spoken.all():
            frames[~spoken] = augmenter.silence(int((~spoken).sum()), rng)
            labels[~spoken] = self._silence
        return self.frontend.stack_frames(frames), labels
