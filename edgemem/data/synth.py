"""Spoken keywords made by eSpeak NG, laid out as Speech Commands is."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgemem.data import acoustics
from edgemem.data.cache import Progress
from edgemem.data.espeak import ACCENTS, Utterance, Voice, speaking, variants
from edgemem.data.layouts import LISTS
from edgemem.data.protocols import TEN_WORDS, WORDS_35
from edgemem.data.splits import split_of
from edgemem.errors import ConfigError, OutputError
from edgemem.runtime.wav import wav_bytes

RATE = 16000
MANIFEST = "synth.json"
OTHER_WORDS = tuple(word for word in WORDS_35 if word not in TEN_WORDS)

# Of every ten voices one validates and one tests.
_HELD_OUT = 0.1
_MOODS = ("", "!", "?", ".")
_NOISE_SECONDS = 60
_NOISE_LEVEL = 0.02
_PROGRESS_STEP = 100


@dataclass(frozen=True)
class SynthConfig:
    """What to make.

    Parameters
    ----------
    words : tuple of str
        Keywords; each gets ``clips_per_word`` clips.
    other_words : tuple of str
        Words that are not to be recognised; each gets a quarter as many.
    voices : int
        Number of voices: an accent and a variant of the vocal tract each.
    clips_per_word : int
        Clips of each keyword, all splits together, dealt out evenly to the voices.
    seed : int
        Decides everything that is drawn; the same seed gives the same bytes.
    """

    words: tuple[str, ...] = TEN_WORDS
    other_words: tuple[str, ...] = OTHER_WORDS
    voices: int = 60
    clips_per_word: int = 300
    seed: int = 0

    def __post_init__(self) -> None:
        every = [*self.words, *self.other_words]
        if not self.words or len(set(every)) < len(every):
            raise ConfigError("words: give at least one, and none twice (nor as another word)")
        for word in every:
            if not re.fullmatch(r"[^\W_][\w' -]*", word):
                raise ConfigError(f"words: {word!r} is no word that can name a folder")
        if self.voices < 3:
            raise ConfigError(f"voices is {self.voices}; at least 3, one for each split")
        if self.clips_per_word < self.voices:
            raise ConfigError(
                f"clips_per_word is {self.clips_per_word}, fewer than the {self.voices} voices; "
                "every voice says every keyword at least once"
            )
        if self.seed < 0:
            raise ConfigError(f"seed is {self.seed}; it must be 0 or more")


@dataclass(frozen=True)
class Talker:
    """One voice of the set.

    Parameters
    ----------
    voice : str
        ``accent+variant``, as eSpeak NG names it.
    identity : str
        Eight hexadecimal digits that stand for it in file names.
    split : str
        The split that all its clips are in.
    """

    voice: str
    identity: str
    split: str


def synthesise(out: Path, config: SynthConfig, progress: Progress | None = None) -> bool:
    """Make a data set of spoken keywords.

    One-second clips, 16 kHz mono 16-bit, in ``WORD/VOICE_nohash_N.wav``, with
    validation_list.txt, testing_list.txt and ``_background_noise_``. Voices are held out for
    validation and test together with all that share their vocal tract. The set appears whole or
    not at all.

    Parameters
    ----------
    out : Path
        Folder to make.
    config : SynthConfig
        What to make.
    progress : callable, optional
        Called with the number of clips done and of all.

    Returns
    -------
    bool
        Whether anything was made; False if ``out`` holds just this set already.

    Raises
    ------
    MissingExtraError
        If eSpeak NG is not installed.
    ConfigError
        If there are fewer voices than asked for.
    OutputError
        If ``out`` holds something else or cannot be written.
    """
    out = Path(out)
    with speaking() as voice:
        manifest = _manifest(config, voice)
        if (out / MANIFEST).is_file() and (out / MANIFEST).read_bytes() == manifest.encode():
            return False
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise OutputError(f"{out} is there and holds something else; choose another folder")
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as beside:
                made = Path(beside) / out.name
                made.mkdir()
                _make(made, config, voice, progress)
                (made / MANIFEST).write_text(manifest, "utf-8")
                if out.is_dir():
                    out.rmdir()
                made.replace(out)
        except OSError as error:
            reason = error.strerror or str(error)
            raise OutputError(f"cannot write {out}: {reason}; choose another folder") from error
    return True


def choose_talkers(count: int, seed: int) -> list[Talker]:
    """Draw ``count`` voices and deal them out to the splits.

    No variant is used twice before all were used once. Variants whose names differ only in a
    number share a vocal tract and stay in one split. The eight digits of a voice are chosen such
    that the sha1 rule of Speech Commands gives the same split.

    Raises
    ------
    ConfigError
        If there are fewer voices.
    """
    known = variants()
    if count > len(known) * len(ACCENTS):
        raise ConfigError(f"voices is {count}; there are {len(known) * len(ACCENTS)}")
    rng = np.random.default_rng([seed, 1])
    order = [known[i] for i in rng.permutation(len(known))]
    shift = rng.integers(len(ACCENTS), size=len(known))
    chosen = [
        (ACCENTS[(shift[i % len(known)] + i // len(known)) % len(ACCENTS)], order[i % len(known)])
        for i in range(count)
    ]
    held = max(1, round(_HELD_OUT * count))
    splits = _deal([_family(variant) for _, variant in chosen], held)
    return [
        Talker(f"{accent}+{variant}", _identity(f"{accent}+{variant}", split), split)
        for (accent, variant), split in zip(chosen, splits)
    ]


def _family(variant: str) -> str:
    return variant.rstrip("0123456789").lower() if not re.fullmatch(r"[fm]\d", variant) else variant


def _deal(families: Sequence[str], held: int) -> list[str]:
    """Split of each voice: whole families to validation, then to test, until each has enough."""
    sizes = {family: families.count(family) for family in dict.fromkeys(families)}
    where: dict[str, str] = {}
    for split in ("validation", "test"):
        room = held
        for family, size in sizes.items():
            if family not in where and size <= room:
                where[family] = split
                room -= size
    return [where.get(family, "train") for family in families]


def _identity(voice: str, split: str) -> str:
    for salt in itertools.count():
        digits = hashlib.sha256(f"{voice} {salt}".encode()).hexdigest()[:8]
        if split_of(digits) == split:
            return digits
    raise AssertionError("unreachable")


def _make(folder: Path, config: SynthConfig, voice: Voice, progress: Progress | None) -> None:
    talkers = choose_talkers(config.voices, config.seed)
    noises = _noises(voice, talkers, config)
    lists: dict[str, list[str]] = {split: [] for split in LISTS}
    plan = list(_plan(config, talkers))
    for done, (word, talker, number) in enumerate(plan):
        name = f"{word}/{talker.identity}_nohash_{number}.wav"
        rng = np.random.default_rng([config.seed, *_digits(f"{talker.voice} {word} {number}")])
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(wav_bytes(_clip(voice, talker, word, noises, rng), RATE))
        if talker.split in lists:
            lists[talker.split].append(name)
        if progress and done % _PROGRESS_STEP == 0:
            progress(done, len(plan))
    for split, names in lists.items():
        (folder / LISTS[split]).write_text("".join(f"{n}\n" for n in sorted(names)), "utf-8")
    background = folder / "_background_noise_"
    background.mkdir()
    for kind, noise in noises.items():
        samples = acoustics.to_int16(noise * _NOISE_LEVEL)
        (background / f"{kind}.wav").write_bytes(wav_bytes(samples, RATE))
    (folder / "README.txt").write_text(_readme(config, voice, talkers), "utf-8")
    if progress:
        progress(len(plan), len(plan))


def _plan(config: SynthConfig, talkers: Sequence[Talker]) -> Iterator[tuple[str, Talker, int]]:
    """Who says what, and for which time: clips are dealt out to the voices in turn."""
    fewer = config.clips_per_word // 4
    counts = {**dict.fromkeys(config.words, config.clips_per_word)}
    counts.update(dict.fromkeys(config.other_words, fewer))
    for place, (word, count) in enumerate(counts.items()):
        # A word with fewer clips than there are voices starts elsewhere than the one before it.
        first = place * count if count < len(talkers) else 0
        for index in range(count):
            yield word, talkers[(first + index) % len(talkers)], index // len(talkers)


def _clip(
    voice: Voice,
    talker: Talker,
    word: str,
    noises: dict[str, acoustics.Sound],
    rng: np.random.Generator,
) -> npt.NDArray[np.int16]:
    """One second with ``word`` somewhere in it, in a room, with noise at 5..40 dB below it."""
    text = word + str(rng.choice(_MOODS))
    said = voice.say(_utterance(rng, text, talker.voice))
    speech = _trimmed(acoustics.resample(said, voice.sample_rate, RATE))[:RATE]
    sound = np.zeros(RATE)
    start = int(rng.integers(0, RATE - len(speech) + 1))
    sound[start : start + len(speech)] = speech
    sound = acoustics.in_room(rng, sound, RATE)
    sound *= 10.0 ** rng.uniform(-1.7, -0.8) / acoustics.level(speech)
    noise = noises[str(rng.choice(sorted(noises)))]
    begin = int(rng.integers(0, len(noise) - RATE))
    below = 10.0 ** (-rng.uniform(5.0, 40.0) / 20.0)
    sound += noise[begin : begin + RATE] * below * acoustics.level(sound)
    return acoustics.to_int16(sound)


def _utterance(rng: np.random.Generator, text: str, voice: str) -> Utterance:
    return Utterance(
        text=text,
        voice=voice,
        rate=int(rng.integers(110, 230)),
        pitch=int(rng.integers(15, 90)),
        range=int(rng.integers(20, 90)),
    )


def _trimmed(sound: acoustics.Sound) -> acoustics.Sound:
    """Sound without the silence around it, at least 50 ms long."""
    loud = np.flatnonzero(np.abs(sound) > 0.01 * np.abs(sound).max(initial=0.0))
    if not len(loud):
        return np.full(RATE // 20, 1e-6)
    return sound[loud[0] : max(loud[-1] + 1, loud[0] + RATE // 20)]


def _noises(
    voice: Voice, talkers: Sequence[Talker], config: SynthConfig
) -> dict[str, acoustics.Sound]:
    """A minute of every kind of background noise, of root mean square 1."""
    rng = np.random.default_rng([config.seed, 2])
    size = _NOISE_SECONDS * RATE
    made = {
        f"{colour}_noise": acoustics.coloured_noise(rng, size, RATE, slope)
        for colour, slope in acoustics.COLOURS.items()
    }
    made["hum"] = acoustics.hum(rng, size, RATE)
    made["fan"] = acoustics.fan(rng, size, RATE)
    made["clatter"] = acoustics.clatter(rng, size, RATE)
    made["babble"] = _babble(voice, [t for t in talkers if t.split == "train"], rng, size)
    return made


def _babble(
    voice: Voice, talkers: Sequence[Talker], rng: np.random.Generator, size: int
) -> acoustics.Sound:
    """Many training voices that count, at once and backwards: speech without any word."""
    sound = np.zeros(size)
    text = "seventeen hundred and eighty three, forty one thousand six hundred and five"
    for _ in range(6 * size // (4 * RATE)):
        talker = talkers[int(rng.integers(len(talkers)))]
        said = voice.say(_utterance(rng, text, talker.voice))
        speech = acoustics.resample(said, voice.sample_rate, RATE)[::-1][:size]
        start = int(rng.integers(0, size - len(speech) + 1))
        sound[start : start + len(speech)] += speech / acoustics.level(speech)
    return sound / acoustics.level(sound)


def _digits(text: str) -> tuple[int, ...]:
    return tuple(np.frombuffer(hashlib.sha256(text.encode()).digest()[:16], "<u4").tolist())


def _manifest(config: SynthConfig, voice: Voice) -> str:
    import scipy

    versions = {"espeak_ng": voice.version, "numpy": np.__version__, "scipy": scipy.__version__}
    return json.dumps({"format": 1, **asdict(config), "versions": versions}, indent=1) + "\n"


def _readme(config: SynthConfig, voice: Voice, talkers: Sequence[Talker]) -> str:
    lines = [f"{t.identity} {t.split:10} {t.voice}\n" for t in sorted(talkers, key=_by_split)]
    return (
        "Spoken keywords made by `edgemem data synth`: one second each, 16 kHz, mono, 16 bits.\n"
        f"Voices: eSpeak NG {voice.version}. Seed: {config.seed}. "
        f"Settings and versions: {MANIFEST}.\n"
        "Rooms and noises are made from random numbers. All voices are synthetic: what is learnt\n"
        "from them is no measure of how real speech is recognised.\n\n"
        "identity split      voice\n" + "".join(lines)
    )


def _by_split(talker: Talker) -> tuple[str, str]:
    return talker.split, talker.voice
