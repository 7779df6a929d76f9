"""The trials as a table and as JSON values."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from edgemem.sweep.space import Space
from edgemem.sweep.trials import COMPLETE, FAILED, PRUNED, Result, Trial, best_of, front

AFTER = ("parameters", "seconds", "epochs", "best_epoch")


def as_csv(trials: Sequence[Trial], space: Space) -> bytes:
    """One row for each trial; the column of the metric is called like it."""
    metric = metric_of(trials)
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    names = list(space.names())
    title = f"validation_{metric.metric}" if metric else "validation"
    writer.writerow(["number", "state", *names, title, *AFTER, "retries", "reason"])
    for trial in trials:
        params = [trial.params.get(name, "") for name in names]
        found = trial.result
        figures = [found.validation if found else ""]
        figures += [getattr(found, name) if found else "" for name in AFTER]
        writer.writerow([trial.number, trial.state, *params, *figures, trial.retries, trial.reason])
    return file.getvalue().encode()


def summary(trials: Sequence[Trial]) -> dict[str, Any]:
    """What a sweep came to, as JSON values."""
    best, metric = best_of(trials), metric_of(trials)
    return {
        "metric": metric.metric if metric else None,
        "better": metric.better if metric else None,
        "trials": len(trials),
        **{state: sum(t.state == state for t in trials) for state in (COMPLETE, PRUNED, FAILED)},
        "retries": sum(trial.retries for trial in trials),
        "best": best.to_dict() if best else None,
        "front": [trial.number for trial in front(trials)],
    }


def metric_of(trials: Sequence[Trial]) -> Result | None:
    """Any result: all have the same metric."""
    return next((trial.result for trial in trials if trial.result), None)
