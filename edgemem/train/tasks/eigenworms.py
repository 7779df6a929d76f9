"""EigenWorms: which mutant a worm is, from how it moves over 17,984 steps."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgemem.data.ts import SeriesSet
from edgemem.errors import DataError
from edgemem.train.tasks.base import NoOptions, Task, TaskData
from edgemem.train.tasks.recipe import TaskRecipe
from edgemem.train.tasks.ucr import Scale, make_data, read_pair

Places = npt.NDArray[np.int64]

PROBLEM = "EigenWorms"
SPLIT_SEED = 1234
"""Of the LEM authors' code, for both of its cuts."""

N_SERIES, N_STEPS, N_DIMENSIONS = 259, 17_984, 6
"""Of the archive's set: 128 training and 131 test series, which the authors put together."""

WHERE = (
    "get EigenWorms.zip from timeseriesclassification.com, unpack it and name the folder that "
    "holds EigenWorms_TRAIN.ts and EigenWorms_TEST.ts"
)


def cut(n: int, share: float, seed: int) -> tuple[Places, Places]:
    """Places that ``train_test_split`` of scikit-learn would give, without it.

    It permutes with NumPy's legacy generator; the first ``ceil(share * n)`` are the second part.

    Parameters
    ----------
    n : int
    share : float
        Of the second part, its ``test_size``.
    seed : int
        Its ``random_state``.
    """
    order = np.random.RandomState(seed).permutation(n)
    n_second = math.ceil(share * n)
    return order[n_second:], order[:n_second]


def load(options: NoOptions, root: Path | None, seed: int) -> TaskData:
    """All series in one, cut into 70 / 15 / 15 per cent; values as they are."""
    try:
        first, second, digests = read_pair(root, PROBLEM, "refuse")
    except DataError as error:
        raise DataError(f"{error}; {WHERE}") from error
    together = joined(first, second)
    if len(together) < 5:
        raise DataError(f"{len(together)} series are too few for three parts; {WHERE}")
    train, rest = cut(len(together), 0.3, SPLIT_SEED)
    validation, test = (rest[places] for places in cut(len(rest), 0.5, SPLIT_SEED))
    parts = ((together, train), (together, validation), (together, test))
    official = (len(together), together.n_dimensions) == (N_SERIES, N_DIMENSIONS) and bool(
        (together.lengths == N_STEPS).all()
    )
    facts: dict[str, Any] = {
        "protocol": "EigenWorms as in the LEM authors' code: 70 / 15 / 15 per cent of all series",
        "split_seed": SPLIT_SEED,
        "files": "of the official sizes" if official else "other",
        "sha256": digests,
    }
    return make_data(parts, Scale.none(together.n_dimensions), facts)


def joined(first: SeriesSet, second: SeriesSet) -> SeriesSet:
    """The series of two sets, one after the other."""
    return replace(
        first, series=(*first.series, *second.series), labels=(*first.labels, *second.labels)
    )


def _recipe(cell: str, **layer: float) -> TaskRecipe:
    return TaskRecipe(
        cell,
        ({"n_units": 32, **layer},),
        epochs=50,
        batch=8,
        learning_rate=6.09e-3,
        clip_norm=0.0 if cell == "lem" else 1.0,
    )


TASK = Task(
    name="eigenworms",
    summary="name the mutant of a worm by its movements over 17,984 steps",
    source="Brown et al. 2013, Bagnall et al. 2018; protocol of the code of Rusch et al. 2022",
    load=load,
    recipes={
        "lem": _recipe("lem", dt=1.7e-4),
        "lmu": _recipe("lmu", order=32, theta=float(N_STEPS), memory_d=6),
        "lstm": _recipe("lstm"),
        "gru": _recipe("gru"),
    },
    data="folder of EigenWorms_TRAIN.ts and EigenWorms_TEST.ts",
)
