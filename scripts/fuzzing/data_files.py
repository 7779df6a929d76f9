"""Data sets, and what training and sweeps read back, damaged where they mean something."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import sqlite3
import struct
import tarfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from edgemem.data.cache import FeatureCache
from edgemem.data.cifar import FILES, FOLDER, RECORD, read_cifar
from edgemem.data.idx import load_mnist
from edgemem.data.layouts import inventory
from edgemem.data.loading import load
from edgemem.data.readers import ArrayReader, declared
from edgemem.data.splits import SpeakerRule
from edgemem.data.text import read_characters
from edgemem.data.ts import read_ts
from edgemem.errors import DataError
from edgemem.files import npy_bytes, npz_bytes, zip_bytes
from edgemem.frontend import FrontEnd
from edgemem.sweep.folder import PLAN, opened
from edgemem.sweep.space import Space, parse_param
from edgemem.sweep.trials import read_result
from edgemem.train.checkpoint import Checkpoint, check_arrays
from edgemem.train.progress import write_history
from fuzzing.case import Case
from fuzzing.structures import EXTREMES, mutated_arrays, mutated_bytes, mutated_json

Rng = np.random.Generator

_LONGEST = 1 << 20
"""Characters of a damaged text."""

SMALL = FrontEnd(n_mels=4)

SIZES = (0, 1, 2, 3, 127, 255, 256, 65535, 65536, 2**24, 2**31 - 1, 2**31, 2**32 - 1)
"""What a size of 32 bits may say."""

TOKENS = (
    "", "0", "-1", "1e400", "nan", "?", "inf", "9" * 5000, "\u00b2", "\u0661", "a", ":", ",",
    "(1,2)", "true", "false", "@data", "@dimensions 2", "@classLabel true", "#", "\ufeff", "\0",
    "\r", "\x85", "\u2028", "1_0", "0x10", "../x", "/", "\\", "..", ".", "x" * 3000,
    "1" + ",1" * 3000,
)  # fmt: skip
"""What may stand in the place of a word of a text."""


def cases() -> dict[str, Case]:
    """By kind of file."""
    with_study = 450 << 20  # Optuna and SQLAlchemy
    return {
        "data-idx": Case(_idx, lambda path: _loaded(load_mnist, path.parent)),
        "data-ts": Case(_ts, _read_ts),
        "data-cifar": Case(_cifar, _read_cifar),
        "data-archive": Case(_archive, _read_archive),
        "data-array": Case(_array, _read_array),
        "data-cache": Case(_shard, _read_shard),
        "data-lists": Case(_lists, _read_lists),
        "data-frontend": Case(_frontend, _read_frontend),
        "data-text": Case(_text, _read_text),
        "train-checkpoint": Case(_checkpoint, _read_checkpoint),
        "sweep-folder": Case(_sweep_folder, _read_sweep_folder),
        "sweep-study": Case(_study, _read_study, slow=True, memory=with_study),
    }


def _loaded(read: Callable[[Path], Any], path: Path) -> None:
    read(path)


def _write(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def _clear(folder: Path) -> Path:
    """An empty folder in place of the last one."""
    if folder.exists():
        for path in sorted(folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    folder.mkdir(exist_ok=True)
    return folder


def _pick(values: Iterable[Any], rng: Rng) -> Any:
    known = list(values)
    return known[int(rng.integers(len(known)))]


# idx


def _idx_bytes(array: np.ndarray[Any, Any]) -> bytes:
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    return b"\0\0\x08" + bytes([array.ndim]) + sizes + array.tobytes()


def _idx(rng: Rng, folder: Path) -> Path:
    root = _clear(folder / "mnist")
    for split, n in (("train", 6), ("t10k", 3)):
        images, labels = np.arange(n * 4, dtype=np.uint8).reshape(n, 2, 2), np.arange(n, dtype="u1")
        _write(root / f"{split}-images-idx3-ubyte", _idx_bytes(images))
        _write(root / f"{split}-labels-idx1-ubyte", _idx_bytes(labels))
    path: Path = _pick(sorted(root.iterdir()), rng)
    data, how = bytearray(path.read_bytes()), int(rng.integers(6))
    if how == 0:
        data[2] = int(rng.integers(256))
    elif how == 1:
        data[3] = int(_pick((0, 1, 2, 3, 4, 8, 9, 32, 33, 64, 65, 255), rng))
        data[4:4] = struct.pack(">I", _pick(SIZES, rng)) * int(rng.integers(70))
    elif how == 2:
        place = 4 + 4 * int(rng.integers(data[3]))
        data[place : place + 4] = struct.pack(">I", _pick(SIZES, rng))
    elif how == 3:
        sizes = [int(_pick(SIZES, rng)) for _ in range(int(rng.integers(1, 5)))]
        data = bytearray(b"\0\0\x08" + bytes([len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes))
        data += bytes(min(int(np.prod(sizes, dtype=object)), 1 << 16))
    else:
        data = bytearray(mutated_bytes(bytes(data), rng))
    if rng.random() < 0.3:
        path.unlink()
        packed = gzip.compress(bytes(data) + bytes(int(_pick((0, 0, 1 << 16, 60 << 20), rng))), 1)
        packed = mutated_bytes(packed, rng) if rng.random() < 0.5 else packed
        return _write(path.with_name(f"{path.name}.gz"), packed)
    return _write(path, bytes(data))


# .ts

TS = """# made
@problemName Made
@timeStamps false
@missing false
@univariate false
@dimensions 2
@equalLength true
@seriesLength 3
@classLabel true calm wild
@data
1,2,3:4,5,6:wild
-1.5,2e1,?:0,-0,NaN:calm
"""
REGRESSION = "@problemName Rate\n@univariate true\n@targetlabel true\n@data\n1,2:70.5\n3,4:-1\n"


def mutated_text(text: str, rng: Rng, separators: str = ",: \n") -> bytes:
    """A text with words swapped, doubled, dropped or in the place of others; or in other bytes."""
    for _ in range(int(rng.integers(1, 4))):
        mark = separators[int(rng.integers(len(separators)))]
        words = text.split(mark)
        place, how = int(rng.integers(len(words))), int(rng.integers(6))
        if how == 0:
            words[place] = str(_pick(TOKENS, rng))
        elif how == 1:
            words.insert(place, str(_pick(TOKENS, rng)))
        elif how == 2:
            del words[place]
        elif how == 3:
            words[place : place + 1] = [words[place]] * int(_pick((2, 3, 70, 2000), rng))
        elif how == 4:
            other = int(rng.integers(len(words)))
            words[place], words[other] = words[other], words[place]
        else:
            words[place] += str(_pick(TOKENS, rng))
        text = mark.join(words)[:_LONGEST]
    how = int(rng.integers(12))
    if how == 0:
        return mutated_bytes(text.encode(errors="replace") or b"x", rng)
    if how == 1:
        return text[: int(rng.integers(len(text) + 1))].encode(errors="replace")
    encoding = ("utf-16", "utf-16-le", "latin-1")[how - 2] if how < 5 else "utf-8"
    return text.encode(encoding, errors="replace")


def _ts(rng: Rng, folder: Path) -> Path:
    return _write(folder / "Made_TRAIN.ts", mutated_text(_pick((TS, REGRESSION), rng), rng))


def _read_ts(path: Path) -> None:
    found = read_ts(path, "interpolate")
    found.padded(int(found.lengths.max()))
    _ = found.indices if found.classes else found.values
    read_ts(path)


# CIFAR


def _cifar(rng: Rng, folder: Path) -> Path:
    records = np.arange(2 * RECORD, dtype=np.uint64).astype(np.uint8) % 10
    data = {name: records.tobytes() for name in FILES}
    name = str(_pick(FILES, rng))
    how = int(rng.integers(5))
    if how == 0:
        data[name] = data[name][: int(rng.integers(2 * RECORD))]
    elif how == 1:
        data[name] += bytes(int(_pick((1, RECORD, 1 << 20), rng)))
    elif how == 2:
        del data[name]
    else:
        data[name] = mutated_bytes(data[name], rng)
    if rng.random() < 0.5:
        root = _clear(folder / "cifar")
        for file, text in data.items():
            _write(root / file, text)
        return _write(root / "name", b"")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz" if rng.random() < 0.5 else "w") as archive:
        for file, text in data.items():
            entry = tarfile.TarInfo(f"{FOLDER}/{file}")
            entry.size = len(text)
            if file == name and rng.random() < 0.3:
                entry.type = _pick((tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, b"7"), rng)
                entry.linkname = str(_pick(("../x", "/dev/zero", f"{FOLDER}/{file}"), rng))
                entry.size = 0
            archive.addfile(entry, io.BytesIO(text))
    packed = buffer.getvalue()
    return _write(
        folder / "cifar.tar.gz", mutated_bytes(packed, rng) if rng.random() < 0.6 else packed
    )


def _read_cifar(path: Path) -> None:
    if path.name == "name":
        read_cifar(path.parent, 2)
    else:
        read_cifar(path, 2, hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest())


# arrays of features


@cache
def _features() -> dict[str, np.ndarray[Any, Any]]:
    splits = np.array(["train", "validation", "test"])
    n = 12
    return {
        "features": np.arange(n * 98 * 4, dtype=np.uint8).reshape(n, 98, 4),
        "labels": np.array(["a", "b"] * (n // 2)),
        "splits": np.repeat(splits, n // 3),
        "speakers": np.array([f"s{i % 5}" for i in range(n)]),
        "names": np.array([f"{i}" for i in range(n)]),
    }


def _mutated_npy(data: bytes, rng: Rng) -> bytes:
    """A .npy file with another word in its header."""
    head = data[10 : 10 + int.from_bytes(data[8:10], "little")].decode("latin-1")
    known = ("<f4", "<f8", "<U9", "|O", ">f4", "<U2147483647", "|V8", "|S4", "<c8", "<M8")
    how = int(rng.integers(4))
    if how == 0:
        head = head.replace(head.split("'")[3], str(_pick(known, rng)))
    elif how == 1:
        sizes = [int(_pick((*SIZES, 2**40, 2**62), rng)) for _ in range(int(rng.integers(6)))]
        head = f"{head.split('(')[0]}({', '.join(map(str, sizes))},), }}"
    elif how == 2:
        head = mutated_text(head, rng, ",: '").decode("latin-1")
    else:
        return mutated_bytes(data, rng)
    text = head.encode("latin-1", errors="replace")[:65000]
    return data[:8] + len(text).to_bytes(2, "little") + text + data[-int(rng.integers(1, 5000)) :]


def _archive(rng: Rng, folder: Path) -> Path:
    arrays = dict(_features())
    path, how = folder / "set.npz", int(rng.integers(5))
    if how == 0:
        return _write(path, mutated_bytes(npz_bytes(arrays, compress=rng.random() < 0.5), rng))
    if how == 1:
        texts = [name for name in arrays if name != "features"]
        name = str(_pick(texts, rng))
        changed = arrays[name].astype("<U6")
        codes = changed.view(np.uint32)
        codes[int(rng.integers(codes.size))] = int(_pick((0, 1, 0xD800, 0x110000, 2**32 - 1), rng))
        arrays[name] = changed
    elif how == 2:
        entries = {f"{name}.npy": npy_bytes(array) for name, array in arrays.items()}
        name = str(_pick(entries, rng))
        entries[name] = _mutated_npy(entries[name], rng)
        return _write(path, zip_bytes(entries, compress=bool(rng.random() < 0.5)))
    else:
        numbers = {"features": arrays["features"], "labels": np.arange(12), "names": np.arange(12)}
        changed_one = mutated_arrays(numbers if how == 3 else {"features": arrays["features"]}, rng)
        arrays = {**{n: a for n, a in arrays.items() if n != "features"}, **changed_one}
    return _write(path, npz_bytes(arrays, compress=bool(rng.random() < 0.5)))


def _read_archive(path: Path) -> None:
    load(path, "folders", SMALL, splits=("train", "validation", "test"))


def _array(rng: Rng, folder: Path) -> Path:
    data = npy_bytes(np.zeros((98, 4), np.float32))
    return _write(folder / "a.npy", _mutated_npy(data, rng))


def _read_array(path: Path) -> None:
    ArrayReader(SMALL, 98).read(path)


def _shard(rng: Rng, folder: Path) -> Path:
    arrays: dict[str, np.ndarray[Any, Any]] = {
        "digests": np.zeros((3, 32), np.uint8),
        "features": np.zeros((3, 98, 4), np.float32),
    }
    data = npz_bytes(mutated_arrays(arrays, rng), compress=False)
    data = mutated_bytes(data, rng) if rng.random() < 0.3 else data
    return _write(folder / "key" / "0.shard", hashlib.sha256(data).digest() + data)


def _read_shard(path: Path) -> None:
    shard = FeatureCache(path.parents[1], "key", (98, 4), "float32").load("0")
    if not len(shard.digests):
        raise DataError("a damaged shard counts as empty")
    assert shard.features.shape == (len(shard.digests), 98, 4)
    shard.index()


# folders and lists

TABLE = "file,class\nja/a_1.wav,ja\nnein/b_1.wav,nein\n"
NAMES = "ja/a_1.wav\nnein/b_1.wav\n"


def _lists(rng: Rng, folder: Path) -> Path:
    root = _clear(folder / "set")
    for name in ("ja/a_1.wav", "ja/b_2.wav", "nein/b_1.wav", "nein/c_2.wav"):
        _write(root / name, b"")
    odd = (
        bytes(rng.integers(1, 256, 3, np.uint8))
        .replace(b"/", b"-")
        .decode(errors="surrogateescape")
    )
    if odd not in (".", ".."):
        _write(root / "ja" / f"{odd}.wav", b"")
    if rng.random() < 0.5:
        for name in ("train.csv", "val.csv", "test.csv"):
            path = _write(root / name, mutated_text(TABLE, rng, ",/\n"))
        return path
    for name in ("validation_list.txt", "testing_list.txt"):
        path = _write(root / name, mutated_text(NAMES, rng, "/_\n"))
    return path


def _read_lists(path: Path) -> None:
    for rule in (SpeakerRule(), SpeakerRule("_", -3)):
        found = inventory(path.parent, rule)
        assert all(
            file.path.resolve().is_relative_to(path.parent.resolve()) for file in found.files
        )
        "\n".join(found.report.lines()).encode()


def _frontend(rng: Rng, folder: Path) -> Path:
    return _write(folder / "frontend.json", _mutated_json_bytes(SMALL.to_dict(), rng))


def _read_frontend(path: Path) -> None:
    declared(path)


def _text(rng: Rng, folder: Path) -> Path:
    return _write(folder / "text.txt", mutated_text("to be or not to be\n" * 200, rng, " \n"))


def _read_text(path: Path) -> None:
    read_characters(path)


# what training and sweeps read back


def _mutated_json_bytes(values: Any, rng: Rng) -> bytes:
    text = json.dumps(mutated_json(values, rng)).encode()
    how = int(rng.integers(10))
    if how == 0:
        return mutated_bytes(text, rng)
    if how == 1:
        return text.replace(b"1", str(_pick(TOKENS, rng)).encode("utf-8", errors="replace"), 1)
    if how == 2:
        return b"[" * 100_000 + text
    return text


RUN = {"data": "set", "seed": 1, "recipe": {"epochs": 3}}
SHAPES = {"1.W": (2, 3)}


@cache
def _checkpoint_arrays() -> Mapping[str, Any]:
    row = {"epoch": 1, "loss": 0.5, "validation_accuracy": 0.75, "seconds": 1.5}
    return {
        "plan": {"run": RUN, "history": [row, {**row, "epoch": 2}]},
        "arrays": {"variables/0": np.ones((2, 3), np.float32), "best/1.W": np.ones((2, 3))},
    }


def _checkpoint(rng: Rng, folder: Path) -> Path:
    sound = _checkpoint_arrays()
    arrays, plan = dict(sound["arrays"]), json.dumps(sound["plan"]).encode()
    how = int(rng.integers(10))
    if how < 6:
        plan = _mutated_json_bytes(sound["plan"], rng)
    elif how < 9:
        arrays = mutated_arrays(arrays, rng)
    data = npz_bytes({"plan": np.frombuffer(plan, np.uint8), **arrays}, compress=False)
    return _write(folder / "c.checkpoint", mutated_bytes(data, rng) if how == 9 else data)


def _read_checkpoint(path: Path) -> None:
    state = Checkpoint.load(path, RUN)
    check_arrays(state.best, SHAPES)
    write_history(path.with_name("history.csv"), state.history)


RESULT = {
    "metric": "accuracy", "better": "higher", "validation": 0.5, "parameters": 10, "seconds": 1.0,
    "epochs": 3, "best_epoch": 2,
}  # fmt: skip
SWEEP = {"task": "smnist", "seed": 0, "fixed": {"epochs": 3}, "params": ["x=0.0:1.0"]}


def _sweep_folder(rng: Rng, folder: Path) -> Path:
    root = _clear(folder / "sweep")
    _write(root / PLAN, json.dumps({"id": "a" * 32, **SWEEP}).encode())
    if rng.random() < 0.5:
        return _write(root / "result.json", _mutated_json_bytes(RESULT, rng))
    return _write(root / PLAN, _mutated_json_bytes({"id": "a" * 32, **SWEEP}, rng))


def _read_sweep_folder(path: Path) -> None:
    if path.name == PLAN:
        with opened(path.parent, SWEEP):
            pass
    else:
        read_result(path.read_bytes())


PARAMS = ("cell=lmu,lem", "x=0.0:1.0", "units=1:9")


def _study_of(path: Path) -> Any:
    from edgemem.sweep.study import Study

    space = Space(tuple(map(parse_param, PARAMS)), lambda chosen, param: True)
    return Study(f"sqlite:///{path}", "study", space, 0, prune=True)


@cache
def _sound_study() -> bytes:
    import tempfile
    from itertools import islice

    from edgemem.sweep.trials import Ended, result_of

    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "study.sqlite"
        study = _study_of(path)
        for number, asked in enumerate(islice(study.ask(9), 3)):
            study.report(asked.number, {"epoch": 1.0, "validation_accuracy": 0.5})
            if number < 2:
                study.end(asked.number, Ended("complete", result_of(RESULT)))
        return path.read_bytes()


def _study(rng: Rng, folder: Path) -> Path:
    path = _write(folder / "study.sqlite", _sound_study())
    for journal in folder.glob("study.sqlite-*"):
        journal.unlink()
    if rng.random() < 0.15:
        return _write(path, mutated_bytes(path.read_bytes(), rng))
    with closing(sqlite3.connect(path)) as database:
        tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master")]
        filled = [
            table
            for table in tables
            if not table.startswith(("sqlite_", "ix_"))
            and database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        ]
        for _ in range(int(rng.integers(1, 4))):
            _alter(database, str(_pick(filled, rng)), rng)
        database.commit()
    return path


def _alter(database: sqlite3.Connection, table: str, rng: Rng) -> None:
    columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
    rows = [row[0] for row in database.execute(f"SELECT rowid FROM {table}")]
    if not rows:
        return
    column, row = str(_pick(columns, rng)), int(_pick(rows, rng))
    value = database.execute(f"SELECT {column} FROM {table} WHERE rowid = ?", (row,)).fetchone()[0]
    how = int(rng.integers(6))
    if how == 0:
        database.execute(f"DELETE FROM {table} WHERE rowid = ?", (row,))
        return
    if isinstance(value, str) and value[:1] in "{[" and how < 5:
        new: Any = _mutated_json_bytes(json.loads(value), rng).decode(errors="replace")[:9999]
    else:
        new = _pick((*EXTREMES, *TOKENS, b"\xff\xfe", 2**62), rng)
        new = json.dumps(new) if isinstance(new, (dict, list)) else new
        if isinstance(new, int) and not isinstance(new, bool):
            new = max(-(2**63), min(2**63 - 1, new))
    try:
        database.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (new, row))
    except sqlite3.Error:
        return


def _read_study(path: Path) -> None:
    from itertools import islice

    from edgemem.sweep.table import as_csv, summary
    from edgemem.sweep.trials import Ended, result_of

    study = _study_of(path)
    space = Space(tuple(map(parse_param, PARAMS)), lambda chosen, param: True)
    as_csv(study.trials, space)
    json.dumps(summary(study.trials))
    for asked in islice(study.ask(9), 2):
        study.report(asked.number, {"epoch": 2.0, "validation_accuracy": 0.5})
        study.end(asked.number, Ended("complete", result_of(RESULT)))
