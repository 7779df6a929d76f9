"""Search for the hyper-parameters of a task, here or on a Dask cluster."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgemem.cli._training import check_extras
from edgemem.errors import ConfigError, MissingExtraError, TrainingError

if TYPE_CHECKING:
    from edgemem.sweep.folder import Folder
    from edgemem.sweep.local import Place
    from edgemem.sweep.run import Sweep
    from edgemem.sweep.space import Param, Scalar, Space
    from edgemem.sweep.trials import Trial


@click.command(
    epilog="Example: edgemem sweep adding --trials 20 --param cell=lmu,lem "
    "--param learning_rate=1e-4:1e-2:log --set length=500 --epochs 5 --out sweep"
)
@click.argument("task")
@click.option(
    "--trials",
    type=click.IntRange(1),
    required=True,
    help="How many, those of earlier calls included.",
)
@click.option(
    "--param",
    "params",
    multiple=True,
    metavar="NAME=VALUES",
    help="What is varied: A,B,C for choices, LOW:HIGH for a range (whole numbers if both ends "
    "are), LOW:HIGH:log for one whose logarithm is uniform. May be repeated.",
)
@click.option(
    "--set",
    "fixed",
    multiple=True,
    metavar="NAME=VALUE",
    help="What is the same in all trials: an option of the task, a field of the recipe, a "
    "hyper-parameter of the layers. May be repeated.",
)
@click.option("--recipe", help="The recipe of all trials; by default that of the cell, or lmu.")
@click.option("--epochs", type=click.IntRange(1), help="The same as --set epochs=N.")
@click.option(
    "--data", type=click.Path(exists=True, path_type=Path), help="Data of tasks that need some."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder of the sweep: best.model, trials.csv, pictures, study.sqlite.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**31 - 1),
    default=0,
    show_default=True,
    help="Decides all that is drawn, in the search and in every trial.",
)
@click.option(
    "--prune",
    is_flag=True,
    help="End a trial that is worse than the median of the others at the same epoch.",
)
@click.option("--keep-all", is_flag=True, help="Keep the files of every trial in DIR/trials.")
@click.option("--storage", metavar="URL", help="Database of the trials, in place of DIR's own.")
@click.option(
    "--scheduler", metavar="ADDRESS", help="Run the trials on this Dask cluster: tcp://HOST:PORT."
)
@click.option(
    "--jobs",
    type=click.IntRange(1),
    help="With --scheduler: trials at once, by default as many as there are workers.",
)
@click.option("--quiet", is_flag=True, help="Show no progress.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
def command(
    task: str,
    trials: int,
    params: tuple[str, ...],
    fixed: tuple[str, ...],
    recipe: str | None,
    epochs: int | None,
    data: Path | None,
    out: Path,
    seed: int,
    prune: bool,
    keep_all: bool,
    storage: str | None,
    scheduler: str | None,
    jobs: int | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Search for the hyper-parameters of a task, here or on a Dask cluster.

    TASK is one of edgemem train, except kws. Each trial trains one network; what is tried next
    follows from the validation figures so far (Optuna, tree-structured Parzen estimator). A
    hyper-parameter that the chosen cell does not have is left out of that trial.

    DIR gets best.model, trials.csv, parallel.png (what was tried, coloured by the figure) and
    pareto.png (the figure against parameters and seconds). The same command goes on where an
    interrupted one stopped, a trial from its last whole epoch; a larger --trials adds more.

    With --scheduler the trials run on the workers of a Dask cluster, which need
    edgemem-toolkit[sweep,train] and the data at the same path. Here they run one after the other:
    each training uses all cores.
    """
    if jobs is not None and scheduler is None:
        raise ConfigError("--jobs is of --scheduler; here trials run one after the other")
    varied = _params(params)
    values = _fixed(fixed, epochs, varied, recipe)
    _check_packages(scheduler)
    root = None if data is None else str(data.resolve())
    job = {
        "task": task,
        "recipe": recipe,
        "data": root,
        "seed": seed,
        "fixed": values,
    }

    from edgemem.sweep.folder import opened
    from edgemem.sweep.space import Space
    from edgemem.sweep.training import applies, check

    space = Space(varied, applies(job))
    check(job, space)
    shown = _shown(storage)
    plan = {**job, "params": [param.text for param in varied], "prune": prune, "storage": shown}
    with _place(scheduler, jobs, root) as place, opened(out, plan) as folder:
        sweep = _sweep(folder, space, job, storage, prune, keep_all)
        _run(sweep, place, trials, storage or _own(folder), quiet)
        _report(sweep, as_json)


def _params(texts: Sequence[str]) -> tuple[Param, ...]:
    from edgemem.sweep.space import parse_param

    return tuple(parse_param(text) for text in texts)


def _fixed(
    texts: Sequence[str], epochs: int | None, params: Sequence[Param], recipe: str | None
) -> dict[str, Scalar]:
    """What is the same in all trials, each said once."""
    from edgemem.sweep.space import parse_value

    said = [parse_value(text) for text in texts]
    if epochs is not None:
        said.append(("epochs", epochs))
    names = [*(param.name for param in params), *(name for name, _ in said)]
    if recipe is not None:
        names.append("recipe")
        if "cell" in names:
            raise ConfigError("--recipe names a network of one cell; leave out the other")
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"{name} is said more than once; say it by --param or by --set")
    return dict(said)


def _check_packages(scheduler: str | None) -> None:
    """Refuse to start without what is needed at the end."""
    from importlib.util import find_spec

    for package in ("optuna", *(("distributed",) if scheduler else ())):
        if find_spec(package) is None:
            raise MissingExtraError("a sweep", package, "sweep")
    check_extras()


def _shown(storage: str | None) -> str | None:
    """The storage as it may stand in a file: without a password."""
    from edgemem.sweep.study import without_password

    return None if storage is None else without_password(storage)


def _own(folder: Folder) -> str:
    return f"sqlite:///{folder.database.resolve()}"


@contextmanager
def _place(scheduler: str | None, jobs: int | None, data: str | None) -> Iterator[Place]:
    """Where the trials run."""
    from edgemem.sweep.attempt import runner_named
    from edgemem.sweep.training import TRAIN

    if scheduler is None:
        from edgemem.sweep.local import Here

        yield Here(runner_named(TRAIN))
        return
    from edgemem.sweep.cluster import Cluster

    with Cluster(scheduler, TRAIN, jobs) as cluster:
        cluster.check(data)
        yield cluster


def _sweep(
    folder: Folder,
    space: Space,
    job: Mapping[str, Any],
    storage: str | None,
    prune: bool,
    keep_all: bool,
) -> Sweep:
    from edgemem.sweep.run import Sweep
    from edgemem.sweep.study import Study

    name = f"{job['task']}-{folder.id[:12]}"
    study = Study(storage or _own(folder), name, space, job["seed"], prune)
    return Sweep(folder, study, space, job, keep_all)


def _run(sweep: Sweep, place: Place, trials: int, url: str, quiet: bool) -> None:
    from edgemem.sweep.study import storage_errors

    def note(text: str) -> None:
        if not quiet:
            click.echo(text, err=True)

    def tell(trial: Trial, so_far: Sequence[Trial]) -> None:
        note(f"{len(so_far)}/{trials} {_line(trial, so_far)}")

    try:
        with storage_errors(url):
            sweep.run(place, trials, tell, note)
    except KeyboardInterrupt:
        click.echo("\nstopped; the same command goes on, nothing is lost", err=True)
        raise


def _line(trial: Trial, so_far: Sequence[Trial]) -> str:
    from edgemem.sweep.space import in_words
    from edgemem.sweep.trials import best_of

    text = f"trial {trial.number}: {in_words(trial.params)}"
    if trial.result is None:
        return f"{text}: {trial.state}" + (f" ({trial.reason})" if trial.reason else "")
    best = best_of(so_far)
    value = f"{trial.result.metric} {_figure(trial)}, {trial.result.parameters:,} parameters"
    own = best is None or best.number == trial.number
    return f"{text}: {value}" + ("; the best" if own else f"; best {_figure(best)}")


def _figure(trial: Trial | None) -> str:
    from edgemem.train.tasks.metrics import METRICS

    if trial is None or trial.result is None:
        return "none"
    return METRICS[trial.result.metric].shown(trial.result.validation)


def _report(sweep: Sweep, as_json: bool) -> None:
    from edgemem.sweep.pictures import draw_parallel, draw_pareto
    from edgemem.sweep.table import summary

    folder, trials = sweep.folder, sweep.study.trials
    title = f"{sweep.job['task']}: {len(trials)} trials"
    draw_parallel(trials, sweep.space, title, folder.parallel)
    draw_pareto(trials, sweep.space, title, folder.pareto)
    found = summary(trials)
    values = {"task": sweep.job["task"], **found, "model": str(folder.best)}
    if found["best"] is None:
        reasons = [trial.reason for trial in trials if trial.reason]
        raise TrainingError(
            f"none of {len(trials)} trials came to an end; the last one: "
            f"{reasons[-1] if reasons else 'no reason is known'}"
        )
    if as_json:
        click.echo(json.dumps(values))
        return
    click.echo("\n".join(_lines(trials, folder)))


def _lines(trials: Sequence[Trial], folder: Folder) -> Iterator[str]:
    from edgemem.cli._tables import aligned
    from edgemem.sweep.space import in_words
    from edgemem.sweep.trials import best_of, front

    best = best_of(trials)
    states = [trial.state for trial in trials]
    counts = ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states)))
    yield f"{folder.best}: trial {best.number if best else None}, the best of {len(trials)}"
    yield f"({counts}; {sum(trial.retries for trial in trials)} begun anew)"
    yield "No other trial beats these in both validation figure and parameters:"
    rows = [["trial", "parameters", "validation", "seconds", "hyper-parameters"]]
    for trial in front(trials):
        if trial.result is not None:
            figures = [_figure(trial), f"{trial.result.seconds:.0f}", in_words(trial.params)]
            rows.append([str(trial.number), f"{trial.result.parameters:,}", *figures])
    yield from aligned(rows, left=(4,))
