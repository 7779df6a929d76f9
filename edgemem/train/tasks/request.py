"""What is asked of a run of a task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from edgemem.cells import CELLS
from edgemem.errors import ConfigError, DataError, UnknownNameError
from edgemem.train.stacks import hyper_parameters
from edgemem.train.tasks import get
from edgemem.train.tasks.recipe import TaskRecipe

CHOICES = ("cell", "recipe", "form", "stack")
"""Parameters of a request that are neither of the recipe, nor of its layers, nor of the task."""


@dataclass(frozen=True)
class Request:
    """What is trained on what; JSON values, so that it can travel.

    Parameters
    ----------
    task : str
    recipe : str
        Name of one of the task's recipes; that of a cell is called like the cell.
    overrides : mapping
        Fields of the recipe, in place of its own.
    options : mapping
        Fields of the task's options.
    data : Path, optional
        What ``--data`` names.
    seed : int
        Decides all that is drawn.
    layers : mapping
        Hyper-parameters for every layer that has them, in place of the recipe's.
    form : str
        Form of LMUs; empty for the recipe's own.
    stack : int
        That many times the last layer, in place of all; 0 for the recipe's own layers.
    """

    task: str
    recipe: str = "lmu"
    overrides: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    data: Path | None = None
    seed: int = 0
    layers: Mapping[str, Any] = field(default_factory=dict)
    form: str = ""
    stack: int = 0

    def with_param(self, name: str, value: Any) -> Request:
        """The same with a parameter set, wherever it belongs.

        Raises
        ------
        UnknownNameError
            If neither recipe, layers nor task have one of that name.
        ConfigError
            If ``stack`` is no number of layers.
        """
        of_task = [f.name for f in fields(get(self.task).Options)]
        of_recipe = [f.name for f in fields(TaskRecipe) if f.name not in ("cell", "layers")]
        layers = (hyper_parameters(cell) for cell in CELLS)
        of_layers = sorted({key for keys in layers if "n_units" in keys for key in keys})
        if name in ("cell", "recipe"):
            return replace(self, recipe=str(value))
        if name == "form":
            return replace(self, form=str(value))
        if name == "stack":
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                raise ConfigError(f"stack must be a whole number, 0 or more (got {value!r})")
            return replace(self, stack=value)
        if name in of_recipe:
            return replace(self, overrides={**self.overrides, name: value})
        if name in of_task:
            return replace(self, options={**self.options, name: value})
        if name in of_layers:
            return replace(self, layers={**self.layers, name: value})
        raise UnknownNameError("parameter", name, [*CHOICES, *of_recipe, *of_task, *of_layers])

    def chosen(self) -> TaskRecipe:
        """The recipe with all that replaces parts of it.

        Raises
        ------
        UnknownNameError, ConfigError
            If the recipe is unknown, or a value cannot work.
        """
        known = get(self.task).recipes
        if self.recipe not in known:
            raise UnknownNameError(f"recipe for {self.task}", self.recipe, known)
        recipe, adapt = known[self.recipe], get(self.task).adapt
        if adapt is not None:
            recipe = adapt(recipe, self.made_options())
        recipe = replace(recipe, **self.overrides)
        if self.layers:
            recipe = replace(recipe, layers=_with(recipe, self.layers))
        if self.stack:
            recipe = replace(recipe, layers=recipe.layers[-1:] * self.stack)
        # in a sweep over cells, a form concerns the LMUs among them
        return recipe.in_form(self.form) if self.form and _has_lmu(recipe) else recipe

    def has_lmu(self) -> bool:
        """Whether a layer is an LMU."""
        return _has_lmu(self.chosen())

    def check(self) -> None:
        """Refuse what cannot work as far as it shows before any data is read.

        Raises
        ------
        UnknownNameError, ConfigError
            If recipe, options or a value cannot work.
        DataError
            If the data are not where they should be.
        """
        task, recipe = get(self.task), self.chosen()
        self.made_options()
        if recipe.bidirectional and task.forecasts:
            raise ConfigError(
                f"task {task.name} asks for what comes next, which a network that reads backwards "
                "as well has seen; leave out --bidirectional"
            )
        if task.data and self.data is None:
            raise DataError(f"task {task.name} needs --data: {task.data}")
        if self.data is not None and not self.data.exists():
            raise DataError(f"{self.data}: no such file or folder; {task.name} needs {task.data}")

    def made_options(self) -> Any:
        """The task's options with these values.

        Raises
        ------
        UnknownNameError
            If the task has no such option.
        """
        kind = get(self.task).Options
        known = [f.name for f in fields(kind)]
        for name in self.options:
            if name not in known:
                raise UnknownNameError(f"option of {self.task}", name, known)
        return kind(**self.options)


def _has_lmu(recipe: TaskRecipe) -> bool:
    return any(values.get("cell", recipe.cell) == "lmu" for values in recipe.layers)


def _with(recipe: TaskRecipe, values: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    return tuple(
        {
            **layer,
            **{
                key: value
                for key, value in values.items()
                if key in hyper_parameters(layer.get("cell", recipe.cell))
            },
        }
        for layer in recipe.layers
    )
