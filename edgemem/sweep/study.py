"""What is tried next and what was tried so far: an Optuna study of one objective."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgemem.errors import DataError, EdgememError, MissingExtraError
from edgemem.evaluate.study import storage_at
from edgemem.reading import ALTERED, DamageError, shown
from edgemem.shapes import Anything, MapOf, Real, Text, Whole
from edgemem.sweep.space import Scalar, Space, Values, key_of
from edgemem.sweep.trials import COMPLETE, FAILED, PRUNED, RUNNING, Ended, Trial, stored_result

if TYPE_CHECKING:
    import optuna

DRAWS = 64
"""So often a combination is drawn anew if it was tried before; then any other one is taken."""


_LONGEST = 200


class _Scalar:
    """A value of a hyper-parameter."""

    def check(self, value: Any, where: str) -> None:
        Anything((bool, int, float, str)).check(value, where)
        if isinstance(value, float):
            Real().check(value, where)


_PARAMS, _REASON, _RETRIES = MapOf(_Scalar(), 256), Text(1 << 16), Whole(0, 1 << 31)


@dataclass(frozen=True)
class Asked:
    """A trial that is to be run."""

    number: int
    params: Values


class Study:
    """The trials of one sweep.

    A trial is written down before it runs, with its hyper-parameters. One that this process finds
    running was interrupted, for the folder is held by one process: it is run before any new one.

    Parameters
    ----------
    url : str
        Of the storage, as SQLAlchemy has it.
    name : str
        Of the study in it.
    space : Space
    seed : int
        Of what is drawn.
    prune : bool
        Whether a trial ends early that is worse than the median of the others were at that epoch.

    Raises
    ------
    MissingExtraError
        Without Optuna.
    DataError
        If the storage cannot be used, or holds something else.
    """

    def __init__(self, url: str, name: str, space: Space, seed: int, prune: bool) -> None:
        self._space, self._seed, self._prune, self._url = space, seed, prune, url
        self._study = _open(url, name)
        self._running: dict[int, optuna.Trial] = {}

    @property
    def trials(self) -> list[Trial]:
        """Every trial so far, in order."""
        with stored(self._url):
            return [_trial_of(frozen) for frozen in self._all()]

    def ask(self, wanted: int) -> Iterator[Asked]:
        """Trials to run: those that were interrupted, then new ones.

        Parameters
        ----------
        wanted : int
            Trials in all, those before included. A space of fewer combinations ends before.
        """
        begun = [frozen for frozen in self._all() if frozen.state.name == "RUNNING"]
        for frozen in begun:
            yield self._begin(self._of(frozen._trial_id))
        while (asked := self._next(wanted)) is not None:
            yield asked

    def _next(self, wanted: int) -> Asked | None:
        with stored(self._url):
            if not self._waiting():
                if len(self._all()) >= wanted:
                    return None
                params = self._draw()
                if params is None:
                    return None
                self._study.enqueue_trial(params)
            return self._begin(self._study.ask())

    def report(self, number: int, row: Mapping[str, Any]) -> bool:
        """Keep the figure of an epoch, and say whether the trial should go on."""
        trial, (epoch, cost) = self._running[number], _figure(row)
        if epoch is None or not np.isfinite(cost):
            return True
        with stored(self._url):
            # an epoch that ended just before an interruption may be told of twice
            if epoch not in self._all()[number].intermediate_values:
                trial.report(cost, epoch)
            return not (self._prune and trial.should_prune())

    def end(self, number: int, ended: Ended) -> Trial:
        """Keep the end of a trial."""
        trial = self._running.pop(number)
        with stored(self._url):
            trial.set_user_attr("reason", ended.reason)
            trial.set_user_attr("retries", ended.retries)
            cost = None
            if ended.result is not None:
                trial.set_user_attr("result", asdict(ended.result))
                cost = ended.result.cost
            # told without a value, a pruned trial keeps that of its last epoch
            return _trial_of(self._study.tell(number, cost, state=_states()[ended.state]))

    def _all(self) -> list[optuna.trial.FrozenTrial]:
        with stored(self._url):
            return self._study.get_trials(deepcopy=False)

    def _begin(self, trial: optuna.Trial) -> Asked:
        with stored(self._url):
            params = self._space.suggest(trial)
            for name, value in params.items():
                if not self._space.has(name, value):
                    raise ValueError(f"{name} of trial {trial.number} is {shown(value)}")
        self._running[trial.number] = trial
        return Asked(trial.number, params)

    def _of(self, trial_id: int) -> optuna.Trial:
        import optuna

        return optuna.trial.Trial(self._study, trial_id)

    def _waiting(self) -> bool:
        return any(trial.state.name == "WAITING" for trial in self._all())

    def _draw(self) -> dict[str, Scalar] | None:
        """A combination that was not tried; None if all were.

        Bergstra et al. 2011, "Algorithms for hyper-parameter optimization": the tree-structured
        Parzen estimator. It is made anew for each draw, from the seed and the trials so far: an
        interruption changes nothing.
        """
        import optuna

        before = self._all()
        tried = {key_of(trial.params) for trial in before}
        points = self._space.points()
        left = None if points is None else [p for p in points if key_of(p) not in tried]
        if left == []:
            return None
        scratch = optuna.create_study()
        scratch.add_trials(before)
        for attempt in range(DRAWS):
            scratch.sampler = _sampler(self._seed, len(before), attempt)
            drawn = self._space.suggest(scratch.ask())
            if key_of(drawn) not in tried:
                return drawn
        rng = np.random.default_rng([self._seed, len(before)])
        return left[rng.integers(len(left))] if left else drawn


def _sampler(*seed: int) -> optuna.samplers.BaseSampler:
    import optuna

    number = int(np.random.default_rng(seed).integers(2**31))
    return optuna.samplers.TPESampler(seed=number)


def _figure(row: Mapping[str, Any]) -> tuple[int | None, float]:
    """Epoch and cost of a row of training: its validation figure."""
    from edgemem.train.tasks.metrics import METRICS

    for key, value in row.items():
        metric = METRICS.get(key[len("validation_") :] if key.startswith("validation_") else "")
        if metric is not None and "epoch" in row:
            sign = -1.0 if metric.better == "higher" else 1.0
            return int(row["epoch"]), sign * float(value)
    return None, float("nan")


def _open(url: str, name: str) -> optuna.Study:
    try:
        import optuna
    except ImportError:
        raise MissingExtraError("a sweep", "optuna", "sweep") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with stored(url):
        return optuna.create_study(
            storage=storage_at(url),
            study_name=name,
            direction="minimize",
            pruner=optuna.pruners.MedianPruner(),
            load_if_exists=True,
        )


@contextmanager
def storage_errors(url: str) -> Iterator[None]:
    """What a storage refuses becomes one sentence.

    Raises
    ------
    DataError
        If the storage cannot be used.
    """
    from optuna.exceptions import OptunaError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (OptunaError, SQLAlchemyError, ImportError) as error:
        raise _unusable(url, error) from error


@contextmanager
def stored(url: str) -> Iterator[None]:
    """What a storage refuses, or holds that no sweep wrote, becomes one sentence.

    Raises
    ------
    DataError
        If the storage cannot be used.
    """
    with storage_errors(url):
        try:
            yield
        except EdgememError as error:
            if isinstance(error, DamageError):
                raise _unusable(url, error) from error
            raise
        except ALTERED as error:
            raise _unusable(url, error) from error


def _unusable(url: str, error: Exception) -> DataError:
    reason = str(error.__cause__ or error).partition("\n")[0][:_LONGEST]
    return DataError(
        f"the storage {without_password(url)} cannot be used, or holds something else "
        f"({type(error).__name__}: {reason})"
    )


def without_password(url: str) -> str:
    """A storage's address as it may be shown.

    Raises
    ------
    DataError
        If it is none.
    """
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return str(make_url(url).render_as_string(hide_password=True))
    except ArgumentError:
        raise DataError(f"--storage {url!r} is no address of a database: sqlite:///FILE") from None


def _states() -> dict[str, Any]:
    from optuna.trial import TrialState

    return {
        COMPLETE: TrialState.COMPLETE,
        PRUNED: TrialState.PRUNED,
        FAILED: TrialState.FAIL,
        RUNNING: TrialState.RUNNING,
    }


def _trial_of(frozen: optuna.trial.FrozenTrial) -> Trial:
    names = {state: name for name, state in _states().items()}
    attrs, where = frozen.user_attrs, f"trial {frozen.number}"
    params = frozen.params or frozen.system_attrs.get("fixed_params", {})
    _PARAMS.check(params, f"{where}: params")
    reason, retries = attrs.get("reason", ""), attrs.get("retries", 0)
    _REASON.check(reason, f"{where}: reason")
    _RETRIES.check(retries, f"{where}: retries")
    result = stored_result(attrs["result"], f"{where}: result") if "result" in attrs else None
    return Trial(frozen.number, names.get(frozen.state, RUNNING), params, result, reason, retries)
