"""How data lies in folders: one inventory for every layout that people have."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgemem.data.levels import BACKGROUND, split_folders
from edgemem.data.lists import Listed, Place, read_list, read_table
from edgemem.data.splits import SpeakerRule, crossing, held_out, split_of
from edgemem.data.types import SPLITS, Report, Skipped, printable
from edgemem.errors import ConfigError, DataError
from edgemem.runtime.soundfiles import ENDINGS

SOUND = ENDINGS
PICTURE = (".jpg", ".jpeg", ".png")
ARRAY = (".npy",)
KINDS = {"sound": SOUND, "picture": PICTURE, "array": ARRAY}

LISTS = {"validation": "validation_list.txt", "test": "testing_list.txt"}
TABLES = {
    "train": ("train.csv",),
    "validation": ("val.csv", "validation.csv"),
    "test": ("test.csv",),
}

# Layout of the finished test set of Speech Commands.
ARCHIVE = "speech commands test archive"

DEFAULT_SPEAKER = SpeakerRule()

# So many speakers, by a rule of tenths, may leave a split without any.
_FEW_SPEAKERS = 30


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
        ``"lists"``, ``"split folders"`` or ``"folders"``.
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
    ConfigError
        If speakers are to be held out of splits that are given, or more than there are.
    """
    root = Path(root)
    if not root.is_dir():
        raise DataError(f"no folder {root}; expected one with a folder of recordings a word")
    tables = {split: table for split in TABLES if (table := _table(root, split)) is not None}
    found = _from_tables(root, tables, speaker) if tables else _from_folders(root, speaker)
    if speaker.held and found.layout not in _BY_RULE:
        raise ConfigError(
            f"--test-speakers {speaker.held}: the splits of {root} ({found.layout}) are given; "
            "leave it out"
        )
    return found


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
    names, skipped = _names(root)
    labelled = [name for name in names if "/" in name and not _is_background(name)]
    if not labelled:
        _refuse_loose(root, names)
    kind = kind_of(labelled, root)
    endings = KINDS[kind]
    tops = split_folders(name for name in labelled if name.lower().endswith(endings))
    background = [name for name in names if _is_background(name, tops)]
    files = []
    for name in sorted(set(names) - set(background)):
        known = name.lower().endswith(endings)
        if "/" not in name:
            if known:
                skipped.append(Skipped(name, "not in a folder named after its word"))
            continue
        if not known:
            skipped.append(Skipped(name, f"not a {kind} file"))
            continue
        top, rest = name.split("/", 1)
        folder = rest.split("/", 1)[0] if top in tops else top
        word, speaker = identify(name, folder, rule)
        files.append(Found(root / name, name, word, speaker, tops.get(top) or split_of(speaker)))
    layout, files, notes, missing, twice = _splits(root, files, rule, tops)
    known_background = tuple(root / name for name in background if name.lower().endswith(endings))
    report = Report(0, tuple(skipped + twice), tuple(notes), missing)
    return Inventory(layout, kind, tuple(files), known_background, report)


def _is_background(name: str, tops: Iterable[str] = ()) -> bool:
    """Whether a file is in a folder of background noise, also in that of a split."""
    top, _, rest = name.partition("/")
    return top in BACKGROUND or (top in tops and rest.split("/", 1)[0] in BACKGROUND)


def _refuse_loose(root: Path, names: Sequence[str]) -> None:
    """Say what to do with files that lie there without a folder of their word."""
    known = {ending for endings in KINDS.values() for ending in endings}
    loose = [name for name in names if Path(name).suffix.lower() in known and "/" not in name]
    if loose:
        raise DataError(
            f"{len(loose)} files lie in {root} itself ({', '.join(loose[:2])}, ...), without a "
            "folder named after their word; name the folder that holds the folders of words"
        )


_Splits = tuple[str, list[Found], list[str], tuple[str, ...], list[Skipped]]


def _splits(root: Path, files: list[Found], rule: SpeakerRule, tops: dict[str, str]) -> _Splits:
    """Layout, splits and remarks; names that lists have too many, files in two lists."""
    folders = {file.name.split("/", 1)[0] for file in files}
    if {"_silence_", "_unknown_"} <= folders and _archived(files):
        return ARCHIVE, [replace(f, split="test") for f in files], [], (), []
    if tops:
        files, notes = _in_split_folders(files, set(tops.values()))
        return "split folders", files, notes + crossing_notes(files), (), []
    lists = {split: root / name for split, name in LISTS.items() if (root / name).is_file()}
    if lists:
        return _listed(root, files, lists)
    files, notes = _by_speaker(files, rule)
    every = all("_nohash_" in file.name for file in files)
    return "speech commands" if every else "folders", files, notes, (), []


_BY_RULE = ("speech commands", "folders")


def _in_split_folders(files: list[Found], there: set[str]) -> tuple[list[Found], list[str]]:
    notes = ["the folders are splits: " + ", ".join(split for split in SPLITS if split in there)]
    if "validation" in there or "train" not in there:
        return files, notes
    notes.append("no folder for validation: a tenth of the training speakers validates")
    held = {f.speaker: split_of(f.speaker, test=0.0) for f in files if f.split == "train"}
    return [replace(f, split=held[f.speaker]) if f.split == "train" else f for f in files], notes


def _by_speaker(files: list[Found], rule: SpeakerRule) -> tuple[list[Found], list[str]]:
    """Splits by the sha1 rule, or with as many speakers held out as the rule says."""
    speakers = {file.speaker for file in files}
    by_file = len(speakers) == len(files)
    if rule.held:
        if by_file:
            raise ConfigError(
                f"--test-speakers {rule.held}: no two files share a speaker; say with --speaker "
                "where the speaker stands in their names"
            )
        splits = held_out(speakers, rule.held)
        return [replace(file, split=splits[file.speaker]) for file in files], []
    if by_file:
        return files, ["no two files share a speaker: the split is by file; see the speaker option"]
    count = Counter(split_of(speaker) for speaker in speakers)
    if len(speakers) >= _FEW_SPEAKERS and len(count) == len(SPLITS):
        return files, []
    shares = ", ".join(f"{count[split] or 'none'} {split}" for split in SPLITS)
    return files, [
        f"few speakers, {len(speakers)}: by the sha1 rule {shares}; --test-speakers N holds out "
        "N for test and N for validation"
    ]


def _archived(files: list[Found]) -> bool:
    unknown = [stem_of(f.name) for f in files if f.name.startswith("_unknown_/")]
    return all("_" in stem.split("_nohash_")[0] for stem in unknown if "_nohash_" in stem)


def _listed(root: Path, files: list[Found], lists: dict[str, Path]) -> _Splits:
    place = Place(root, {file.name for file in files})
    read = {split: read_list(path, place) for split, path in lists.items()}
    splits: dict[str, str] = {}
    twice = set()
    for split, listed in read.items():
        for name, _ in listed.files:
            if splits.setdefault(name, split) != split:
                twice.add(name)
    notes, skipped = _remarks(read, lists)
    skipped += [Skipped(name, _TWO_SPLITS) for name in sorted(twice)]
    kept = [replace(f, split=splits.get(f.name, "train")) for f in files if f.name not in twice]
    missing = tuple(name for listed in read.values() for name in listed.missing)
    return "speech commands", kept, notes + crossing_notes(kept), missing, skipped


_TWO_SPLITS = "named in the lists of two splits"


def _remarks(read: dict[str, Listed], paths: dict[str, Path]) -> tuple[list[str], list[Skipped]]:
    notes = [note for split, listed in read.items() for note in listed.notes(paths[split])]
    outside = [name for listed in read.values() for name in listed.outside]
    return notes, [Skipped(name, "leads out of the data folder") for name in outside]


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
    names, skipped = _names(root)
    place = Place(root, names)
    read = {split: read_table(path, place) for split, path in tables.items()}
    notes, outside = _remarks(read, tables)
    files: dict[str, Found] = {}
    clashes: dict[str, str] = {}
    for split, listed in read.items():
        for name, word in listed.files:
            _, speaker = identify(name, word, rule)
            found = Found(root / name, name, word, speaker, split)
            first = files.setdefault(name, found)
            if first != found:
                same = first.word == word
                clashes[name] = _TWO_SPLITS if same else "named with two words"
    skipped += outside + [Skipped(name, reason) for name, reason in clashes.items()]
    kind = kind_of(files, root)
    unlisted, background = _unlisted(root, names, set(files), KINDS[kind])
    skipped += [Skipped(name, "in no list") for name in unlisted]
    kept = [file for name, file in files.items() if name not in clashes]
    missing = tuple(name for listed in read.values() for name in listed.missing)
    report = Report(0, tuple(skipped), tuple(notes + crossing_notes(kept)), missing)
    return Inventory("lists", kind, tuple(kept), background, report)


def _refuse(error: OSError) -> None:
    raise DataError(f"cannot read {error.filename}: {error.strerror or error}") from error


def _unlisted(
    root: Path, names: Sequence[str], listed: set[str], endings: tuple[str, ...]
) -> tuple[list[str], tuple[Path, ...]]:
    rest = [n for n in names if n not in listed and n.lower().endswith(endings)]
    noise = [name for name in rest if set(name.split("/")[:-1]) & set(BACKGROUND)]
    return [name for name in rest if name not in set(noise)], tuple(root / name for name in noise)


def _names(root: Path) -> tuple[list[str], list[Skipped]]:
    """Files below ``root``; those whose names are no text of any machine are left out."""
    names, skipped = [], []
    for name in _walk(root):
        if printable(name) == name:
            names.append(name)
        else:
            skipped.append(
                Skipped(printable(name), "a name that is not UTF-8 or holds control characters")
            )
    return names, skipped


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
