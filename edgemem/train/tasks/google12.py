"""Keywords by the LEM authors' own protocol, which is not the canonical one of 12 classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgemem.data.layouts import Inventory, inventory
from edgemem.data.stores import FileStore
from edgemem.data.types import SPLITS, Clip, Skipped
from edgemem.data.whole_clip import N_MELS, WholeClipReader
from edgemem.errors import DataError
from edgemem.train.tasks.base import Goal, NoOptions, Sequences, Shuffled, Task, TaskData
from edgemem.train.tasks.recipe import TaskRecipe

WORDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
LABELS = ("unknown", "silence", *WORDS)
"""In the authors' order."""

WHERE = (
    "a folder of Speech Commands v0.02 (speech_commands_v0.02.tar.gz): a folder of recordings for "
    "each word, validation_list.txt, testing_list.txt, _background_noise_"
)


@dataclass(frozen=True)
class Halved(Sequences):
    """Sequences kept in half precision, so that 85,000 clips fit into 2 GB."""

    def take(self, chosen: npt.NDArray[np.int64]) -> Sequences:
        return Sequences(self.x[chosen].astype(np.float32), self.y[chosen])


def label_of(word: str) -> int:
    """Class of a folder: of its word, ``silence``, or ``unknown``, which is every other word."""
    if word == "_silence_":
        return LABELS.index("silence")
    return LABELS.index(word) if word in WORDS else LABELS.index("unknown")


def load(options: NoOptions, root: Path | None, seed: int) -> TaskData:
    """All clips of the official lists; background recordings, one sequence each, are silence."""
    if root is None:
        raise DataError(f"google12: name {WHERE} with --data")
    found = inventory(root)
    if found.kind != "sound":
        raise DataError(f"{root} holds {found.kind} features, not recordings; expected {WHERE}")
    parts, skipped = {}, list(found.report.skipped)
    for split in SPLITS:
        parts[split], left = _read(_clips(found, split))
        skipped += left
    _check(root, parts)
    counts = {split: np.bincount(part.y, minlength=len(LABELS)) for split, part in parts.items()}
    return TaskData(
        train=Shuffled(parts["train"]),
        validation=parts["validation"],
        test=parts["test"],
        goal=Goal("last", "classes", "accuracy"),
        n_in=N_MELS,
        labels=LABELS,
        facts={
            "protocol": "Google12 as in the LEM authors' code",
            "not_comparable": "with the canonical test of 12 classes (4,890 clips): every other "
            "word is unknown, none left out, and no test clip is silence",
            "cannot_stream": "each clip is scaled by its own loudest value, mean and deviation",
            "layout": found.layout,
            "clips": {
                split: {name: int(n) for name, n in zip(LABELS, counts[split])} for split in SPLITS
            },
            "share_of_unknown_in_test": float(counts["test"][0] / counts["test"].sum()),
            "skipped": len(skipped),
        },
    )


def _clips(found: Inventory, split: str) -> list[Clip]:
    words = [
        Clip(file.path, LABELS[label_of(file.word)], file.name)
        for file in found.files
        if file.split == split
    ]
    if split != "train":
        return words
    # no list names them: they stay behind when the other splits are moved away
    return words + [Clip(path, "silence", path.name) for path in found.background]


def _read(clips: Sequence[Clip]) -> tuple[Sequences, list[Skipped]]:
    features, bad = FileStore(WholeClipReader()).features(clips)
    kept = np.array([place for place in range(len(clips)) if place not in bad], np.int64)
    labels = np.array([LABELS.index(clips[place].label) for place in kept], np.int64)
    skipped = [Skipped(clips[place].name, reason) for place, reason in bad.items()]
    return Halved(features[kept], labels), skipped


def _check(root: Path, parts: dict[str, Sequences]) -> None:
    for split, part in parts.items():
        if not len(part):
            raise DataError(f"{root} has no recording for {split}; expected {WHERE}")


def _recipe(cell: str, **values: Any) -> TaskRecipe:
    return TaskRecipe(
        cell,
        (values,),
        epochs=60,
        batch=100,
        learning_rate=8.9e-4,
        schedule="step",
        drop=50,
        dropout=0.03,
    )


TASK = Task(
    name="google12",
    summary="name a spoken keyword, by the LEM authors' own protocol",
    source="Rusch et al. 2022 and the authors' code; not the canonical 12-class test",
    load=load,
    recipes={
        "lem": _recipe("lem", n_units=128, dt=1.0),
        "lmu": _recipe("lmu", n_units=128, order=12, theta=126.0, memory_d=16),
        "lstm": _recipe("lstm", n_units=128),
        "gru": _recipe("gru", n_units=128),
    },
    data="the folder of Speech Commands v0.02",
)
