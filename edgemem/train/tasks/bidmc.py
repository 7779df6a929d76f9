"""Heart rate from two signals: BIDMC32HR of the time series regression archive."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from edgemem.data.ts import read_ts
from edgemem.errors import DataError
from edgemem.train.tasks.base import Goal, NoOptions, Sequences, Shuffled, Task, TaskData
from edgemem.train.tasks.recipe import TaskRecipe

FILES = ("BIDMC32HR_TRAIN.ts", "BIDMC32HR_TEST.ts")

WHERE = (
    "get Monash_UEA_UCR_Regression_Archive.zip (zenodo.org/record/3902651), unpack it, and name "
    f"the folder BIDMC32HR with {FILES[0]} and {FILES[1]}"
)

SHARE = 0.15
"""Of all sequences, for validation and for the test: 1,192 each of 7,949."""

SPLIT_SEED = 123_456
"""The split is the same for every run."""


def load(options: NoOptions, root: Path | None, seed: int) -> TaskData:
    """Both files together, drawn into 5,565 / 1,192 / 1,192 sequences of 4,000 steps."""
    if root is None:
        raise DataError(f"bidmc: {WHERE} with --data")
    parts = [read_ts(path) for path in _paths(root)]
    if any(part.classes for part in parts):
        raise DataError(f"{root}: the files have classes, not heart rates; {WHERE}")
    lengths = {int(n) for part in parts for n in part.lengths}
    if len(lengths) > 1:
        raise DataError(f"{root}: sequences of {min(lengths)} to {max(lengths)} steps; {WHERE}")
    x = np.concatenate([part.padded(max(lengths)) for part in parts])
    y = np.concatenate([part.values for part in parts])[:, None]
    order = np.random.default_rng(SPLIT_SEED).permutation(len(x))
    n_held = int(len(x) * SHARE)
    if not n_held:
        raise DataError(f"{root}: {len(x)} sequences do not fill three parts; {WHERE}")
    validation, test, train = (
        Sequences(x[places], y[places]) for places in np.split(order, (n_held, 2 * n_held))
    )
    return TaskData(
        train=Shuffled(train),
        validation=validation,
        test=test,
        goal=Goal("last", "values", "rmse"),
        n_in=x.shape[2],
        labels=("beats a minute",),
        facts={
            "protocol": "BIDMC32HR as in the LEM authors' code: both files, drawn into three parts",
            "patients": "windows of a patient are in every part",
            "sequences": {"train": len(train), "validation": n_held, "test": n_held},
            "length": x.shape[1],
            "sha256": {path.name: _digest(path) for path in _paths(root)},
            "rmse_of_the_mean": float(np.sqrt(np.mean((test.y - train.y.mean()) ** 2))),
        },
    )


def _paths(root: Path) -> tuple[Path, ...]:
    inside = root / "BIDMC32HR"
    folder = inside if inside.is_dir() else root
    for name in FILES:
        if not (folder / name).is_file():
            raise DataError(f"{folder} has no {name}; {WHERE}")
    return tuple(folder / name for name in FILES)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _recipe(cell: str, **values: Any) -> TaskRecipe:
    return TaskRecipe(
        cell,
        (values,),
        epochs=500,
        batch=32,
        learning_rate=2.11e-3,
        schedule="step",
        drop=250,
        clip_norm=0.0 if cell == "lem" else 1.0,
    )


TASK = Task(
    name="bidmc",
    summary="say the heart rate from 32 s of two signals",
    source="Tan et al. 2020 (BIDMC32HR); protocol of the code of Rusch et al. 2022",
    load=load,
    recipes={
        "lem": _recipe("lem", n_units=128, dt=0.2371),
        "lmu": _recipe("lmu", n_units=128, order=64, theta=1000.0, memory_d=2),
        "lstm": _recipe("lstm", n_units=128),
        "gru": _recipe("gru", n_units=128),
    },
    data="the folder BIDMC32HR with its two .ts files",
)
