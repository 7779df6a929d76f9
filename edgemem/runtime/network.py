"""A network from its file, with all that the file says about its use."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgemem import pretrained
from edgemem.errors import ArtefactError
from edgemem.frontend import FrontEnd
from edgemem.runtime.crop import SECOND, Crop
from edgemem.runtime.loop import Listener
from edgemem.runtime.rule import DetectorConfig

if TYPE_CHECKING:
    from edgemem.artefact import Artefact
    from edgemem.target import Runner


@dataclass(frozen=True)
class Network:
    """A network that is ready to run.

    Parameters
    ----------
    path : Path
        Its file.
    labels : tuple of str
        Name of each logit.
    frontend : FrontEnd
    detector : DetectorConfig
        Decision rule that the file stores.
    protocol : str
        Name of the protocol of the labels.
    runner : Runner
    crop : Crop
        What of a recording it was trained on.
    """

    path: Path
    labels: tuple[str, ...]
    frontend: FrontEnd
    detector: DetectorConfig
    protocol: str
    runner: Runner
    crop: Crop = SECOND

    def listener(self) -> Listener:
        """Front end, runner and detector in a row."""
        return Listener(self.frontend, self.runner, self.detector, self.labels)


def open_network(file: str | Path, reference_kernels: bool = False) -> Network:
    """Open a converted file, a trained model, or a pretrained network by its name.

    A trained model (``.model``) runs as its graph in float64.

    Parameters
    ----------
    file : str or path
    reference_kernels : bool
        Whether an interpreter is to run its plain kernels instead of its fast ones.

    Raises
    ------
    UnknownNameError
        If there is no such file and no such name.
    ArtefactError, ModelError
        If the file is damaged or of another format.
    """
    path = pretrained.resolve(file)
    if path.suffix == pretrained.MODEL:
        return _from_model(path)
    from edgemem import artefact

    return of_artefact(path, artefact.read(path), reference_kernels)


def of_artefact(path: Path, opened: Artefact, reference_kernels: bool = False) -> Network:
    """The network of a converted file that has been read.

    Parameters
    ----------
    path : Path
        Its file.
    opened : Artefact
    reference_kernels : bool
        As for :func:`open_network`.

    Raises
    ------
    ArtefactError
        If the file does not say what sound needs, or its parts do not fit together.
    """
    from edgemem import target

    manifest = opened.manifest
    missing = [key for key in ("labels", "frontend", "detector") if not manifest.get(key)]
    if missing:
        raise ArtefactError(
            f"{path} does not say its {missing[0]}, which sound needs; convert the model again"
        )
    return Network(
        path=path,
        labels=tuple(manifest["labels"]),
        frontend=FrontEnd.from_dict(manifest["frontend"]),
        detector=DetectorConfig.from_dict(manifest["detector"]),
        protocol=str(manifest.get("protocol", "")),
        runner=target.load(opened, reference_kernels),
        crop=Crop.from_dict(manifest.get("crop", {})),
    )


def describe(file: str | Path) -> dict[str, Any]:
    """What the file of a network says of itself, as JSON values.

    Parameters
    ----------
    file : str or path
        As for :func:`open_network`.

    Raises
    ------
    UnknownNameError, ArtefactError, ModelError
        As :func:`open_network`.
    """
    path = pretrained.resolve(file)
    about = {"file": str(path), "bytes": path.stat().st_size}
    if path.suffix != pretrained.MODEL:
        from edgemem import artefact

        return {**about, **artefact.read(path).manifest}
    from edgemem.model import load

    model = load(path)
    return {
        **about,
        "name": model.name,
        "parameters": model.n_params,
        "labels": list(model.labels),
        "protocol": model.protocol,
        "frontend": model.frontend.to_dict(),
        "detector": model.detector.to_dict(),
        "crop": model.crop.to_dict(),
        "digest": model.digest,
        "card": dict(model.card),
    }


def _from_model(path: Path) -> Network:
    from edgemem.ir.runner import GraphRunner
    from edgemem.model import load

    model = load(path)
    return Network(
        path=path,
        labels=model.labels,
        frontend=model.frontend,
        detector=model.detector,
        protocol=model.protocol,
        runner=GraphRunner(model.reference()),
        crop=model.crop,
    )
