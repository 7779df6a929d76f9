"""Which clips a split holds under a protocol."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Sequence

from edgemem.data.layouts import ARCHIVE, Found, Inventory
from edgemem.data.protocols import SILENCE, UNKNOWN, Protocol
from edgemem.data.types import Clip, Report

# Speech Commands, 12 classes: silence and unknown words are a tenth of the wanted words each.
_SHARE = 0.1


def words_of(
    found: Inventory, protocol: Protocol, split: str, seed: int
) -> tuple[list[Clip], Report]:
    """Labelled clips of ``split``, without made-up silence.

    Training gets every unknown word. In validation and test their number is a tenth of the wanted
    words', drawn by the digest of seed and name, unless the layout is a finished test archive.
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
    if split != "train" and found.layout != ARCHIVE:
        kept = _thinned(kept, seed)
    clips = [Clip(file.path, label, file.name) for file, label in kept]
    return clips, Report(notes=_strange_notes(strange, split))


def silence_count(protocol: Protocol, clips: Sequence[Clip]) -> int:
    """Number of silence clips that validation or test lacks: a tenth of the wanted words'.

    None where the protocol knows no silence, or the split brings its own.
    """
    labels = [clip.label for clip in clips]
    if SILENCE not in protocol.labels or SILENCE in labels:
        return 0
    return _tenth(labels)


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
