"""Converted files and models, damaged where they mean something: a field of a JSON text, an array,
the archive itself. Digests are computed anew, as somebody would who wants the file to be read.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import cache
from typing import Any

import numpy as np

from edgemem import artefact, target
from edgemem.artefact import Golden
from edgemem.cells import LEM, LMU, Cell, Dense, Norm, Stack
from edgemem.errors import EdgememError
from edgemem.files import npz_bytes, zip_bytes
from edgemem.frontend import FrontEnd
from edgemem.model import Model, Sample, to_bytes
from edgemem.quantize.stored import ARRAYS, PROGRAM
from edgemem.reading import read_npz, read_zip
from edgemem.runtime.rule import DetectorConfig
from edgemem.target import Target
from edgemem.verification import replay

N_IN = 4

CELLS: tuple[Cell, ...] = (
    Stack((Norm(N_IN), LMU(N_IN, 6, 3, 5.0, 2, activation="relu"), Dense(6, 3))),
    Stack((Norm(N_IN), LEM(N_IN, 5), Dense(5, 3))),
    LMU(N_IN, 3, 2, 6.0, 1, input_to_hidden=True, activation="linear"),
)
"""Every target lowers one of these at least."""

EXTREMES: tuple[Any, ...] = (
    0, 1, -1, 2, 7, 31, 32, 33, 255, -129, 65536, 2**20, 2**31 - 1, 2**31, -(2**31), 2**32, 2**63,
    0.0, -0.5, 1e-300, 1e300, 0.1, True, False, None, "", "a", "x", "é" * 300, "0;", "\\", "-rf",
    "../../x", "\u2028", [], {}, [[]], [0], {"a": 1}, "1", "nan",
)  # fmt: skip
"""What may stand in the place of a value."""


def model(cell: Cell) -> Model:
    """A tiny model that hears, with random arrays."""
    rng = np.random.default_rng(1)
    params = {**cell.init(rng), **cell.constants}
    clips = np.round(rng.uniform(0, 255, (4, 8, N_IN))).astype(np.float32)
    return Model(
        name="net",
        frontend=FrontEnd(n_mels=N_IN, gain=2.305, offset=208.8, low=0.0, high=255.0),
        cell=cell,
        params=params,
        labels=("_silence_", "yes", "no"),
        protocol="words:yes,no",
        detector=DetectorConfig(window=3, keywords={"yes": {"threshold": 0.7}}),
        calibration=Sample(clips, np.zeros(0, np.int64)),
        validation=Sample(clips, np.array([0, 1, 2, 1])),
        card={"seed": 1},
    )


def options_of(chosen: Target) -> Iterator[dict[str, Any]]:
    """The defaults, and every other value of every option that has a few."""
    yield {}
    for name, field in chosen.Options.__dataclass_fields__.items():
        if "Literal" in str(field.type) or field.type in ("Activations", "Weights"):
            from typing import get_args, get_type_hints

            for value in get_args(get_type_hints(chosen.Options)[name]):
                if value != field.default:
                    yield {name: value}


@cache
def converted(name: str) -> tuple[bytes, ...]:
    """Sound files of a target: its cells, its options.

    Raises
    ------
    LookupError
        If it lowers none of :data:`CELLS`.
    """
    chosen, found = target.get(name), []
    for cell in CELLS:
        for options in options_of(chosen):
            try:
                found.append(_converted(chosen, model(cell), options))
            except EdgememError:  # that cell with that option is not lowered, or not run
                continue
    if not found:
        raise LookupError(f"target {name!r} lowers no cell that is fuzzed")
    return tuple(found)


def _converted(chosen: Target, small: Model, options: Mapping[str, Any]) -> bytes:
    """A file with what its target computes as golden outputs; no tolerance is asked of it."""
    x = small.calibration.features
    made = chosen.convert(small, chosen.Options(**options), x)
    fields = {
        "target": chosen.name,
        "frontend": small.frontend.to_dict(),
        "detector": small.detector.to_dict(),
        "tolerance": {"distance": 0.2, "agreement": 0.9, "replay": 0.1},
        **made.facts,
    }
    none = Golden(x[:2], np.zeros((*x[:2].shape[:2], len(small.labels)), np.float32))
    draft = artefact.build(made.payload, fields, small.labels, none, made.parts)
    golden = Golden(x[:2], replay(target.load(draft, reference_kernels=True), x[:2])[0])
    built = artefact.build(made.payload, fields, small.labels, golden, made.parts)
    return artefact.to_bytes(built)


@cache
def models() -> tuple[bytes, ...]:
    """Sound models."""
    return tuple(to_bytes(model(cell)) for cell in CELLS)


# JSON


def mutated_json(value: Any, rng: np.random.Generator) -> Any:
    """``value`` with one to three places changed."""
    changed = json.loads(json.dumps(value))
    for _ in range(int(rng.integers(1, 4))):
        places = list(_places(changed))
        if not places:
            break
        holder, key = places[int(rng.integers(len(places)))]
        _change(holder, key, changed, rng)
    return changed


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    keys = list(value) if isinstance(value, dict) else range(len(value))
    for key in keys:
        yield value, key
        if isinstance(value[key], (dict, list)):
            yield from _places(value[key])


def _change(holder: Any, key: Any, whole: Any, rng: np.random.Generator) -> None:
    how = int(rng.integers(8))
    if how < 3:
        # a copy: the next change may go into it
        holder[key] = deepcopy(EXTREMES[int(rng.integers(len(EXTREMES)))])
    elif how == 3:
        del holder[key]
    elif how == 4 and isinstance(holder[key], (int, float)):
        holder[key] = type(holder[key])(holder[key] * float(rng.choice([-1, 2, 0.5, 1e6]))) or 3
    elif how == 5:
        others = list(_places(whole))
        other, name = others[int(rng.integers(len(others)))]
        holder[key] = json.loads(json.dumps(other[name]))
    elif how == 6 and isinstance(holder, list):
        holder.insert(int(key), json.loads(json.dumps(holder[key])))
    elif how == 7 and isinstance(holder, dict):
        holder[f"{key}{rng.choice(['x', ' ', '.', '/'])}"] = holder.pop(key)
    elif isinstance(holder[key], str) and holder[key]:
        text, place = holder[key], int(rng.integers(len(holder[key])))
        holder[key] = text[:place] + chr(int(rng.integers(1, 0x250))) + text[place + 1 :]
    else:
        # a copy: the next change may go into it
        holder[key] = deepcopy(EXTREMES[int(rng.integers(len(EXTREMES)))])


# arrays


def mutated_arrays(
    arrays: Mapping[str, np.ndarray[Any, Any]], rng: np.random.Generator
) -> dict[str, np.ndarray[Any, Any]]:
    """``arrays`` with one of them changed, missing, or under another name."""
    found = dict(arrays)
    name = str(rng.choice(sorted(found)))
    array, how = found[name], int(rng.integers(9))
    if how == 0:
        del found[name]
    elif how == 1:
        found[name + "x"] = found.pop(name)
    elif how == 2:
        found[name] = array.reshape(-1)
    elif how == 3:
        found[name] = array.T
    elif how == 4:
        found[name] = array[None]
    elif how == 5:
        found[name] = array[..., : int(rng.integers(0, 3))] if array.ndim else array.reshape(1)
    elif how == 6:
        kind = str(rng.choice(["<f4", "<f8", "<i8", "|i1", "|u1", "<i4", "|b1", "<f2"]))
        with np.errstate(invalid="ignore", over="ignore"):
            found[name] = array.astype(kind)
    else:
        found[name] = _with_extremes(array, rng)
    return found


def _with_extremes(array: np.ndarray[Any, Any], rng: np.random.Generator) -> Any:
    changed = np.array(array)
    flat = changed.reshape(-1)
    for _ in range(int(rng.integers(1, 4))):
        if flat.size and changed.dtype.kind == "f":
            values = [np.nan, np.inf, -np.inf, 0.0, 1e30, -1e30, 1e-30]
            with np.errstate(over="ignore"):
                flat[int(rng.integers(flat.size))] = rng.choice(values)
        elif flat.size and changed.dtype.kind in "iu":
            limits = np.iinfo(changed.dtype)
            values = [limits.min, limits.max, 0, 1, limits.max // 2]
            flat[int(rng.integers(flat.size))] = values[int(rng.integers(len(values)))]
    return changed


# files


def mutated_program(data: bytes, rng: np.random.Generator) -> bytes:
    """A file of an integer program with that alone damaged."""
    opened = artefact.from_bytes(data, "sound")
    parts = dict(opened.parts)
    name = str(rng.choice([PROGRAM, ARRAYS]))
    parts[name] = _mutated_part(name, parts[name], rng)
    return _sealed(dict(opened.manifest), opened.payload, parts)


def mutated_artefact(data: bytes, rng: np.random.Generator) -> bytes:
    """A converted file with one part damaged, its digests computed anew; or the archive itself."""
    opened = artefact.from_bytes(data, "sound")
    how = int(rng.integers(10))
    if how == 0:
        return mutated_bytes(data, rng)
    if how == 1:
        return _odd_archive({"manifest.json": b"{}", **opened.parts}, opened.payload, rng)
    manifest, payload, parts = dict(opened.manifest), opened.payload, dict(opened.parts)
    if how < 5:
        manifest = mutated_json(manifest, rng)
    elif how == 5 and payload:
        payload = mutated_bytes(payload, rng)
    else:
        name = str(rng.choice(sorted(parts)))
        parts[name] = _mutated_part(name, parts[name], rng)
    return _sealed(manifest, payload, parts)


def _sealed(manifest: dict[str, Any], payload: bytes, parts: Mapping[str, bytes]) -> bytes:
    """The file, its digests computed anew."""
    whole = {"payload": payload, **parts}
    if isinstance(manifest.get("sha256"), dict):
        manifest["sha256"] = {n: hashlib.sha256(data).hexdigest() for n, data in whole.items()}
    text = json.dumps(manifest).encode()
    return zip_bytes({"manifest.json": text, **parts}, compress=False, prefix=payload)


def _mutated_part(name: str, data: bytes, rng: np.random.Generator) -> bytes:
    if name.endswith(".json"):
        return json.dumps(mutated_json(json.loads(data), rng)).encode()
    if name.endswith(".npz") and rng.random() < 0.9:
        return npz_bytes(mutated_arrays(read_npz(data), rng))
    return mutated_bytes(data, rng)


def mutated_model(data: bytes, rng: np.random.Generator) -> bytes:
    """A model with a field or an array damaged, its digest as it would be if it were sound."""
    if rng.random() < 0.15:
        return mutated_bytes(data, rng)
    _, entries = read_zip(data)
    plan = json.loads(entries.pop("model.json"))
    arrays = read_npz(data)
    if rng.random() < 0.5:
        plan = mutated_json(plan, rng)
    else:
        arrays = mutated_arrays(arrays, rng)
    plan = _with_digest(plan, arrays)
    parts = {f"{name}.npy": _npy(array) for name, array in arrays.items()}
    return zip_bytes({"model.json": json.dumps(plan).encode(), **parts}, compress=True)


def _with_digest(plan: Any, arrays: Mapping[str, np.ndarray[Any, Any]]) -> Any:
    """The digest that the reader wants, where all is there that it is made of."""
    try:
        h = hashlib.sha256()
        head = [plan["cell"], plan["frontend"], list(plan["labels"])]
        head += [plan["scheme"]] if "scheme" in plan else []
        h.update(json.dumps(head, sort_keys=True).encode())
        for name in sorted(n for n in arrays if n.startswith("params/")):
            h.update(name[len("params/") :].encode())
            h.update(np.ascontiguousarray(arrays[name]).tobytes())
        return {**plan, "digest": h.hexdigest()}
    except (KeyError, TypeError):
        return plan


def _npy(array: np.ndarray[Any, Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def mutated_bytes(data: bytes, rng: np.random.Generator) -> bytes:
    """Bits, bytes and stretches of ``data`` changed; nothing else about it."""
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 5))):
        place, how = int(rng.integers(len(changed))), int(rng.integers(5))
        if how == 0:
            changed[place] ^= 1 << int(rng.integers(8))
        elif how == 1:
            changed[place] = int(rng.choice([0, 1, 127, 128, 255]))
        elif how == 2:
            word = int(rng.choice([0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 20]))
            changed[place : place + 4] = word.to_bytes(4, "little")
        elif how == 3:
            del changed[place : place + int(rng.integers(1, 64))]
        else:
            changed[place:place] = changed[: int(rng.integers(1, 64))]
        if not changed:
            changed = bytearray(b"\0")
    return bytes(changed)


def _odd_archive(entries: dict[str, bytes], prefix: bytes, rng: np.random.Generator) -> bytes:
    """An archive that no edgemem writes: packed, with names twice, with a bomb, with a comment."""
    buffer = io.BytesIO(prefix)
    buffer.seek(0, io.SEEK_END)
    how = int(rng.integers(4))
    with zipfile.ZipFile(buffer, "a") as archive:
        for name, data in entries.items():
            kind = zipfile.ZIP_DEFLATED if how == 0 else zipfile.ZIP_STORED
            archive.writestr(zipfile.ZipInfo(name), data, kind)
        if how == 1:
            archive.writestr(zipfile.ZipInfo("bomb"), b"\0" * (8 << 20), zipfile.ZIP_DEFLATED)
        elif how == 2:
            archive.comment = b"PK\5\6" * 8
        elif how == 3:
            archive.writestr(zipfile.ZipInfo("../../escape"), b"x")
    return buffer.getvalue()
