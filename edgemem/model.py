"""A trained network with everything that a conversion needs, in one file.

The file is a zip of ``model.json`` and one ``.npy`` for each array; nothing in it is executed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgemem.cells import Cell, from_dict
from edgemem.errors import ConfigError, EdgememError, ModelError
from edgemem.files import npy_bytes, write_atomic, zip_bytes
from edgemem.frontend import FrontEnd
from edgemem.ir import Graph, trace
from edgemem.ir.stored import check_shapes
from edgemem.ops import Array
from edgemem.quantize import Scheme
from edgemem.quantize.rounding import rounded_network
from edgemem.reading import DamageError, arrays_of, read_bytes, read_json, read_zip
from edgemem.runtime.crop import SECOND, Crop
from edgemem.runtime.rule import DetectorConfig
from edgemem.shapes import OBJECT, TEXT, ListOf, Real, Record, Row, Text, Whole

FORMAT = 2
"""Number of the newest file format; a reader refuses newer ones.

Only a model with a scheme is written in format 2: a reader of format 1 would convert it wrongly.
"""

PLAN = "model.json"

SCHEMA = Record(
    {
        "format": Whole(1, FORMAT),
        "name": Text(4096),
        "frontend": OBJECT,
        "cell": OBJECT,
        "labels": ListOf(TEXT, 1 << 16, 1),
        "protocol": Text(1 << 16),
        "detector": OBJECT,
        "feature_range": Row((Real(-1e30, 1e30), Real(-1e30, 1e30))),
        "digest": Text(64),
        "card": OBJECT,
    },
    {"crop": OBJECT, "scheme": OBJECT},
)
"""Fields of the description; those that are objects are checked by what they describe."""

Features = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Sample:
    """Clips that ride in a model, so that a conversion needs no data set.

    Parameters
    ----------
    features : (n, n_steps, n_in) float32 array
    labels : (n,) int array
        Positions in the model's labels; empty where the clips have none.
    """

    features: Features
    labels: npt.NDArray[np.int64]

    def rounded(self, low: float, high: float) -> Sample:
        """The same clips with features rounded to 1/255 of the range, as the file stores them."""
        step = (high - low) / 255.0
        levels = np.clip(np.rint((self.features - low) / step), 0, 255)
        return replace(self, features=(levels * step + low).astype(np.float32))


@dataclass(frozen=True)
class Model:
    """A trained network.

    Parameters
    ----------
    name : str
    frontend : FrontEnd
        What makes the input of the network out of sound.
    cell : Cell
        The network: a :class:`~edgemem.cells.Stack` as a rule.
    params : mapping
        Trained arrays and constants by name.
    labels : tuple of str
        One for each output, in order.
    protocol : str
        How the labels and the splits were made.
    detector : DetectorConfig
        Decision rule and thresholds.
    calibration : Sample
        Sequences of training features along which a conversion measures ranges.
    validation : Sample
        Labelled clips of validation speakers, with which a conversion checks itself.
    card : mapping
        What is known of the training: data, seed, figures (JSON values).
    scheme : Scheme, optional
        Widths and formats of the integer form that training fixed.
    crop : Crop
        What of a recording it was trained on; it is evaluated on the same.
    """

    name: str
    frontend: FrontEnd
    cell: Cell
    params: Mapping[str, Array]
    labels: tuple[str, ...]
    protocol: str
    detector: DetectorConfig
    calibration: Sample
    validation: Sample
    card: Mapping[str, Any] = field(default_factory=dict)
    scheme: Scheme | None = None
    crop: Crop = SECOND

    def __post_init__(self) -> None:
        if self.frontend.n_features != self.cell.n_in:
            raise ModelError(
                f"model {self.name!r}: the front end gives {self.frontend.n_features} features, "
                f"the network takes {self.cell.n_in}"
            )
        if len(self.labels) != self.cell.n_out:
            raise ModelError(
                f"model {self.name!r}: {len(self.labels)} labels for {self.cell.n_out} outputs"
            )

    def graph(self) -> Graph:
        """One step of the network, for a conversion."""
        return trace(self.cell, self.params)

    def reference(self) -> Graph:
        """One step of the network as it was trained: rounded where its scheme has formats.

        What a converted form is measured against.
        """
        if self.scheme is None or self.scheme.plan is None:
            return self.graph()
        return rounded_network(self.cell, self.params, self.scheme)

    @property
    def n_params(self) -> int:
        """Number of trained numbers (constants such as A and B are not counted)."""
        return self.cell.n_params

    @cached_property
    def digest(self) -> str:
        """sha256 of network, arrays, front end, labels and scheme, in hexadecimal."""
        h = hashlib.sha256()
        plan: list[Any] = [self.cell.to_dict(), self.frontend.to_dict(), list(self.labels)]
        if self.scheme is not None:
            plan.append(self.scheme.to_dict())
        h.update(json.dumps(plan, sort_keys=True).encode())
        for name in sorted(self.params):
            h.update(name.encode())
            h.update(np.ascontiguousarray(self.stored(name)).tobytes())
        return h.hexdigest()

    def stored(self, name: str) -> npt.NDArray[Any]:
        """The array in the precision of the file: float32 if trained, float64 if a constant."""
        return np.asarray(self.params[name], "<f4" if name in self.cell.params else "<f8")


def save(model: Model, path: Path) -> None:
    """Write ``model`` to ``path``; whole or not at all.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    write_atomic(Path(path), to_bytes(model))


def to_bytes(model: Model) -> bytes:
    """The file of ``model``: equal models give equal bytes."""
    low, high = _feature_range(model)
    plan: dict[str, Any] = {
        "format": 1 if model.scheme is None else FORMAT,
        "name": model.name,
        "frontend": model.frontend.to_dict(),
        "cell": model.cell.to_dict(),
        "labels": list(model.labels),
        "protocol": model.protocol,
        "detector": model.detector.to_dict(),
        "feature_range": [low, high],
        "digest": model.digest,
        "card": dict(model.card),
    }
    if model.crop != SECOND:
        plan["crop"] = model.crop.to_dict()
    if model.scheme is not None:
        plan["scheme"] = model.scheme.to_dict()
    arrays: dict[str, npt.NDArray[Any]] = {}
    for name in model.params:
        arrays[f"params/{name}"] = model.stored(name)
    for part, sample in (("calibration", model.calibration), ("validation", model.validation)):
        levels = np.rint((sample.features - low) * (255.0 / (high - low)))
        arrays[f"{part}/features"] = np.clip(levels, 0, 255).astype(np.uint8)
        arrays[f"{part}/labels"] = sample.labels.astype(np.int64)
    entries = {PLAN: json.dumps(plan, indent=1, sort_keys=True).encode()}
    entries.update({f"{name}.npy": npy_bytes(arrays[name]) for name in sorted(arrays)})
    return zip_bytes(entries, compress=True)


def load(path: Path) -> Model:
    """The model in the file ``path``.

    Raises
    ------
    ModelError
        If the file is missing, damaged, no model, or of a newer format.
    """
    path = Path(path)
    try:
        _, entries = read_zip(read_bytes(path))
        return _build(path, _plan(path, entries), arrays_of(entries))
    except FileNotFoundError:
        raise ModelError(f"{path}: no such file") from None
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}") from error
    except ModelError:
        raise
    except DamageError as error:
        raise ModelError(
            f"{path} is no edgemem model, or damaged ({error}); train it again or copy it again"
        ) from error
    except EdgememError as error:
        raise ModelError(f"{path}: {error}; train it again, or upgrade edgemem") from error


def _plan(path: Path, entries: Mapping[str, bytes]) -> dict[str, Any]:
    if PLAN not in entries:
        raise ModelError(
            f"{path} is no edgemem model: it has no {PLAN}"
            + ("; it is a converted network" if "manifest.json" in entries else "")
            + "; give the .model file that training wrote"
        )
    plan = read_json(entries[PLAN])
    OBJECT.check(plan, PLAN)
    newer = plan.get("format")
    if type(newer) is int and newer > FORMAT:
        raise ModelError(
            f"{path} has format {newer}, this edgemem reads up to {FORMAT}; upgrade edgemem"
        )
    SCHEMA.check(plan, PLAN)
    return dict(plan)


def _build(path: Path, plan: dict[str, Any], arrays: dict[str, npt.NDArray[Any]]) -> Model:
    low, high = plan["feature_range"]
    params = {
        name[len("params/") :]: _real(name, array)
        for name, array in arrays.items()
        if name.startswith("params/")
    }
    model = Model(
        name=plan["name"],
        frontend=FrontEnd.from_dict(plan["frontend"]),
        cell=from_dict(plan["cell"]),
        params=params,
        labels=tuple(plan["labels"]),
        protocol=plan["protocol"],
        crop=Crop.from_dict(plan.get("crop", {})),
        detector=DetectorConfig.from_dict(plan["detector"]),
        calibration=_sample(arrays, "calibration", low, high),
        validation=_sample(arrays, "validation", low, high),
        card=plan["card"],
        scheme=Scheme.from_dict(plan["scheme"]) if "scheme" in plan else None,
    )
    _check_arrays(model)
    for sample in (model.calibration, model.validation):
        if sample.features.size and sample.features.shape[2] != model.cell.n_in:
            raise DamageError(f"clips of {sample.features.shape[2]} features a step")
        if sample.labels.size and not 0 <= sample.labels.min() <= sample.labels.max() < len(
            model.labels
        ):
            raise DamageError("clips of labels that it does not have")
    if model.digest != plan["digest"]:
        raise ModelError(f"{path}: the arrays do not match the digest; copy the file again")
    return model


def _check_arrays(model: Model) -> None:
    """Refuse arrays that do not fit the cell here, not where somebody runs it."""
    for name, shape in model.cell.params.items():
        if name not in model.params or model.params[name].shape != shape:
            raise DamageError(f"no array {name!r} of shape {shape}")
    try:
        graph = trace(model.cell, model.params, whole=True)
    except ConfigError:  # one that only trains, and says so to whoever wants to run it
        return
    check_shapes(graph)


def _real(name: str, array: npt.NDArray[Any]) -> Array:
    if array.dtype.kind != "f":
        raise DamageError(f"{name} holds {array.dtype}, no real numbers")
    # a damaged float may be a NaN that warns when it is cast; the digest has the last word
    with np.errstate(invalid="ignore"):
        return array.astype(np.float64)


def _sample(arrays: Mapping[str, npt.NDArray[Any]], part: str, low: float, high: float) -> Sample:
    levels, labels = (arrays.get(f"{part}/{what}") for what in ("features", "labels"))
    if levels is None or labels is None or levels.ndim != 3 or levels.dtype != np.uint8:
        raise DamageError(f"{part} holds no clips of bytes with their labels")
    if labels.dtype != np.int64 or labels.shape not in ((0,), levels.shape[:1]):
        raise DamageError(f"{part} has labels of shape {labels.shape} for {len(levels)} clips")
    reals = np.arange(256.0) * ((high - low) / 255.0) + low
    return Sample(reals.astype(np.float32)[levels], labels)


def _feature_range(model: Model) -> tuple[float, float]:
    """Limits of the features: the front end's own, or those of the samples."""
    both = (model.calibration.features, model.validation.features)
    found = [part for part in both if part.size]
    low, high = model.frontend.low, model.frontend.high
    if low is None:
        low = min((float(part.min()) for part in found), default=0.0)
    if high is None:
        high = max((float(part.max()) for part in found), default=1.0)
    return low, max(high, low + 1e-6)
