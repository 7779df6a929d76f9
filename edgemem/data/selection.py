"""Which clips a split holds under a protocol."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from edgemem.data.layouts import ARCHIVE, Found, Inventory
from edgemem.data.levels import meant
from edgemem.data.protocols import SILENCE, UNKNOWN, Protocol
from edgemem.data.types import Clip, Report
from edgemem.errors import DataError

# Speech Commands, 12 classes: silence and unknown words are a tenth of the wanted words each.
_SHARE = 0.1

# Fewer say little: of 100 clips at 90 % right, chance alone moves the figure by 3 points.
_FEW_CLIPS = 100
_FEW_OF_A_LABEL = 10


def words_of(
    found: Inventory, protocol: Protocol, split: str, seed: int
) -> tuple[list[Clip], Report]:
    """Labelled clips of ``split``, without made-up silence.

    Training gets every unknown word, and so does every split where a few words were chosen: with
    fewer, nothing could be said about false alarms. Under the other protocols their number in
    validation and test is a tenth of the wanted words', drawn by the digest of seed and name,
    unless the layout is a finished test archive.
    """
    kept: list[tuple[Found, str]] = []
    strange: Counter[str] = Counter()
    for file in found.files:
        if file.split != split:
            continue
        label = protocol.label_of(file.word)
        if label is None:
            strange[file.word] += 1
        else:
            kept.append((file, label))
    if split != "train" and found.layout != ARCHIVE and not protocol.chosen:
        kept = _thinned(kept, seed)
    clips = [Clip(file.path, label, file.name) for file, label in kept]
    return clips, Report(notes=_strange_notes(strange, split))


def silence_count(protocol: Protocol, clips: Sequence[Clip]) -> int:
    """Number of silence clips that validation or test lacks: a tenth of the wanted words', or of
    all words where a few were chosen.

    None where the protocol knows no silence, or the split brings its own.
    """
    labels = [clip.label for clip in clips]
    if SILENCE not in protocol.labels or SILENCE in labels:
        return 0
    return math.ceil(_SHARE * len(labels)) if protocol.chosen else _tenth(labels)


def check_complete(root: Path, found: Inventory, protocol: Protocol) -> None:
    """Refuse a set that cannot train a network by itself.

    Raises
    ------
    DataError
        If its clips have one label, perhaps since another folder was meant, or it has no other
        words where the protocol has a label for them.
    """
    labels = {protocol.label_of(file.word) for file in found.files} - {None, SILENCE}
    if UNKNOWN in protocol.labels and UNKNOWN not in labels:
        raise DataError(
            f"{root} holds no other words than {', '.join(protocol.words)}, so that the network "
            f"would take every word for one of them; add recordings of other words in a folder "
            f"{UNKNOWN}, train with --others, or choose --protocol folders"
        )
    if len(labels) > 1:
        return
    below = meant(root, (file.name for file in found.files))
    remedy = (
        f"the folders of words are probably those in {below}: name it instead"
        if below is not None
        else f"add recordings of other words in a folder {UNKNOWN}"
    )
    raise DataError(
        f"{root} has one label, {found.words[0]!r}, which tells nothing apart; {remedy}"
    )


def few_notes(protocol: Protocol, split: str, labels: Sequence[str]) -> tuple[str, ...]:
    """A remark where an epoch and a threshold are to be chosen on few clips.

    Parameters
    ----------
    protocol : Protocol
    split : str
    labels : sequence of str
        Of the split's clips.
    """
    count = Counter(labels)
    least = min(count, key=lambda label: (count[label], label), default=None)
    if split != "validation" or least is None:
        return ()
    if len(labels) >= _FEW_CLIPS and count[least] >= _FEW_OF_A_LABEL:
        return ()
    return (
        f"validation: few clips, {len(labels)}, of {least} {count[least]}: the best epoch and the "
        f"threshold are chosen on them, and one clip is {1 / len(labels):.1%}",
    )


def rank(name: str, seed: int) -> bytes:
    """Sorting key that mixes names, the same on every machine."""
    return hashlib.sha256(f"{seed}:{name}".encode()).digest()


def _strange_notes(strange: Counter[str], split: str) -> tuple[str, ...]:
    if not strange:
        return ()
    words = ", ".join(sorted(strange)[:5]) + (", ..." if len(strange) > 5 else "")
    return (
        f"{split}: {sum(strange.values())} files of words without a label were left out ({words})",
    )


def _thinned(kept: list[tuple[Found, str]], seed: int) -> list[tuple[Found, str]]:
    # A folder that is called _unknown_ is a choice that somebody has made already.
    unknown = [f for f, label in kept if label == UNKNOWN and not f.name.startswith(UNKNOWN)]
    unknown.sort(key=lambda file: rank(file.name, seed))
    dropped = {file.name for file in unknown[_tenth([label for _, label in kept]) :]}
    return [item for item in kept if item[0].name not in dropped]


def _tenth(labels: Sequence[str]) -> int:
    return math.ceil(_SHARE * sum(label not in (SILENCE, UNKNOWN) for label in labels))
