"""Widths of the single matrices: the search for few bytes at little loss.

An assignment gives each trained matrix 8, 4 or 2 bits. The first ones are set: all alike, and
points of a path that narrows whichever matrix costs least for the bytes that it saves. Then every
third one is drawn by Optuna (:mod:`edgemem.evaluate.study`) and the others are neighbours of the
best so far: a search of some dozens of trials is too short for draws alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Protocol

import numpy as np

from edgemem.errors import ConfigError
from edgemem.quantize.trials import (
    CHOICES,
    Found,
    Limits,
    Measure,
    Trial,
    Widths,
    choose,
    front,
    leading,
)

MARKS = 8
"""So many points of the path of least cost are tried."""

PARENTS = 3
"""Neighbours are made of so many of the best."""

CANDIDATES = 4
"""Of so many neighbours the one is tried whose matrices cost least one by one."""

DRAWS = 64
"""So often an assignment is made anew if it was tried before; then any other one is taken."""


class Problem(Protocol):
    """What is to be narrowed."""

    @property
    def names(self) -> tuple[str, ...]:
        """The trained matrices."""
        ...

    @property
    def clips(self) -> int:
        """On how many clips an assignment is measured."""
        ...

    @property
    def correct(self) -> int:
        """How many of them floats decide correctly."""
        ...

    @property
    def digest(self) -> str:
        """Of everything that a measurement depends on."""
        ...

    def size(self, widths: Widths) -> int:
        """Bytes of the parameters."""
        ...

    def probe(self, widths: Widths) -> float:
        """The distance of a measurement, on few clips."""
        ...

    def measure(self, widths: Widths) -> Measure:
        """Try an assignment."""
        ...


class History(Protocol):
    """What was tried so far, kept so that an interrupted search goes on."""

    @property
    def trials(self) -> Sequence[Trial]: ...

    @property
    def costs(self) -> Mapping[tuple[str, int], float]:
        """The distance with one matrix narrowed and the others at 8 bits."""
        ...

    def add(self, trial: Trial) -> None: ...

    def add_cost(self, name: str, bits: int, cost: float) -> None: ...

    def draw(self, seed: Sequence[int]) -> dict[str, int]:
        """An assignment worth a trial, decided by ``seed`` and the trials so far."""
        ...


Progress = Callable[[int, int, Sequence[Trial]], None]
"""Called with the number of measurements done and of all, and the trials so far."""


def search(
    problem: Problem,
    limits: Limits,
    history: History,
    trials: int,
    seed: int = 0,
    progress: Progress | None = None,
) -> Found:
    """The best assignment within the limits.

    With a budget that is the leading one that fits (:func:`~edgemem.quantize.trials.leading`);
    without, the smallest one whose drop is allowed. What comes next follows from the seed and from
    what was tried before, so that a search which was interrupted comes to the same trials.

    Parameters
    ----------
    problem : Problem
    limits : Limits
    history : History
        Where trials are kept; those that it holds already are not tried again.
    trials : int
        Assignments to try, 1 or more.
    seed : int
    progress : callable, optional

    Raises
    ------
    ConfigError
        If no assignment can meet the budget.
    ToleranceError
        If none that was tried keeps the limits.
    """
    check_budget(problem, limits)
    _Searcher(problem, limits, history, trials, seed, progress or (lambda *_: None)).run()
    tried = tuple(history.trials)
    best = choose(tried, limits, problem.clips)
    return Found(best, tried, problem.clips, problem.correct)


def check_budget(problem: Problem, limits: Limits) -> None:
    """Refuse a budget that no assignment can meet."""
    least = problem.size(dict.fromkeys(problem.names, CHOICES[-1]))
    if limits.budget is not None and least > limits.budget:
        raise ConfigError(
            f"a budget of {limits.budget:,} bytes cannot be met: with {CHOICES[-1]} bits "
            f"everywhere the parameters take {least:,} bytes; train a smaller network"
        )


def path(problem: Problem, costs: Mapping[tuple[str, int], float]) -> list[Widths]:
    """From 8 bits everywhere to 2: each step the one of least cost for the bytes that it saves.

    Parameters
    ----------
    problem : Problem
    costs : mapping
        For each matrix and width below 8, the distance with that matrix alone narrowed to it.
    """
    at: Widths = dict.fromkeys(problem.names, CHOICES[0])
    found = [at]

    def rate(move: tuple[str, int]) -> float:
        name, bits = move
        # an error that narrowing seems to mend is chance
        cost = max(costs[move] - costs.get((name, at[name]), 0.0), 0.0)
        return cost / max(problem.size(at) - problem.size({**at, name: bits}), 1)

    while moves := [(n, b) for n in problem.names for b in CHOICES if b < at[n]]:
        name, bits = min(moves, key=rate)
        at = {**at, name: bits}
        found.append(at)
    return found


class _Searcher:
    def __init__(
        self,
        problem: Problem,
        limits: Limits,
        history: History,
        trials: int,
        seed: int,
        progress: Progress,
    ) -> None:
        self._problem = problem
        self._limits = limits
        self._history = history
        self._wanted = trials
        self._seed = seed
        self._progress = progress
        self._alone = [(n, b) for n in problem.names for b in CHOICES[1:]]
        self._seen = {self._key(trial.widths) for trial in history.trials}

    def run(self) -> None:
        self._try([dict.fromkeys(self._problem.names, bits) for bits in CHOICES])
        if len(self._history.trials) >= self._wanted:
            return
        self._probe()
        self._try(self._marks(path(self._problem, self._history.costs)))
        while len(self._history.trials) < self._wanted:
            if len(self._seen) >= len(CHOICES) ** len(self._problem.names):
                break
            self._try([self._next()])

    def _try(self, assignments: Sequence[Widths]) -> None:
        for widths in assignments:
            if len(self._history.trials) >= self._wanted:
                return
            if self._key(widths) not in self._seen:
                self._seen.add(self._key(widths))
                self._history.add(Trial(dict(widths), self._problem.measure(widths)))
                self._tell()

    def _probe(self) -> None:
        for name, bits in self._alone:
            if (name, bits) not in self._history.costs:
                widths = {**dict.fromkeys(self._problem.names, CHOICES[0]), name: bits}
                self._history.add_cost(name, bits, self._problem.probe(widths))
                self._tell()

    def _marks(self, assignments: Sequence[Widths]) -> list[Widths]:
        """Points spread over the path, no further than one beyond the first that fits."""
        last = len(assignments) - 1
        chosen = []
        if self._limits.budget is not None:
            fits = [self._problem.size(a) <= self._limits.budget for a in assignments].index(True)
            chosen = [assignments[fits]]
            last = min(fits + 1, last)
        places = np.rint(np.linspace(0, last, MARKS + 1)[1:])
        return chosen + [assignments[int(place)] for place in places]

    def _next(self) -> Widths:
        """An assignment that was not tried; there is one."""
        number = len(self._history.trials)
        rng = np.random.default_rng([self._seed, number])
        found, few = self._neighbours(rng), CANDIDATES
        if number % 3 == 0:
            found, few = self._draws(number), 1
        fresh = (widths for widths in found if self._key(widths) not in self._seen)
        chosen = min(islice(fresh, few), key=self._cost, default=None)
        while chosen is None or self._key(chosen) in self._seen:
            chosen = {name: int(rng.choice(CHOICES)) for name in self._problem.names}
        return chosen

    def _draws(self, number: int) -> Iterator[Widths]:
        return (self._history.draw((self._seed, number, attempt)) for attempt in range(DRAWS))

    def _cost(self, widths: Widths) -> float:
        """What the distance would be, did the matrices' errors add up."""
        return sum(self._history.costs.get(item, 0.0) for item in widths.items())

    def _neighbours(self, rng: np.random.Generator) -> Iterator[Widths]:
        """Trials near the limits with one or two widths changed, none larger than is of use."""
        trials, budget = self._history.trials, self._limits.budget
        if budget is not None:
            # the best that fit, whether or not one of them keeps the drop already
            fitting = [t for t in trials if t.measure.size <= budget]
            parents, most = leading(fitting or trials)[:PARENTS], budget
        else:
            best = front(trials)
            parents = [t for t in best if self._keeps(t)][:PARENTS] or list(best[-PARENTS:])
            most = parents[0].measure.size
        for _ in range(DRAWS):
            widths = dict(parents[rng.integers(len(parents))].widths)
            count = min(int(rng.integers(1, 3)), len(widths))
            for name in rng.choice(self._problem.names, count, replace=False):
                widths[name] = int(rng.choice([bits for bits in CHOICES if bits != widths[name]]))
            if self._problem.size(widths) <= most:
                yield widths

    def _keeps(self, trial: Trial) -> bool:
        excess = self._limits.excess(trial.measure, self._problem.clips)
        return all(value <= 0.0 for value in excess.values())

    def _key(self, widths: Widths) -> tuple[int, ...]:
        return tuple(widths[name] for name in self._problem.names)

    def _tell(self) -> None:
        done = len(self._history.trials) + len(self._history.costs)
        self._progress(done, self._wanted + len(self._alone), self._history.trials)
