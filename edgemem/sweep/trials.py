"""What became of trials, and which ones are good."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from edgemem.reading import read_json
from edgemem.shapes import OneOf, Real, Record, Text, Whole
from edgemem.sweep.space import Values

COMPLETE, PRUNED, FAILED, RUNNING = "complete", "pruned", "failed", "running"


@dataclass(frozen=True)
class Result:
    """What a training came to.

    Parameters
    ----------
    metric : str
        Name of the figure by which networks are compared.
    better : {"higher", "lower"}
    validation : float
        That figure on validation data, in the best epoch.
    parameters : int
        Trained numbers of the network.
    seconds : float
    epochs, best_epoch : int
    """

    metric: str
    better: str
    validation: float
    parameters: int
    seconds: float
    epochs: int
    best_epoch: int

    @property
    def cost(self) -> float:
        """The figure with a sign by which less is better."""
        return -self.validation if self.better == "higher" else self.validation


@dataclass(frozen=True)
class Ended:
    """The end of one trial.

    Parameters
    ----------
    state : {"complete", "pruned", "failed"}
    result : Result, optional
        Of a complete one.
    model : bytes, optional
        Its model file.
    reason : str
        Why it has no result.
    retries : int
        How often it was begun anew because its worker died.
    """

    state: str
    result: Result | None = None
    model: bytes | None = field(default=None, repr=False)
    reason: str = ""
    retries: int = 0


@dataclass(frozen=True)
class Trial:
    """A trial as the study remembers it."""

    number: int
    state: str
    params: Values
    result: Result | None = None
    reason: str = ""
    retries: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        return {
            "number": self.number,
            "state": self.state,
            "params": dict(self.params),
            **(asdict(self.result) if self.result else {}),
            "retries": self.retries,
            "reason": self.reason,
        }


def result_of(values: Mapping[str, Any]) -> Result:
    """The result that a runner returned or a file holds; more fields than these are left alone."""
    return Result(
        metric=str(values["metric"]),
        better=str(values["better"]),
        validation=float(values["validation"]),
        parameters=int(values["parameters"]),
        seconds=float(values["seconds"]),
        epochs=int(values["epochs"]),
        best_epoch=int(values["best_epoch"]),
    )


_MOST = 1 << 62
STORED = Record(
    {
        "metric": Text(64),
        "better": OneOf(("higher", "lower")),
        "validation": Real(),
        "parameters": Whole(0, _MOST),
        "seconds": Real(0.0),
        "epochs": Whole(0, _MOST),
        "best_epoch": Whole(0, _MOST),
    },
    more=True,
)
"""What a file or a database holds of a :class:`Result`."""


def stored_result(values: Any, where: str) -> Result:
    """The result that a file or a database holds.

    Raises
    ------
    DamageError
        If it holds something else, or a figure that nobody knows.
    """
    from edgemem.train.tasks.metrics import METRICS

    STORED.check(values, where)
    OneOf(tuple(METRICS)).check(values["metric"], f"{where}.metric")
    return result_of(values)


def read_result(text: bytes) -> Result:
    """The result in a file of JSON; see :func:`stored_result`."""
    return stored_result(read_json(text), "result")


def best_of(trials: Sequence[Trial]) -> Trial | None:
    """The best complete one, the earliest among equals."""
    complete = [trial for trial in trials if trial.result is not None]
    return min(complete, key=_cost) if complete else None


def parameters(trial: Trial) -> float:
    """Trained numbers of its network."""
    return trial.result.parameters if trial.result else math.inf


def seconds(trial: Trial) -> float:
    """How long it was trained."""
    return trial.result.seconds if trial.result else math.inf


def front(trials: Sequence[Trial], against: Callable[[Trial], float] = parameters) -> list[Trial]:
    """The complete trials that no other one beats in both metric and ``against``, least first."""
    kept: list[Trial] = []
    complete = [trial for trial in trials if trial.result is not None]
    for trial in sorted(complete, key=lambda t: (against(t), _cost(t), t.number)):
        if not kept or _cost(trial) < _cost(kept[-1]):
            kept.append(trial)
    return kept


def _cost(trial: Trial) -> float:
    return trial.result.cost if trial.result else math.inf
