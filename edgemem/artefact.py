"""What a conversion writes and a device reads: one file.

The payload comes first (for TFLite the model itself, so that any interpreter opens the file),
then a zip archive of parts, as TFLite Metadata attaches files: ``manifest.json``, ``labels.txt``,
``golden.npz`` and what the target adds. Any zip tool lists them. Equal contents give equal bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemem.errors import ArtefactError, ConfigError
from edgemem.files import npz_bytes, zip_bytes
from edgemem.frontend import FrontEnd
from edgemem.reading import DamageError, read_bytes, read_json, read_npz, read_zip
from edgemem.runtime.crop import Crop
from edgemem.runtime.rule import DetectorConfig
from edgemem.shapes import OBJECT, TEXT, ListOf, MapOf, Real, Record, Text, Whole

FORMAT = 1
"""Number of the file format; a reader refuses newer ones."""

MANIFEST = "manifest.json"
LABELS = "labels.txt"
GOLDEN = "golden.npz"

COMMON_PARTS = (MANIFEST, LABELS, GOLDEN)
"""The parts of every file."""

PAYLOAD = "payload"
"""Under this name the manifest lists the digest of the payload."""

MOST_LABELS = 1 << 16

MOST_GOLDEN = 1 << 22
"""Numbers of the golden vectors; those of a conversion are some hundred."""

LONGEST_TEXT = 1 << 16
"""Characters of a note or a reason."""

SCHEMA = Record(
    {"format": Whole(1, FORMAT), "target": TEXT, "sha256": MapOf(Text(64), 4096)},
    {
        "name": Text(4096),
        "labels": ListOf(TEXT, MOST_LABELS),
        "protocol": Text(1 << 16),
        "frontend": OBJECT,
        "detector": OBJECT,
        "crop": OBJECT,
        "tolerance": Record({}, {name: Real(0.0) for name in ("distance", "agreement", "replay")}),
        "golden": TEXT,
        "versions": MapOf(TEXT, 64),
        "model": Text(64),
        "note": Text(LONGEST_TEXT),
        "accepted": Record(
            {
                "reason": Text(LONGEST_TEXT),
                "distance": Real(0.0),
                "allowed": Record({"distance": Real(0.0)}, {"agreement": Real(0.0)}),
            },
            {"agreement": Real(0.0, 1.0)},
        ),
    },
    more=True,
)
"""Fields of the manifest; what a target adds, it checks itself."""


@dataclass(frozen=True)
class Golden:
    """Inputs and the outputs that the converted network gave for them.

    Parameters
    ----------
    x : (n, t, n_in) float32 array
        Streamed clips; the state is reset before each.
    y : (n, t, n_out) float32 array
    """

    x: NDArray[np.float32]
    y: NDArray[np.float32]


@dataclass(frozen=True)
class Artefact:
    """A converted network as it travels to the device.

    Parameters
    ----------
    origin : str
        Where it was read from, for messages.
    manifest : mapping
    payload : bytes
    parts : mapping
        Contents of the attached files by name, the manifest left out.
    """

    origin: str
    manifest: Mapping[str, Any]
    payload: bytes
    parts: Mapping[str, bytes]

    @property
    def target(self) -> str:
        """Name of the target that made it and runs it."""
        return str(self.manifest["target"])

    @property
    def labels(self) -> tuple[str, ...]:
        """Name of each output."""
        return tuple(self.manifest.get("labels", ()))

    def part(self, name: str) -> bytes:
        """The attached file of that name."""
        if name not in self.parts:
            raise ArtefactError(
                f"{self.origin} has no part {name!r}; it holds: {', '.join(sorted(self.parts))}"
            )
        return self.parts[name]

    def arrays(self, name: str) -> dict[str, NDArray[Any]]:
        """The arrays of the attached .npz file of that name."""
        data = self.part(name)
        try:
            return read_npz(data)
        except DamageError as error:
            raise ArtefactError(f"{self.origin}: the part {name!r} is damaged ({error})") from error

    @property
    def golden(self) -> Golden:
        """The golden vectors."""
        arrays = self.arrays(GOLDEN)
        x, y = arrays.get("x"), arrays.get("y")
        if x is None or y is None or x.ndim != 3 or y.ndim != 3 or x.shape[:2] != y.shape[:2]:
            raise ArtefactError(
                f"{self.origin}: {GOLDEN} does not hold x and y of three axes, as many clips and "
                "steps in each; convert the model again"
            )
        if max(x.size, y.size) > MOST_GOLDEN or not np.isfinite(x).all():
            raise ArtefactError(
                f"{self.origin}: {GOLDEN} holds too many numbers, or some that are none; convert "
                "the model again"
            )
        return Golden(x.astype(np.float32), y.astype(np.float32))


def build(
    payload: bytes,
    fields: Mapping[str, Any],
    labels: Sequence[str],
    golden: Golden,
    parts: Mapping[str, bytes],
) -> Artefact:
    """An artefact that was never in a file.

    Parameters
    ----------
    payload : bytes
    fields : mapping
        What the manifest says besides format, labels and digests; ``"target"`` must be there.
    labels : sequence of str
    golden : Golden
    parts : mapping
        Further files by name.
    """
    every = {
        LABELS: "".join(f"{label}\n" for label in labels).encode(),
        GOLDEN: npz_bytes({"x": golden.x, "y": golden.y}),
        **parts,
    }
    digests = {name: _digest(data) for name, data in {PAYLOAD: payload, **every}.items()}
    manifest = {"format": FORMAT, **fields, "labels": list(labels), "sha256": digests}
    return Artefact("a new file", manifest, payload, every)


def to_bytes(artefact: Artefact) -> bytes:
    """The file of ``artefact``."""
    manifest = json.dumps(artefact.manifest, separators=(",", ":"), sort_keys=True)
    entries = {MANIFEST: manifest.encode(), **artefact.parts}
    # uncompressed, as readers of TFLite Metadata want it
    return zip_bytes(entries, compress=False, prefix=artefact.payload)


def read(path: Path | str) -> Artefact:
    """The artefact in the file ``path``, every digest checked.

    Raises
    ------
    ArtefactError
        If the file is missing, cut short, foreign, altered, or of a newer format.
    """
    path = Path(path)
    try:
        data = read_bytes(path)
    except FileNotFoundError:
        raise ArtefactError(f"{path}: no such file") from None
    except OSError as error:
        raise ArtefactError(f"{path} cannot be read: {error.strerror or error}") from error
    except DamageError as error:
        raise ArtefactError(f"{path} {error}; name a converted network") from error
    return from_bytes(data, str(path))


def from_bytes(data: bytes, origin: str) -> Artefact:
    """As :func:`read`, for a file that is already in memory."""
    start, entries = _unzip(data, origin)
    if MANIFEST not in entries:
        raise ArtefactError(
            f"{origin} is cut short, or no converted network of edgemem: it has no {MANIFEST}; "
            "copy the file again or make it with edgemem convert"
        )
    manifest = _manifest(entries.pop(MANIFEST), origin)
    artefact = Artefact(origin, manifest, data[:start], entries)
    _check_digests(artefact)
    return artefact


def _unzip(data: bytes, origin: str) -> tuple[int, dict[str, bytes]]:
    """Payload's length and parts: these are stored as they are, so that none is larger than the
    file."""
    try:
        return read_zip(data, stored=True)
    except DamageError as error:
        if _is_model(data):
            raise ArtefactError(
                f"{origin} is no converted network of edgemem: it has no {MANIFEST}; "
                "it is a trained model: run edgemem convert"
            ) from error
        raise ArtefactError(
            f"{origin} is cut short, damaged, or no converted network of edgemem ({error}); "
            "copy the file again or make it with edgemem convert"
        ) from error


def _is_model(data: bytes) -> bool:
    try:
        return "model.json" in read_zip(data)[1]
    except DamageError:
        return False


def _manifest(text: bytes, origin: str) -> dict[str, Any]:
    try:
        manifest = read_json(text)
        OBJECT.check(manifest, "it")
        newer = manifest.get("format")
        if type(newer) is int and newer > FORMAT:
            raise ArtefactError(
                f"{origin} has format {newer}, this edgemem reads up to {FORMAT}; upgrade edgemem"
            )
        SCHEMA.check(manifest, "manifest")
        if "frontend" in manifest:
            FrontEnd.from_dict(manifest["frontend"])
        if "detector" in manifest:
            DetectorConfig.from_dict(manifest["detector"])
        if "crop" in manifest:
            Crop.from_dict(manifest["crop"])
    except (DamageError, ConfigError) as error:
        raise ArtefactError(
            f"{origin}: {MANIFEST} is damaged: {error}; convert the model again"
        ) from error
    return dict(manifest)


def _check_digests(artefact: Artefact) -> None:
    contents = {PAYLOAD: artefact.payload, **artefact.parts}
    expected = artefact.manifest["sha256"]
    for name in sorted({*contents, *expected}):
        if name not in contents:
            raise ArtefactError(f"{artefact.origin}: the part {name!r} is missing; copy it again")
        if expected.get(name) != _digest(contents[name]):
            raise ArtefactError(
                f"{artefact.origin}: {name!r} does not match its digest in {MANIFEST}; "
                "the file was altered or damaged, copy it again"
            )


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
