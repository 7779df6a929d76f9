"""Features on disk, found again by the digest of the file that they were made from."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgemem.data.npfiles import load_arrays
from edgemem.data.types import Features
from edgemem.errors import AudioError, DataError, OutputError, SoundFormatError
from edgemem.files import cache_folder, sweep, write_atomic

Compute = Callable[[Path], Features]
Progress = Callable[[int, int], None]

_DIGEST_SIZE = 32
_PROGRESS_STEP = 256


def default_folder() -> Path:
    """``$XDG_CACHE_HOME/edgemem/features``, or the same under ``~/.cache``."""
    return cache_folder("features")


@dataclass(frozen=True)
class Shard:
    """The features of the files whose digest starts with one hexadecimal digit.

    Parameters
    ----------
    digests : (n, 32) uint8 array
        sha256 of each file's bytes.
    features : (n, n_frames, n_bands) array
        What was made of them.
    """

    digests: np.ndarray[tuple[int, int], np.dtype[np.uint8]]
    features: Features

    def index(self) -> dict[bytes, int]:
        """Row of each digest."""
        return {digest.tobytes(): row for row, digest in enumerate(self.digests)}


@dataclass(frozen=True)
class FeatureCache:
    """A folder of shards, for one kind of features.

    A shard is a sha256 and the .npz bytes that it is the digest of. One that cannot be read, does
    not match its digest, or holds another shape counts as empty: its features are made anew. Shards
    are written whole, so an interrupted run loses at most the shard at hand. The folder can be
    deleted at any time.

    Parameters
    ----------
    folder : Path
        Where the caches are.
    key : str
        Digest of all that decides the features, apart from the file: front end and length.
    shape : tuple of int
        Shape ``(n_frames, n_bands)`` of one clip.
    dtype : str
        NumPy name of the features' type.
    """

    folder: Path
    key: str
    shape: tuple[int, int]
    dtype: str

    def path(self, digit: str) -> Path:
        """File of the shard for digests that start with ``digit``."""
        return self.folder / self.key / f"{digit}.shard"

    def load(self, digit: str) -> Shard:
        """The shard for ``digit``; an empty one if there is none or it is damaged."""
        try:
            data = self.path(digit).read_bytes()
            if hashlib.sha256(data[_DIGEST_SIZE:]).digest() != data[:_DIGEST_SIZE]:
                return self._empty()
            arrays = load_arrays(data[_DIGEST_SIZE:])
            shard = Shard(arrays["digests"], arrays["features"])
        except (OSError, KeyError, DataError):
            return self._empty()
        count = len(shard.digests)
        fits = (
            shard.digests.shape == (count, _DIGEST_SIZE)
            and shard.digests.dtype == np.uint8
            and shard.features.shape == (count, *self.shape)
            and shard.features.dtype == self.dtype
        )
        return shard if fits else self._empty()

    def save(self, digit: str, shard: Shard) -> None:
        """Write a shard in place of the old one."""
        file = io.BytesIO()
        np.savez(file, digests=shard.digests, features=shard.features)
        data = file.getvalue()
        write_atomic(self.path(digit), hashlib.sha256(data).digest() + data)

    def _empty(self) -> Shard:
        return Shard(np.zeros((0, _DIGEST_SIZE), np.uint8), np.zeros((0, *self.shape), self.dtype))


def gather(
    files: Sequence[Path],
    compute: Compute,
    cache: FeatureCache,
    progress: Progress | None = None,
) -> tuple[Features, dict[int, str]]:
    """Features of ``files``, from the cache where it has them.

    Parameters
    ----------
    files : sequence of Path
        The files; each is read once for its digest.
    compute : callable
        Makes the features of one file; raises AudioError or DataError for a file it cannot use.
    cache : FeatureCache
        Where features are looked up and kept; a cache that cannot be written is done without.
    progress : callable, optional
        Called with the number of files done and the number of all.

    Returns
    -------
    features : (len(files), n_frames, n_bands) array
        Rows of files that could not be used are zero.
    bad : dict of int to str
        Reason, by position, of each such file.
    """
    sweep(cache.folder / cache.key)
    features = np.zeros((len(files), *cache.shape), cache.dtype)
    digests, bad = _digests(files)
    by_digit: dict[str, list[int]] = {}
    for position, digest in digests.items():
        by_digit.setdefault(digest.hex()[0], []).append(position)
    done = len(bad)
    for digit, positions in sorted(by_digit.items()):
        shard = cache.load(digit)
        index = shard.index()
        fresh: dict[bytes, Features] = {}
        for position in positions:
            digest = digests[position]
            try:
                if digest in index:
                    features[position] = shard.features[index[digest]]
                else:
                    if digest not in fresh:
                        fresh[digest] = compute(files[position])
                    features[position] = fresh[digest]
            except (AudioError, DataError) as error:
                bad[position] = reason_of(error, files[position])
            done += 1
            if progress and done % _PROGRESS_STEP == 0:
                progress(done, len(files))
        if fresh:
            _keep(cache, digit, shard, fresh)
    if progress:
        progress(len(files), len(files))
    return features, bad


def reason_of(error: Exception, path: Path) -> str:
    """What an error says is wrong with a file, without its name and numbers.

    Files with the same fault get the same words, so that they can be counted. A remedy stays where
    it is one for all of them.
    """
    clause = re.split(r";|: | \(", str(error).replace(str(path), ""))[0].strip()
    clause = clause[3:] if clause.startswith("is ") else clause
    return f"{clause}; {error.remedy}" if isinstance(error, SoundFormatError) else clause


def _digests(files: Sequence[Path]) -> tuple[dict[int, bytes], dict[int, str]]:
    digests: dict[int, bytes] = {}
    bad: dict[int, str] = {}
    for position, path in enumerate(files):
        try:
            digests[position] = hashlib.sha256(path.read_bytes()).digest()
        except OSError as error:
            bad[position] = f"cannot be read: {error.strerror}"
    return digests, bad


def _keep(cache: FeatureCache, digit: str, shard: Shard, fresh: dict[bytes, Features]) -> None:
    digests = np.frombuffer(b"".join(fresh), np.uint8).reshape(-1, _DIGEST_SIZE)
    rows = np.stack([np.asarray(row, cache.dtype) for row in fresh.values()])
    merged = Shard(np.concatenate([shard.digests, digests]), np.concatenate([shard.features, rows]))
    try:
        cache.save(digit, merged)
    except OutputError:
        return  # a full or read-only cache costs time, not the run
