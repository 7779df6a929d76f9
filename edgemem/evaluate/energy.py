"""What one inference takes in each form of a network, counted, and the joules of a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

from edgemem import pretrained
from edgemem.artefact import Artefact
from edgemem.energy import (
    Counted,
    Counts,
    Form,
    Modelled,
    Simulated,
    Table,
    graph_counts,
    joules,
    program_counts,
)
from edgemem.errors import ArtefactError, ConfigError
from edgemem.evaluate.simulation import portions
from edgemem.evaluate.subject import clips_of, open_subject
from edgemem.frontend import FrontEnd
from edgemem.ir.runner import GraphRunner
from edgemem.model import load
from edgemem.quantize.stored import PROGRAM, read_program
from edgemem.target import Runner

COMPUTED = "every operation of a step"


@dataclass(frozen=True)
class Cost:
    """One form of a network, its counts per inference, and the energy they come to.

    Parameters
    ----------
    name : str
        Its file.
    target : str
        Target of a converted file; ``"model"`` for a trained one.
    form : str
        One of :data:`edgemem.energy.Form`.
    frames : int
        Feature vectors of one inference.
    counts : mapping of float
        Of one inference, by the names of :class:`~edgemem.energy.Counts`.
    about : str
        What was counted.
    energies : tuple of Modelled
        On each device.
    foreign : frozenset of str
        Devices among them whose figures are not meant for this form.
    """

    name: str
    target: str
    form: Form
    frames: int
    counts: Mapping[str, float]
    about: str
    energies: tuple[Modelled, ...]
    foreign: frozenset[str] = frozenset()

    def machine(self, energy: Modelled) -> str:
        """Name of a device, with a star where its figures are not meant for this form."""
        return energy.device + " *" * (energy.device in self.foreign)

    def to_dict(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        return {
            "file": self.name,
            "target": self.target,
            "form": self.form,
            "frames": self.frames,
            "counts": dict(self.counts),
            "counted": self.about,
            "energy": [
                {**energy.to_dict(), "meant_for_form": energy.device not in self.foreign}
                for energy in self.energies
            ],
        }


@dataclass(frozen=True)
class _Frame:
    """Means over frames of what one frame takes."""

    target: str
    form: Form
    frontend: FrontEnd
    counts: Mapping[str, float]
    about: str


def cost(
    path: Path,
    table: Table,
    devices: tuple[str, ...] = (),
    seconds: float = 1.0,
    data: Path | None = None,
    limit: int | None = None,
) -> Cost:
    """Counts and modelled energy of one inference.

    Dense forms take the same for every frame. Forms that send spikes or messages are run, on
    recordings or on what rides in their file, and the mean over frames is taken. The front end is
    the same for every form, and left out.

    Parameters
    ----------
    path : Path
        A trained model (its floats are counted) or a converted file.
    table : Table
    devices : tuple of str
        Names of devices of the table; without any, those that are meant for the form.
    seconds : float
        Sound of one inference.
    data : Path, optional
        Folder of recordings, a folder a word.
    limit : int, optional
        At most so many of its clips, spread evenly.

    Raises
    ------
    ConfigError
        If ``seconds`` give no frame.
    ArtefactError
        If the form counts nothing.
    EdgememError
        If the file or the recordings cannot be used, or a device is unknown.
    """
    frame = _of_model(path) if path.suffix == pretrained.MODEL else _of_file(path, data, limit)
    rate = frame.frontend.sample_rate
    frames = frame.frontend.n_frames(round(seconds * rate))
    if frames < 1:
        raise ConfigError(
            f"{seconds:g} s of sound give no feature vector of {path.name}; "
            f"one arrives every {frame.frontend.frame_period:g} s"
        )
    counts = {name: frames * count for name, count in frame.counts.items() if count}
    names = devices or table.meant_for(frame.form)
    energies = tuple(joules(counts, name, table) for name in names)
    foreign = frozenset(names) - set(table.meant_for(frame.form))
    return Cost(path.name, frame.target, frame.form, frames, counts, frame.about, energies, foreign)


def _of_model(path: Path) -> _Frame:
    model = load(path)
    counts = graph_counts(model.reference()).per_frame()
    return _Frame("model", "float", model.frontend, counts, COMPUTED)


def _of_file(path: Path, data: Path | None, limit: int | None) -> _Frame:
    subject = open_subject(str(path), None)
    opened, runner = subject.converted, subject.loaded
    assert opened is not None and runner is not None
    if isinstance(runner, Simulated):
        heard = clips_of(subject, root=data, limit=limit)
        runs = (runner.simulate(x).counts for x in portions(heard))
        means = reduce(Counts.__add__, runs).per_frame()
        form, about = sends(opened.manifest), f"a run of {heard.about}"
        return _Frame(opened.target, form, subject.frontend, means, about)
    form, counts = _dense(opened, runner)
    return _Frame(opened.target, form, subject.frontend, counts.per_frame(), COMPUTED)


def _dense(opened: Artefact, runner: Runner) -> tuple[Form, Counts]:
    """Form of a network that computes everything at every frame, and the counts of a frame."""
    if PROGRAM in opened.parts:
        return "integers", program_counts(read_program(opened))
    if isinstance(runner, GraphRunner):
        return "float", graph_counts(runner.graph)
    if isinstance(runner, Counted):
        floats = opened.manifest.get("quantize") == "none"
        return "float" if floats else "integers", runner.step_counts
    raise ArtefactError(f"{opened.origin}: target {opened.target!r} counts nothing of what it does")


def sends(facts: Mapping[str, Any]) -> Form:
    """Whether the messages of a form are graded or spikes, as its ``profile`` says.

    Parameters
    ----------
    facts : mapping
        A file's manifest, or the options of a conversion.
    """
    return "graded" if facts.get("profile") == "loihi2" else "spikes"
