"""The next word of a text."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgemem.data.text import Vocabulary, read, words
from edgemem.errors import ConfigError, DataError
from edgemem.train.language import check_sizes, language_data
from edgemem.train.tasks.base import Task, TaskData
from edgemem.train.tasks.recipe import TaskRecipe


@dataclass(frozen=True)
class Options:
    """Options of the task.

    Parameters
    ----------
    vocabulary : int
        Words that are known, ``<unk>`` and ``<eos>`` among them; others are ``<unk>``.
    n_steps : int
        Words through which a gradient goes back.
    context : int
        Least words that a network has seen of a text before its predictions are counted, other
        than at the beginning of the text.
    """

    vocabulary: int = field(default=10_000, metadata={"help": "Words that are known."})
    n_steps: int = field(default=35, metadata={"help": "Words that a gradient goes back."})
    context: int = field(
        default=70, metadata={"help": "Words seen before predictions are counted."}
    )

    def __post_init__(self) -> None:
        check_sizes("word", self.n_steps, self.context)
        if self.vocabulary < 2:
            raise ConfigError(f"word: vocabulary must be 2 or more (got {self.vocabulary})")


def load(options: Options, root: Path | None, seed: int) -> TaskData:
    """A text file or a folder of three; known are the most frequent words of the training part."""
    if root is None:
        raise DataError("word: name a text file or folder with --data")
    text = read(root, words)
    vocabulary = Vocabulary.of(text.parts["train"], options.vocabulary)
    return language_data(root, text, vocabulary, options.n_steps, options.context, "perplexity")


EMBEDDING = {"cell": "dense", "n_out": 128}
"""What a word is turned into before the recurrent layer."""


def _recipe(cell: str, **values: Any) -> TaskRecipe:
    return TaskRecipe(
        cell,
        (EMBEDDING, values),
        epochs=8,
        batch=32,
        learning_rate=2e-3,
        schedule="cosine",
        clip_norm=1.0,
    )


TASK = Task(
    name="word",
    summary="predict the next word of a text",
    source="Mikolov et al. 2010; Rusch et al. 2022 (Penn Treebank)",
    load=load,
    recipes={
        "lem": _recipe("lem", n_units=128, dt=1.0),
        "lmu": _recipe(
            "lmu",
            n_units=160,
            order=4,
            theta=8.0,
            memory_d=32,
            input_to_hidden=True,
            hidden_to_hidden=True,
            hidden_to_memory=True,
        ),
        "lstm": _recipe("lstm", n_units=128),
        "gru": _recipe("gru", n_units=148),
    },
    Options=Options,
    data="a text file, or a folder with ptb.train.txt, ptb.valid.txt and ptb.test.txt",
    forecasts=True,
)
