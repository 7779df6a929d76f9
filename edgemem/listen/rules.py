"""Rule files: what of a network's decision rule somebody wants otherwise, in TOML."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgemem.errors import ConfigError
from edgemem.listen.toml import TomlFile, read_toml
from edgemem.runtime.detector import frames_in
from edgemem.runtime.rule import DetectorConfig, KeywordRule

if TYPE_CHECKING:
    from edgemem.runtime.network import Network

LONGEST_WINDOW = 60.0
"""Seconds of logits that a rule file may average: each frame of them takes memory."""

LONGEST_QUIET = 86400.0
"""Seconds that a rule file may keep a keyword quiet after an event."""

_FIELDS = ("window", "window_seconds", "threshold", "release", "refractory")


def read_rules(
    path: Path,
    base: DetectorConfig,
    labels: Sequence[str],
    frame_period: float,
    anew: bool = False,
) -> DetectorConfig:
    """The decision rule of a network, changed by a rule file.

    What the file says wins over the network's own rule; a value for all keywords also wins over
    the network's values for single ones. A release that the file does not set comes down to its
    threshold where the file sets that below it.

    Parameters
    ----------
    path : Path
        TOML: ``window`` in frames or ``window_seconds``, ``threshold``, ``release``,
        ``refractory`` in seconds, and ``ignore``, a list of labels; in tables such as
        ``[keywords.yes]`` the same but ``ignore``, for one label.
    base : DetectorConfig
        The network's own rule, which holds where the file says nothing.
    labels : sequence of str
        Name of each logit.
    frame_period : float
        Time between two logit vectors, in seconds.
    anew : bool
        Whether a file was read before: one that says nothing would quietly undo it, and is refused.

    Raises
    ------
    ConfigError
        If the file cannot be read, is no TOML, or says what cannot work; the message names the
        line.
    """
    file = read_toml(path)
    tables = _tables(file, labels)
    common = _fields(file, (), file.values, frame_period)
    own = {
        label: _fields(file, ("keywords", label), table, frame_period)
        for label, table in tables.items()
    }
    if anew and not common and not any(own.values()) and "ignore" not in file.values:
        raise ConfigError(f"{path} says nothing, perhaps half written; write a rule into it")
    threshold = common.get("threshold", base.threshold)
    _check_release(file, (), common, threshold)
    rules = {}
    for label in (*base.keywords, *(label for label in own if label not in base.keywords)):
        given = own.get(label, {})
        rule = {**_kept(base, label, common), **given}
        reached = rule.get("threshold", threshold)
        _check_release(file, ("keywords", label), given, reached)
        if "release" in rule:
            rule["release"] = min(rule["release"], reached)
        if rule:
            rules[label] = KeywordRule(**rule)
    return DetectorConfig(
        window=common.get("window", base.window),
        threshold=threshold,
        release=common.get("release", min(base.release, threshold)),
        refractory=common.get("refractory", base.refractory),
        ignore=_ignore(file, base, labels),
        keywords=rules,
    )


def rules_of(network: Network, config: Path | None, anew: bool = False) -> DetectorConfig:
    """The decision rule of a network, changed by a rule file where there is one.

    Raises
    ------
    ConfigError
        As :func:`read_rules`.
    """
    if config is None:
        return network.detector
    period = network.frontend.frame_period
    return read_rules(config, network.detector, network.labels, period, anew)


def _kept(base: DetectorConfig, label: str, common: Mapping[str, Any]) -> dict[str, Any]:
    """What the network says of one keyword and the file of none."""
    own = base.keywords.get(label, KeywordRule()).to_dict()
    return {name: value for name, value in own.items() if name not in common}


def _tables(file: TomlFile, labels: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """The table of each keyword that has one; no key is unknown, at the top or in them."""
    for name in file.values:
        if name not in (*_FIELDS, "ignore", "keywords"):
            hint = f"; the rule of a keyword stands under [keywords.{name}]"
            raise file.error(
                (name,), _unknown(name, ("ignore", "keywords")) + (hint if name in labels else "")
            )
    tables = file.values.get("keywords", {})
    if not isinstance(tables, Mapping):
        raise file.error(
            ("keywords",), f"keywords is {reprlib.repr(tables)}; expected tables [keywords.LABEL]"
        )
    for label, table in tables.items():
        where = ("keywords", label)
        if label not in labels:
            raise file.error(where, f"no label named {label!r}; known: {', '.join(labels)}")
        if not isinstance(table, Mapping):
            raise file.error(
                where,
                f"keyword {label!r} is {reprlib.repr(table)}; expected a table of fields such as "
                "threshold",
            )
        for name in table:
            if name not in _FIELDS:
                raise file.error((*where, name), f"keyword {label!r}: {_unknown(name, ())}")
    return dict(tables)


def _unknown(name: str, more: Sequence[str]) -> str:
    return f"unknown field {name!r}; known: {', '.join(sorted((*_FIELDS, *more)))}"


def _fields(
    file: TomlFile, keys: tuple[str, ...], table: Mapping[str, Any], frame_period: float
) -> dict[str, Any]:
    """The numbers of a table by the names that a rule has for them, each in its range."""
    most = frames_in(LONGEST_WINDOW, frame_period)
    needs = {
        "window": (1, most, f"a whole number of frames, 1 to {most}"),
        "window_seconds": (0, LONGEST_WINDOW, f"seconds, above 0, at most {LONGEST_WINDOW:g}"),
        "threshold": (0, 1, "a number above 0, at most 1"),
        "release": (0, 1, "a number from 0 to 1"),
        "refractory": (0, LONGEST_QUIET, f"seconds, 0 to {LONGEST_QUIET:g}"),
    }
    found: dict[str, Any] = {}
    for name, (least, largest, what) in needs.items():
        if name not in table:
            continue
        value = table[name]
        fits = _is_number(value, whole=name == "window") and least <= value <= largest
        if not fits or (value == 0 and name in ("window_seconds", "threshold")):
            raise file.error(
                (*keys, name), f"{_of(keys)}{name} is {reprlib.repr(value)}; it must be {what}"
            )
        found[name] = value if name == "window" else float(value)
    seconds = found.pop("window_seconds", None)
    if seconds is not None:
        if "window" in found:
            raise file.error(
                (*keys, "window_seconds"), f"{_of(keys)}window and window_seconds; name one of them"
            )
        found["window"] = max(1, frames_in(seconds, frame_period))
    return found


def _is_number(value: Any, whole: bool) -> bool:
    return isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)


def _check_release(
    file: TomlFile, keys: tuple[str, ...], given: Mapping[str, Any], threshold: float
) -> None:
    if "release" in given and given["release"] > threshold:
        raise file.error(
            (*keys, "release"),
            f"{_of(keys)}release is {given['release']}; it must not be above the threshold, "
            f"{threshold}",
        )


def _of(keys: tuple[str, ...]) -> str:
    return f"keyword {keys[1]!r}: " if keys else ""


def _ignore(file: TomlFile, base: DetectorConfig, labels: Sequence[str]) -> tuple[str, ...]:
    """The labels that never fire; the network's where the file says nothing of them."""
    if "ignore" not in file.values:
        return base.ignore
    given = file.values["ignore"]
    if not isinstance(given, list) or not all(isinstance(label, str) for label in given):
        raise file.error(
            ("ignore",), f"ignore is {reprlib.repr(given)}; it must be a list of labels"
        )
    for label in given:
        if label not in (*labels, *base.ignore):
            raise file.error(
                ("ignore",), f"ignore: no label named {label!r}; known: {', '.join(labels)}"
            )
    if not set(labels) - set(given):
        raise file.error(("ignore",), f"every label is ignored: {', '.join(labels)}")
    return tuple(given)
