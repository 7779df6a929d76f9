"""A whole training run: in floats, in the form that will run, or both, to a model file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from edgemem import model as models
from edgemem.cells import Stack
from edgemem.data import DataSet
from edgemem.errors import ConfigError
from edgemem.ir import trace
from edgemem.model import Model
from edgemem.train.batches import Batches
from edgemem.train.checkpoint import beside, checkpoints
from edgemem.train.further import Further
from edgemem.train.fused_spiking import fit_spiking
from edgemem.train.hard import hardest
from edgemem.train.keywords import Result, fit, fit_further
from edgemem.train.kws import calibration_sample, make_model
from edgemem.train.progress import draw_history, write_history
from edgemem.train.qat import Qat
from edgemem.train.recipes import Recipe
from edgemem.train.rounded import fit_rounded
from edgemem.train.spiking_aware import SpikingAware

Last = Further | Qat | SpikingAware


@dataclass(frozen=True)
class Run:
    """What is trained.

    Parameters
    ----------
    data : DataSet
    recipe : Recipe
        Its epochs are those of the whole run from scratch.
    seed : int
    identity : mapping
        What the run is, as JSON values, besides recipe and seed; goes into the model's card.
    last : Further, Qat or SpikingAware, optional
        The last part of the training: with ``base`` in floats, in rounded form, or on spikes.
    base : Model, optional
        A trained network that goes on with ``last``, in place of a fresh one.
    """

    data: DataSet
    recipe: Recipe
    seed: int
    identity: Mapping[str, Any]
    last: Last | None = None
    base: Model | None = None

    def __post_init__(self) -> None:
        if self.base is not None:
            _check_base(self.base, self.data, Batches(self.data, self.recipe, self.seed))
            if isinstance(self.last, Further) and self.base.scheme is not None:
                raise ConfigError(
                    f"model {self.base.name!r} was trained in its roundings, which training in "
                    "floats would lose; add --qat"
                )
        if self.last is None:
            return
        cell = self._cell() if self.base is None else self.base.cell
        arrays = cell.init(np.random.default_rng(0)) if self.base is None else self.base.params
        self.last.check(cell, arrays)
        if self.base is None and self.last.epochs >= self.recipe.epochs:
            raise ConfigError(
                f"{self.last.epochs} epochs in {self.last.form} leave none of "
                f"{self.recipe.epochs} to train in floats before; give more --epochs or fewer "
                f"{self.last.option}"
            )

    def _cell(self) -> Any:
        frontend = Batches(self.data, self.recipe, self.seed).frontend
        return self.recipe.stack(frontend.n_features, len(self.data.labels))

    def train(self, out: Path, *, resume: bool, quiet: bool) -> Result:
        """The trained network; checkpoints stand beside ``out`` until it is there."""
        identity = dict(self.identity)
        if self.last is None:
            return self._in_floats(self.recipe, out, identity, resume, quiet)
        identity[self.last.name] = self.last.to_dict()
        if self.base is not None:
            identity["from"] = self.base.digest
            found = Result(self.base.cell, dict(self.base.params), ())
        else:
            shorter = replace(self.recipe, epochs=self.recipe.epochs - self.last.epochs)
            found = self._in_floats(shorter, out, identity, resume, quiet)
            resume = resume and checkpoints(out)[1].exists()
        return self._further(found, self.last, out, identity, resume, quiet)

    def _in_floats(
        self, recipe: Recipe, out: Path, identity: dict[str, Any], resume: bool, quiet: bool
    ) -> Result:
        checkpoint, _ = checkpoints(out)
        return fit(
            self.data, recipe, self.seed, checkpoint, resume=resume, quiet=quiet, run=identity
        )

    def _further(
        self,
        found: Result,
        last: Last,
        out: Path,
        identity: dict[str, Any],
        resume: bool,
        quiet: bool,
    ) -> Result:
        done, checkpoint = len(found.history), checkpoints(out)[1]
        recipe = last.recipe(self.recipe)
        batches = Batches(self.data, recipe, self.seed, first=done)
        identity = {**identity, "recipe": recipe.to_dict(), "seed": self.seed}
        kept: dict[str, Any] = {"resume": resume, "quiet": quiet}
        if isinstance(last, Further):
            stack = cast(Stack, found.cell)
            if recipe.hard:
                chosen = hardest(trace(stack, found.params), batches)
                batches = replace(batches, more=np.repeat(chosen, recipe.hard))
            result = fit_further(stack, found.params, batches, checkpoint, identity, **kept)
        else:
            sequences = calibration_sample(self.data, batches, self.seed).features
            start = found.cell, found.params, sequences, batches
            if isinstance(last, Qat):
                result = fit_rounded(*start, last, checkpoint, identity, **kept)
            else:
                result = fit_spiking(*start, last, checkpoint, identity, **kept)
        history = tuple({**row, "epoch": done + row["epoch"]} for row in result.history)
        return replace(result, history=history, before=found.history)

    def finish(self, result: Result, name: str, out: Path) -> Model:
        """Write the model with its table and picture, and remove the checkpoints."""
        model = make_model(name, self.data, self.recipe, self.seed, result, self._card())
        rows = (*result.before, *result.history)
        write_history(beside(out, "history.csv"), rows)
        draw_history(beside(out, "curve.png"), rows, result.best)
        models.save(model, out)
        for checkpoint in checkpoints(out):
            checkpoint.unlink(missing_ok=True)
        return model

    def _card(self) -> dict[str, Any]:
        card = dict(self.identity)
        if self.last is not None:
            card[self.last.name] = self.last.to_dict()
        if self.base is not None:
            card["from"] = {"name": self.base.name, "digest": self.base.digest}
        return card


def _check_base(base: Model, data: DataSet, batches: Batches) -> None:
    if base.labels != data.labels:
        raise ConfigError(
            f"model {base.name!r} knows the labels {', '.join(base.labels)}; "
            f"the data have {', '.join(data.labels)}"
        )
    if base.frontend != batches.frontend:
        raise ConfigError(
            f"model {base.name!r} has another front end than the data: "
            f"{base.frontend.to_dict()}, not {batches.frontend.to_dict()}"
        )
