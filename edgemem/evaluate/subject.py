"""What a simulation runs, and on which clips: a model in a target's form, or a converted file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgemem import artefact, pretrained, target
from edgemem.artefact import Artefact
from edgemem.conversion import decision_window, draft, golden_inputs
from edgemem.data.clips import list_clips, read_samples
from edgemem.energy import Simulated
from edgemem.errors import ArtefactError, ConfigError, DataError
from edgemem.evaluate.simulation import Clips, Features
from edgemem.frontend import FrontEnd
from edgemem.ir.runner import GraphRunner
from edgemem.model import Model, load
from edgemem.ops import Array
from edgemem.runtime.crop import SECOND, Crop
from edgemem.runtime.network import of_artefact
from edgemem.runtime.sources import read_clip
from edgemem.target import Runner


@dataclass(frozen=True)
class Subject:
    """A network and the form in which it is to be simulated.

    Parameters
    ----------
    name : str
    target : str
        Target whose form it takes or has.
    labels : tuple of str
    frontend : FrontEnd
    window : int
        Frames at the end of a clip whose logits decide; None where nothing is decided.
    protocol : str
    model : Model or None
        The trained network: what is converted, or what a converted file is compared with.
    converted : Artefact or None
        The converted file, if it is one.
    loaded : Runner or None
        What runs that file.
    crop : Crop
        What of a recording it was trained on.
    """

    name: str
    target: str
    labels: tuple[str, ...]
    frontend: FrontEnd
    window: int | None
    protocol: str
    model: Model | None
    converted: Artefact | None = None
    loaded: Runner | None = None
    crop: Crop = SECOND

    def trained(self, x: Features) -> Features | None:
        """Logits of the trained network over clips, (n, t, n_out), if there is one."""
        if self.model is None:
            return None
        return np.asarray(self.model.reference().scan(x.astype(np.float64))[0], np.float32)

    def terms(self, x: Features, names: Sequence[str]) -> dict[str, Array]:
        """Values of terms of the trained network over one clip (t, n_in), and its logits as ""."""
        if self.model is None:
            return {}
        runner = GraphRunner(self.model.reference())
        logits, seen = [], []
        for frame in x:
            logits.append(runner.step(frame))
            seen.append({n: v.reals for n, v in runner.tensors().items() if n in names})
        return {"": np.array(logits), **{n: np.stack([s[n] for s in seen]) for n in seen[0]}}

    @property
    def states(self) -> tuple[str, ...]:
        """Terms of the trained network that become its states."""
        return () if self.model is None else tuple(self.model.graph().next_states.values())

    def runner(self, options: Mapping[str, Any]) -> Simulated:
        """The simulated form.

        Parameters
        ----------
        options : mapping
            Of the target, by field; of no use where the file is converted already.

        Raises
        ------
        ArtefactError
            If the target does not simulate.
        EdgememError
            As the target's ``convert`` raises them.
        """
        runner = self.loaded or target.load(draft(self._model(), self.target, options))
        if not isinstance(runner, Simulated):
            raise ArtefactError(
                f"{self.name}: target {self.target!r} runs as it is and counts nothing; simulated "
                "are spiking and loihi; edgemem evaluate measures the others"
            )
        return runner

    def _model(self) -> Model:
        assert self.model is not None
        return self.model


def open_subject(file: str, name: str | None, against: str | None = None) -> Subject:
    """A model in the form of a target, or a converted file.

    Parameters
    ----------
    file : str
        Path, or name of a pretrained network.
    name : str, optional
        Target of a model; a converted file has its own.
    against : str, optional
        Trained model beside which a converted file is measured.

    Raises
    ------
    ConfigError
        If a model comes without a target, or a converted file with one.
    EdgememError
        If a file cannot be read.
    """
    path = pretrained.resolve(file, pretrained.MODEL) if name else pretrained.resolve(file)
    if path.suffix == pretrained.MODEL:
        if name is None:
            raise ConfigError(f"{file} is a trained model: say --spiking, or --target loihi")
        model = load(path)
        return Subject(
            model.name,
            name,
            model.labels,
            model.frontend,
            decision_window(model),
            model.protocol,
            model,
            crop=model.crop,
        )
    if name is not None:
        raise ConfigError(f"{file} is converted already: leave --spiking and --target out")
    opened = artefact.read(path)
    network = of_artefact(path, opened)
    beside = load(pretrained.resolve(against, pretrained.MODEL)) if against else None
    return Subject(
        path.name,
        opened.target,
        network.labels,
        network.frontend,
        network.detector.window if beside is None else decision_window(beside),
        network.protocol,
        beside,
        opened,
        network.runner,
        network.crop,
    )


def clips_of(
    subject: Subject,
    clip: Path | None = None,
    root: Path | None = None,
    split: str = "test",
    limit: int | None = None,
) -> Clips:
    """One recording, a data set, or what rides in the file: a model's validation clips, or the
    golden inputs.

    Raises
    ------
    ConfigError
        If both a recording and a data set are named.
    DataError
        If there is no clip.
    """
    if clip is not None and root is not None:
        raise ConfigError("both a recording and --data are named; choose one")
    none = np.zeros(0, np.int64)
    if clip is not None:
        x = subject.frontend.features(read_clip(clip, subject.frontend.sample_rate))
        return Clips(x[None], none, str(clip))
    if root is not None:
        return recorded(subject, root, split, limit)
    if subject.model is None and subject.converted is not None:
        return Clips(subject.converted.golden.x[:limit], none, "golden inputs")
    assert subject.model is not None
    return carried(subject.model, limit)


def carried(model: Model, limit: int | None = None) -> Clips:
    """The clips that ride in a model: of validation, or else those of its calibration.

    Parameters
    ----------
    model : Model
    limit : int, optional
        At most so many, spread evenly.

    Raises
    ------
    DataError
        If there is none.
    """
    none = np.zeros(0, np.int64)
    sample, about = model.validation, "validation clips in the model"
    if not len(sample.features):
        return Clips(golden_inputs(model.calibration.features), none, "calibration sequences")
    chosen = _spread(len(sample.features), limit)
    labels = sample.labels[chosen] if len(sample.labels) else none
    return Clips(sample.features[chosen], labels, about)


def recorded(
    listener: Subject | Model, root: Path, split: str = "test", limit: int | None = None
) -> Clips:
    """The recordings of a data set as a network hears them.

    Parameters
    ----------
    listener : Subject or Model
        Its front end, labels, protocol and crop are asked for.
    root : Path
    split : str
    limit : int, optional
        At most so many, spread evenly.

    Raises
    ------
    DataError
        If there is none.
    """
    crop = listener.crop
    found, _ = list_clips(
        root,
        listener.protocol or None,
        split,
        labels=listener.labels,
        seconds=crop.seconds,
    )
    if not found:
        raise DataError(f"{root} has no clip in its split {split!r}")
    found = [found[i] for i in _spread(len(found), limit)]
    rate = listener.frontend.sample_rate
    heard = [read_samples(clip, rate, crop.seconds, crop.center) for clip in found]
    x = [listener.frontend.features(samples) for samples in heard]
    labels = np.array([listener.labels.index(clip.label) for clip in found], np.int64)
    return Clips(np.stack(x), labels, f"{root}, split {split}")


def _spread(count: int, limit: int | None) -> list[int]:
    chosen = min(count, limit or count)
    return [int(i) for i in np.linspace(0, count - 1, chosen).round()] if count else []
