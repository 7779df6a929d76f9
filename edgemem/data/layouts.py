"""How data lies in folders: one inventory for every layout that people have."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgemem.data.splits import SpeakerRule, crossing, split_of
from edgemem.data.types import Report, Skipped
from edgemem.errors import DataError
from edgemem.runtime.soundfiles import ENDINGS

SOUND = ENDINGS
PICTURE = (".jpg", ".jpeg", ".png")
ARRAY = (".npy",)
KINDS = {"sound": SOUND, "picture": PICTURE, "array": ARRAY}

BACKGROUND = ("_background_noise_", "background_noise")
LISTS = {"validation": "validation_list.txt", "test": "testing_list.txt"}
TABLES = {
    "train": ("train.csv",),
    "validation": ("val.csv", "validation.csv"),
    "test": ("test.csv",),
}

# Layout of the finished test set of Speech Commands.
ARCHIVE = "speech commands test archive"

DEFAULT_SPEAKER = SpeakerRule()


@dataclass(frozen=True)
class Found:
    """A file of a data set, before any protocol.

    Parameters
    ----------
    path : Path
        The file.
    name : str
        Path below the root, with forward slashes.
    word : str
        What is said in it.
    speaker : str
        Who says it.
    split : str
        ``"train"``, ``"validation"`` or ``"test"``.
    """

    path: Path
    name: str
    word: str
    speaker: str
    split: str


@dataclass(frozen=True)
class Inventory:
    """All files of a data set.

    Parameters
    ----------
    layout : str
        How the files lie: ``"speech commands"``, ``"speech commands test archive"``,
        ``"lists"`` or ``"folders"``.
    kind : str
        What the files are: ``"sound"``, ``"picture"`` or ``"array"``.
    files : tuple of Found
        The labelled files.
    background : tuple of Path
        Files of background noise.
    report : Report
        What was left out so far; nothing has been opened yet.
    """

    layout: str
    kind: str
    files: tuple[Found, ...]
    background: tuple[Path, ...]
    report: Report

    @property
    def words(self) -> tuple[str, ...]:
        """The words, in alphabetical order."""
        return tuple(sorted({file.word for file in self.files}))


def inventory(root: Path, speaker: SpeakerRule = DEFAULT_SPEAKER) -> Inventory:
    """List what lies under ``root`` and give every file its word, speaker and split.

    Parameters
    ----------
    root : Path
        Folder with one folder a word, or with the lists train.csv, val.csv, test.csv.
    speaker : SpeakerRule
        Where the speaker stands in file names that have no ``_nohash_``.

    Raises
    ------
    DataError
        If ``root`` is no folder, holds nothing that can be read, or mixes sound and features.
    """
    root = Path(root)
    if not root.is_dir():
        raise DataError(f"no folder {root}; expected one with a folder of recordings a word")
    tables = {split: table for split in TABLES if (table := _table(root, split)) is not None}
    if tables:
        return _from_tables(root, tables, speaker)
    return _from_folders(root, speaker)


def kind_of(names: Iterable[str], root: Path) -> str:
    """What the files are: sound, picture or array.

    Raises
    ------
    DataError
        If they are nothing known, or of more than one kind.
    """
    endings = {Path(name).suffix.lower() for name in names}
    found = [kind for kind, known in KINDS.items() if endings & set(known)]
    if not found:
        every = ", ".join(ending for known in KINDS.values() for ending in known)
        raise DataError(f"nothing to read under {root}; known endings: {every}")
    if len(found) > 1:
        raise DataError(f"{root} mixes {' and '.join(found)} files; keep each in its own folder")
    return found[0]


def stem_of(name: str) -> str:
    """File name without folders and without its endings, also where one stands twice."""
    stem = name.rsplit("/", 1)[-1]
    known = {ending for endings in KINDS.values() for ending in endings}
    while "." in stem and f".{stem.rsplit('.', 1)[1].lower()}" in known:
        stem = stem.rsplit(".", 1)[0]
    return stem


def identify(name: str, folder: str, rule: SpeakerRule) -> tuple[str, str]:
    """Word and speaker of a file.

    ``SPEAKER_nohash_N`` is Speech Commands' own form; ``SPEAKER_nohash_N.WORD`` is that of
    pictures made of it; ``WORD_SPEAKER_nohash_N`` that of its test archive's unknown words.
    """
    stem = stem_of(name)
    if "_nohash_" not in stem:
        return folder, rule.speaker(stem)
    speaker, rest = stem.split("_nohash_", 1)
    word = rest.split(".", 1)[1] if "." in rest else folder
    if folder == "_unknown_" and "_" in speaker:
        speaker = speaker.rsplit("_", 1)[1]
    return word, speaker


def _from_folders(root: Path, rule: SpeakerRule) -> Inventory:
    names = list(_walk(root))
    background = [name for name in names if name.split("/", 1)[0] in BACKGROUND]
    away = set(background)
    labelled = [name for name in names if "/" in name and name not in away]
    kind = kind_of(labelled, root)
    endings = KINDS[kind]
    skipped = []
    files = []
    for name in names:
        if name in away:
            continue
        known = name.lower().endswith(endings)
        if "/" not in name:
            if known:
                skipped.append(Skipped(name, "not in a folder named after its word"))
            continue
        if not known:
            skipped.append(Skipped(name, f"not a {kind} file"))
            continue
        word, speaker = identify(name, name.split("/", 1)[0], rule)
        files.append(Found(root / name, name, word, speaker, split_of(speaker)))
    layout, files, notes = _splits(root, files)
    known_background = tuple(root / name for name in background if name.lower().endswith(endings))
    report = Report(0, tuple(skipped), tuple(notes))
    return Inventory(layout, kind, tuple(files), known_background, report)


def _splits(root: Path, files: list[Found]) -> tuple[str, list[Found], list[str]]:
    """Splits that the layout gives in place of the sha1 rule."""
    folders = {file.name.split("/", 1)[0] for file in files}
    if {"_silence_", "_unknown_"} <= folders and _archived(files):
        return ARCHIVE, [replace(f, split="test") for f in files], []
    lists = {split: root / name for split, name in LISTS.items() if (root / name).is_file()}
    if lists:
        files, notes = _listed(files, lists)
        return "speech commands", files, notes + crossing_notes(files)
    if all("_nohash_" in file.name for file in files):
        return "speech commands", files, []
    notes = []
    if len({file.speaker for file in files}) == len(files):
        notes.append("no two files share a speaker: the split is by file; see the speaker option")
    return "folders", files, notes


def _archived(files: list[Found]) -> bool:
    unknown = [stem_of(f.name) for f in files if f.name.startswith("_unknown_/")]
    return all("_" in stem.split("_nohash_")[0] for stem in unknown if "_nohash_" in stem)


def _listed(files: list[Found], lists: dict[str, Path]) -> tuple[list[Found], list[str]]:
    wanted: dict[str, str] = {}
    notes = []
    there = {file.name for file in files}
    for split, path in lists.items():
        named = [line.strip() for line in _text(path).splitlines() if line.strip()]
        wanted.update(dict.fromkeys(named, split))
        missing = sum(name not in there for name in named)
        if missing:
            notes.append(f"{path.name} names {missing} files that are not there")
    return [replace(file, split=wanted.get(file.name, "train")) for file in files], notes


def crossing_notes(files: Sequence[Found]) -> list[str]:
    """A remark about speakers that are in more than one split, if there are any."""
    both = crossing((file.speaker, file.split) for file in files)
    if not both:
        return []
    some = ", ".join(sorted(both)[:3])
    return [f"{len(both)} speakers are in more than one split of the lists: {some}"]


def _table(root: Path, split: str) -> Path | None:
    for name in TABLES[split]:
        if (root / name).is_file():
            return root / name
    return None


def _from_tables(root: Path, tables: dict[str, Path], rule: SpeakerRule) -> Inventory:
    files: dict[str, Found] = {}
    notes, skipped = [], []
    for split, path in tables.items():
        missing = 0
        for name, word in _rows(path):
            if not (root / name).is_file():
                missing += 1
            elif name in files and files[name].split != split:
                skipped.append(Skipped(name, "named in the lists of two splits"))
            else:
                _, speaker = identify(name, word, rule)
                files[name] = Found(root / name, name, word, speaker, split)
        if missing:
            notes.append(f"{path.name} names {missing} files that are not there")
    for item in skipped:
        files.pop(item.name, None)
    kind = kind_of(files, root)
    unlisted, background = _unlisted(root, set(files), KINDS[kind])
    skipped += [Skipped(name, "in no list") for name in unlisted]
    found = list(files.values())
    report = Report(0, tuple(skipped), tuple(notes + crossing_notes(found)))
    return Inventory("lists", kind, tuple(found), background, report)


def _rows(path: Path) -> Iterator[tuple[str, str]]:
    reader = csv.DictReader(io.StringIO(_text(path), newline=""))
    try:
        columns = set(reader.fieldnames or ())
        if not {"file", "class"} <= columns:
            raise DataError(
                f"{path} has the columns {', '.join(sorted(columns)) or 'none'}; "
                "expected a first line with file,class"
            )
        for row in reader:
            if row["file"] and row["class"]:
                yield row["file"].strip().replace("\\", "/"), row["class"].strip()
    except csv.Error as error:
        raise DataError(f"{path} is no readable CSV file: {error}") from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error


def _refuse(error: OSError) -> None:
    raise DataError(f"cannot read {error.filename}: {error.strerror or error}") from error


def _unlisted(
    root: Path, listed: set[str], endings: tuple[str, ...]
) -> tuple[list[str], tuple[Path, ...]]:
    rest = [n for n in _walk(root) if n not in listed and n.lower().endswith(endings)]
    noise = [name for name in rest if set(name.split("/")[:-1]) & set(BACKGROUND)]
    return [name for name in rest if name not in set(noise)], tuple(root / name for name in noise)


def _walk(root: Path) -> Iterator[str]:
    """Paths of all files below ``root``, sorted, without hidden ones; links are followed once."""
    seen: set[str] = set()
    for folder, folders, names in os.walk(root, onerror=_refuse, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        real = os.path.realpath(folder)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        below = Path(folder).relative_to(root).as_posix()
        prefix = "" if below == "." else f"{below}/"
        yield from (prefix + name for name in sorted(names) if not name.startswith("."))
