"""How a network is trained on a task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from edgemem.cells import CELLS, Bidirectional, Cell, Conv, Dense, Stack
from edgemem.errors import ConfigError, UnknownNameError
from edgemem.train.stacks import layer

SCHEDULES = ("constant", "cosine", "step")

FORMS: Mapping[str, Mapping[str, bool]] = {
    "parallel": {
        "hidden_to_memory": False,
        "memory_to_memory": False,
        "hidden_to_hidden": False,
    },
    "plain": {
        "hidden_to_memory": False,
        "memory_to_memory": False,
        "hidden_to_hidden": True,
    },
    "feedback": {
        "hidden_to_memory": True,
        "memory_to_memory": True,
        "hidden_to_hidden": True,
    },
}
"""Forms of an LMU: without any feedback (Chilkuri & Eliasmith 2021), with a hidden state that
remembers itself, and with a memory that both write into (Voelker et al. 2019)."""


@dataclass(frozen=True)
class TaskRecipe:
    """A network and its training.

    Parameters
    ----------
    cell : str
        Name of the cell of every layer that does not say its own.
    layers : tuple of mapping
        Hyper-parameters of each recurrent layer, from the input on; sizes of inputs are filled in.
        ``cell`` among them names another cell for that layer.
    epochs, batch : int
        No epochs: the network is measured with the arrays that it starts from.
    learning_rate : float
        Peak of the schedule, for Adam (Kingma & Ba 2015).
    schedule : {"constant", "cosine", "step"}
        ``cosine`` falls to zero, ``step`` to a tenth after ``drop`` epochs.
    drop : int
        See ``schedule``.
    warmup : float
        Epochs of linear rise before it.
    weight_decay : float
        Decoupled (Loshchilov & Hutter 2019), relative to the learning rate.
    clip_norm : float
        Largest norm of all gradients together; 0 for no limit.
    dropout : float
        Share of the inputs that a training batch does not see.
    bidirectional : bool
        Whether each layer also reads the sequence backwards.
    conv_channels, conv_kernel : int
        A causal convolution over that many steps before the first layer; 0 channels for none.
    start : mapping
        Arrays of the layers, by name, that start from a constant.
    """

    cell: str
    layers: tuple[Mapping[str, Any], ...]
    epochs: int = 10
    batch: int = 100
    learning_rate: float = 1e-3
    schedule: str = "constant"
    drop: int = 0
    warmup: float = 0.0
    weight_decay: float = 0.0
    clip_norm: float = 0.0
    dropout: float = 0.0
    bidirectional: bool = False
    conv_channels: int = 0
    conv_kernel: int = 5
    start: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.cell not in CELLS:
            raise UnknownNameError("cell", self.cell, CELLS)
        if self.schedule not in SCHEDULES:
            raise UnknownNameError("schedule", self.schedule, SCHEDULES)
        for name in ("batch", "learning_rate", "conv_kernel"):
            self._check(name, getattr(self, name) > 0, "must be greater than 0")
        for name in ("epochs", "drop", "warmup", "weight_decay", "clip_norm", "conv_channels"):
            self._check(name, getattr(self, name) >= 0, "must not be negative")
        self._check("dropout", 0 <= self.dropout < 1, "must lie in [0, 1)")
        self.stack(1, 1)  # refuses layers that cannot work, before any data is read

    def _check(self, name: str, holds: bool, rule: str) -> None:
        if not holds:
            raise ConfigError(f"recipe: {name} {rule} (got {getattr(self, name)})")

    def stack(self, n_in: int, n_out: int) -> Stack:
        """The network for ``n_in`` numbers in a step and ``n_out`` outputs."""
        cells: list[Cell] = []
        size = n_in
        if self.conv_channels:
            cells.append(Conv(n_in, self.conv_channels, self.conv_kernel, "relu"))
            size = self.conv_channels
        for values in self.layers:
            own = dict(values)
            cell = layer(own.pop("cell", self.cell), size, own)
            cells.append(Bidirectional(cell) if self.bidirectional else cell)
            size = cells[-1].n_out
        return Stack((*cells, Dense(size, n_out)))

    def in_form(self, form: str) -> TaskRecipe:
        """The same with every LMU in one of :data:`FORMS`.

        Raises
        ------
        UnknownNameError
            If there is no such form.
        ConfigError
            If no layer is an LMU.
        """
        if form not in FORMS:
            raise UnknownNameError("form of an LMU", form, FORMS)
        lmus = [values.get("cell", self.cell) == "lmu" for values in self.layers]
        if not any(lmus):
            raise ConfigError(f"--form {form} is of LMUs; this network has {self.cell} layers")
        layers = tuple({**v, **FORMS[form]} if lmu else v for v, lmu in zip(self.layers, lmus))
        return replace(self, layers=layers)

    def to_dict(self) -> dict[str, Any]:
        """All of it, as JSON values."""
        layers = [dict(values) for values in self.layers]
        return {**asdict(self), "layers": layers, "start": dict(self.start)}
