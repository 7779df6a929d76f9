"""Sets of the UEA and UCR archives: name the class of a series."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from edgemem.data.ts import MISSING, SeriesSet, read_ts
from edgemem.errors import ConfigError, DataError, UnknownNameError
from edgemem.train.tasks.base import Goal, Sequences, Shuffled, Task, TaskData
from edgemem.train.tasks.recipe import TaskRecipe

Places = npt.NDArray[np.int64]

SPLIT_SEED = 0
"""The validation series are the same for every run; a run's seed decides its start and order."""


@dataclass(frozen=True)
class Options:
    """Options of the task.

    Parameters
    ----------
    problem : str
        Name of the set, as its files are called.
    validation_share : float
        Of the official training series of each class.
    split_seed : int
        Draws the validation series.
    missing : {"refuse", "interpolate"}
    """

    problem: str = field(
        default="JapaneseVowels", metadata={"help": "Name of the set: NAME_TRAIN.ts, NAME_TEST.ts."}
    )
    validation_share: float = field(
        default=0.2, metadata={"help": "Share of the training series of each class, held."}
    )
    split_seed: int = field(
        default=SPLIT_SEED, metadata={"help": "Draws the series that are held."}
    )
    missing: Literal["refuse", "interpolate"] = field(
        default="refuse", metadata={"help": "What becomes of missing values."}
    )

    def __post_init__(self) -> None:
        if not 0 < self.validation_share < 1:
            raise ConfigError(f"validation_share must lie in (0, 1) (got {self.validation_share})")
        if self.split_seed < 0:
            raise ConfigError(f"split_seed must not be negative (got {self.split_seed})")
        if self.missing not in MISSING:
            raise UnknownNameError("way with missing values", self.missing, MISSING)


@dataclass(frozen=True)
class Scale:
    """Mean and deviation of each dimension.

    Parameters
    ----------
    mean, deviation : (n_dimensions,) float64 arrays
    """

    mean: npt.NDArray[np.float64]
    deviation: npt.NDArray[np.float64]

    @classmethod
    def none(cls, n_dimensions: int) -> Scale:
        """The scale that leaves values as they are."""
        return cls(np.zeros(n_dimensions), np.ones(n_dimensions))

    @classmethod
    def of(cls, series: tuple[npt.NDArray[np.float32], ...]) -> Scale:
        """Over all steps of all series; a dimension that never moves keeps its size."""
        steps = np.concatenate(series).astype(np.float64)
        deviation = steps.std(axis=0)
        return cls(steps.mean(axis=0), np.where(deviation > 0, deviation, 1.0))

    def sequences(self, part: SeriesSet, chosen: Places, n_steps: int) -> Sequences:
        """Some series of a set, standardised and padded, with lengths if they differ."""
        lengths = part.lengths[chosen]
        x = (part.padded(n_steps)[chosen] - self.mean) / self.deviation
        x = np.where((np.arange(n_steps) < lengths[:, None])[..., None], x, 0.0)
        return Sequences(x.astype(np.float32), part.indices[chosen], lengths)


def find(root: Path, problem: str) -> dict[str, Path]:
    """The two files of a set, in ``root`` or in a folder of the set's name there.

    Raises
    ------
    DataError
        If they are not there; it names the sets that are.
    """
    for folder in (root / problem, root):
        paths = {split: folder / f"{problem}_{split.upper()}.ts" for split in ("train", "test")}
        if all(path.is_file() for path in paths.values()):
            return paths
    known = sorted({path.name[: -len("_TRAIN.ts")] for path in root.glob("**/*_TRAIN.ts")})
    raise DataError(
        f"{root} has no {problem}_TRAIN.ts and {problem}_TEST.ts; sets there: "
        f"{', '.join(known[:20]) or 'none'}; the archives are at timeseriesclassification.com"
    )


def stratified(classes: Places, share: float, rng: np.random.Generator) -> tuple[Places, Places]:
    """Places of the kept and of the held series.

    Of every class the share is held, rounded, but at least one series and never all.

    Raises
    ------
    DataError
        If a class has one series only.
    """
    held: list[int] = []
    for label in np.unique(classes):
        places = rng.permutation(np.flatnonzero(classes == label))
        if len(places) < 2:
            raise DataError(
                f"class {label} has one training series, which cannot be for training and "
                "for validation"
            )
        held.extend(places[: min(max(1, round(share * len(places))), len(places) - 1)])
    kept = np.setdiff1d(np.arange(len(classes)), held)
    return kept, np.array(sorted(held), np.int64)


def read_pair(
    root: Path | None, problem: str, missing: str
) -> tuple[SeriesSet, SeriesSet, dict[str, str]]:
    """The training and the test file of a set, which must agree, and the sha256 of each.

    Raises
    ------
    DataError
        If a file is missing or damaged, or the two differ in classes or dimensions.
    """
    if root is None:
        raise DataError("--data must name the folder of the .ts files")
    paths = find(root, problem)
    train, test = (read_ts(paths[split], missing) for split in ("train", "test"))
    for part, split in ((train, "train"), (test, "test")):
        if not part.classes:
            raise DataError(f"{paths[split]} has target values; the task needs classes")
    if (train.classes, train.n_dimensions) != (test.classes, test.n_dimensions):
        raise DataError(
            f"{paths['train']} and {paths['test']} differ: {train.n_dimensions} and "
            f"{test.n_dimensions} dimensions, {len(train.classes)} and {len(test.classes)} classes"
        )
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths.values()}
    return train, test, digests


def load(options: Options, root: Path | None, seed: int) -> TaskData:
    """The official splits, a share of the training series held for validation."""
    train, test, digests = read_pair(root, options.problem, options.missing)
    kept, held = stratified(
        train.indices, options.validation_share, np.random.default_rng(options.split_seed)
    )
    facts: dict[str, Any] = {
        "protocol": "the official training and test series; validation from the training ones",
        "problem": train.name or options.problem,
        "split_seed": options.split_seed,
        "missing_values_filled": train.filled + test.filled,
        "sha256": digests,
    }
    scale = Scale.of(tuple(train.series[place] for place in kept))
    parts = ((train, kept), (train, held), (test, np.arange(len(test))))
    return make_data(parts, scale, facts)


Part = tuple[SeriesSet, Places]


def make_data(parts: tuple[Part, Part, Part], scale: Scale, facts: dict[str, Any]) -> TaskData:
    """Series of the three parts, brought to a scale."""
    lengths = np.concatenate([part.lengths[chosen] for part, chosen in parts])
    n_steps = int(lengths.max())
    made = [scale.sequences(part, chosen, n_steps) for part, chosen in parts]
    if lengths.min() == n_steps:
        made = [Sequences(one.x, one.y) for one in made]
    sizes = {split: len(one) for split, one in zip(("train", "validation", "test"), made)}
    first = parts[0][0]
    return TaskData(
        Shuffled(made[0]),
        made[1],
        made[2],
        Goal("last", "classes", "accuracy"),
        n_in=first.n_dimensions,
        labels=first.classes,
        facts={
            **facts,
            "sizes": sizes,
            "steps": [int(lengths.min()), n_steps],
            "mean": scale.mean.tolist(),
            "deviation": scale.deviation.tolist(),
        },
    )


def _recipe(cell: str, **layer: float) -> TaskRecipe:
    return TaskRecipe(
        cell,
        ({"n_units": 64, **layer},),
        epochs=100,
        batch=8,
        learning_rate=3e-3,
        schedule="cosine",
        warmup=2.0,
        clip_norm=1.0,
        dropout=0.3,
    )


TASK = Task(
    name="ucr",
    summary="name the class of a series of the UEA or UCR archive",
    source="Bagnall et al. 2018, the UEA archive; Dau et al. 2019, the UCR archive",
    load=load,
    recipes={
        # a hidden state of its own: what tells classes apart is often not linear in the past
        "lmu": _recipe("lmu", order=8, theta=32.0, memory_d=8, hidden_to_hidden=True),
        "lem": _recipe("lem", dt=0.3),
        "lstm": _recipe("lstm"),
        "gru": _recipe("gru"),
    },
    Options=Options,
    data="folder of the .ts files, or of folders named like the sets",
)
