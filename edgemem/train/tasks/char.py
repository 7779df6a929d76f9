"""The next character of a text."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgemem.data.text import Vocabulary, read_characters
from edgemem.errors import DataError
from edgemem.train.language import check_sizes, language_data
from edgemem.train.tasks.base import Task, TaskData
from edgemem.train.tasks.recipe import TaskRecipe


@dataclass(frozen=True)
class Options:
    """Options of the task.

    Parameters
    ----------
    n_steps : int
        Characters through which a gradient goes back.
    context : int
        Least characters that a network has seen of a text before its predictions are counted,
        other than at the beginning of the text.
    """

    n_steps: int = field(default=64, metadata={"help": "Characters that a gradient goes back."})
    context: int = field(
        default=100, metadata={"help": "Characters seen before predictions are counted."}
    )

    def __post_init__(self) -> None:
        check_sizes("char", self.n_steps, self.context)


def load(options: Options, root: Path | None, seed: int) -> TaskData:
    """A text file or a folder of three; all characters of the training part are known."""
    if root is None:
        raise DataError("char: name a text file or folder with --data")
    text = read_characters(root)
    vocabulary = Vocabulary.of(text.parts["train"])
    return language_data(root, text, vocabulary, options.n_steps, options.context, "bpc")


def _recipe(cell: str, *layers: dict[str, Any], **own: Any) -> TaskRecipe:
    values = {"epochs": 8, "batch": 32, "learning_rate": 5e-3, "clip_norm": 1.0}
    return TaskRecipe(cell, layers, **{"schedule": "cosine", **values, **own})


TASK = Task(
    name="char",
    summary="predict the next character of a text",
    source="Mikolov et al. 2012; Rusch et al. 2022 (Penn Treebank)",
    load=load,
    recipes={
        "lem": _recipe("lem", {"n_units": 128, "dt": 1.0}),
        "lmu": _recipe(
            "lmu",
            {
                "n_units": 224,
                "order": 6,
                "theta": 16.0,
                "memory_d": 16,
                "input_to_hidden": True,
                "hidden_to_hidden": True,
                "hidden_to_memory": True,
            },
        ),
        "lstm": _recipe("lstm", {"n_units": 128}),
        "gru": _recipe("gru", {"n_units": 148}),
    },
    Options=Options,
    data="a text file, or a folder with train.txt, valid.txt and test.txt (or ptb.train.txt ...)",
    forecasts=True,
)
