"""The trials of a search in an SQLite file, and Optuna's draws from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgemem.errors import ConfigError, DataError, MissingExtraError
from edgemem.files import check_writable
from edgemem.quantize.search import Problem
from edgemem.quantize.trials import CHOICES, Limits, Measure, Trial
from edgemem.reading import ALTERED
from edgemem.shapes import OBJECT, ListOf, OneOf, Real, Record, Row, Text, Whole

if TYPE_CHECKING:
    import optuna

NAME = "widths"


class Study:
    """The trials of one search; only whole ones are kept.

    Parameters
    ----------
    storage : Path
        SQLite file.
    problem : Problem
    limits : Limits
    seed : int
    resume : bool
        Go on with what the file holds, if there is one.

    Raises
    ------
    MissingExtraError
        Without Optuna.
    ConfigError
        If the file is there and not to be gone on with, or is of another search.
    DataError
        If the file holds no search.
    OutputError
        If the file cannot be written.
    """

    def __init__(
        self, storage: Path, problem: Problem, limits: Limits, seed: int, resume: bool = False
    ) -> None:
        self._names = problem.names
        self._clips = problem.clips
        self._limits = limits
        run = {
            "network or clips": problem.digest,
            "--budget": limits.budget,
            "--max-drop": limits.drop,
            "--seed": seed,
        }
        self._study = _open(storage, resume, run)
        with _stored(storage):
            self.trials = [_trial_of(frozen, self._names) for frozen in self._study.trials]
            costs = self._study.user_attrs.get("costs", [])
            _COSTS.check(costs, "costs")
        self.costs = {(name, bits): cost for name, bits, cost in costs}

    def add(self, trial: Trial) -> None:
        """Keep a trial."""
        self._study.add_trial(self._frozen(trial))
        self.trials.append(trial)

    def add_cost(self, name: str, bits: int, cost: float) -> None:
        """Keep the distance with one matrix narrowed."""
        self.costs[name, bits] = cost
        self._study.set_user_attr("costs", [[*key, value] for key, value in self.costs.items()])

    def draw(self, seed: Sequence[int]) -> dict[str, int]:
        """What the multi-objective TPE would try next.

        Ozaki et al. 2022, "Multiobjective tree-structured Parzen estimator". The sampler is made
        anew for each draw: it then follows from ``seed`` and the trials, and an interruption
        changes nothing.
        """
        import optuna

        number = int(np.random.default_rng(list(seed)).integers(2**31))
        sampler = optuna.samplers.TPESampler(seed=number, multivariate=True, n_startup_trials=0)
        study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler)
        study.add_trials([self._frozen(trial) for trial in self.trials])
        asked = study.ask(dict(self._distributions()))
        return {name: int(asked.params[name]) for name in self._names}

    def _frozen(self, trial: Trial) -> optuna.trial.FrozenTrial:
        import optuna

        measure = trial.measure
        return optuna.trial.create_trial(
            values=[float(measure.size), float(measure.score)],
            params=dict(trial.widths),
            distributions=dict(self._distributions()),
            user_attrs={"measure": asdict(measure)},
            constraints=self._limits.excess(measure, self._clips),
        )

    def _distributions(self) -> Mapping[str, optuna.distributions.BaseDistribution]:
        from optuna.distributions import CategoricalDistribution

        return {name: CategoricalDistribution(CHOICES) for name in self._names}


def storage_at(url: str) -> optuna.storages.RDBStorage:
    """A storage that holds no connection between two questions, so that nobody has to close it."""
    from optuna.storages import RDBStorage
    from sqlalchemy.pool import NullPool

    return RDBStorage(url, engine_kwargs={"poolclass": NullPool})


def _open(storage: Path, resume: bool, run: Mapping[str, Any]) -> optuna.Study:
    try:
        import optuna
    except ImportError:
        raise MissingExtraError("the search for widths", "optuna", "quantize") from None
    if storage.exists() and not resume:
        raise ConfigError(
            f"{storage} of an earlier search is there; go on with --resume, or remove it"
        )
    if not storage.exists():
        check_writable(storage)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with _stored(storage):
        study = optuna.create_study(
            storage=storage_at(f"sqlite:///{storage}"),
            study_name=NAME,
            directions=["minimize", "minimize"],
            load_if_exists=True,
        )
        before = study.user_attrs.get("run")
        if before is None:
            study.set_user_attr("run", dict(run))
        else:
            OBJECT.check(before, "run")
    changed = [key for key, value in run.items() if before is not None and before.get(key) != value]
    if changed:
        raise ConfigError(
            f"{storage} is of another search: {', '.join(changed)} changed; go on with what it "
            "was started with, or remove it"
        )
    return study


@contextmanager
def _stored(storage: Path) -> Iterator[None]:
    """What a storage refuses, or holds that no search wrote, becomes one sentence."""
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (SQLAlchemyError, optuna.exceptions.OptunaError, *ALTERED) as error:
        raise DataError(
            f"{storage} holds no search, or is damaged ({type(error).__name__}); remove it and "
            "start anew"
        ) from error


_MOST = 1 << 53
_COUNT = Whole(0, _MOST)
_MEASURE = Record(
    {"size": _COUNT, "lost": _COUNT, "gained": _COUNT, "agreement": Real(0, 1), "distance": Real()}
)
_BITS = OneOf(CHOICES)
_COSTS = ListOf(Row((Text(), _BITS, Real())), 1 << 16)


def _trial_of(frozen: optuna.trial.FrozenTrial, names: Sequence[str]) -> Trial:
    widths = Record(dict.fromkeys(names, _BITS))
    widths.check(frozen.params, "widths")
    measure = frozen.user_attrs["measure"]
    _MEASURE.check(measure, "measure")
    return Trial(dict(frozen.params), Measure(**measure))
