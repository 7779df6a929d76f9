"""A decision rule from a TOML file, for all keywords and for single ones."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from edgemem.errors import (
    ConfigError,
    check_known,
    refuse_unknown_fields,
)
from edgemem.runtime.detector import DetectorConfig, KeywordRule

SECONDS = "window_seconds"
OWN = tuple(field.name for field in fields(KeywordRule))
"""Fields that a keyword can have for itself."""


def read_rules(
    path: Path, base: DetectorConfig, labels: Sequence[str], frame_period: float
) -> DetectorConfig:
    """The rule of a file; what it does not say stays as in ``base``.

    At its top the file has fields of :class:`~edgemem.runtime.detector.DetectorConfig`, in its
    tables ``[keywords.LABEL]`` those of a :class:`~edgemem.runtime.detector.KeywordRule`. In either
    place ``window_seconds`` stands for ``window``.

    Parameters
    ----------
    path : Path
    base : DetectorConfig
        The rule that the network's file has.
    labels : sequence of str
        Labels of the network.
    frame_period : float
        Time between two logit vectors, in seconds.

    Raises
    ------
    ConfigError
        If the file cannot be read, is no TOML, or says what cannot work.
    UnknownNameError
        If it names a label that the network does not have.
    """
    path = Path(path)
    try:
        given = _parse(path)
        refuse_unknown_fields("the rule", given, [f.name for f in fields(base)] + [SECONDS])
        common = _in_frames(given, "the rule", frame_period)
        own = common.pop("keywords", {})
        if not isinstance(own, Mapping):
            raise ConfigError("keywords must be tables, such as [keywords.yes]")
        check_known("label", [*own, *_named(common.get("ignore", ()))], labels)
        keywords = {label: rule.to_dict() for label, rule in base.keywords.items()}
        for label, rule in own.items():
            keywords[label] = {**keywords.get(label, {}), **_keyword(label, rule, frame_period)}
        return DetectorConfig.from_dict({**base.to_dict(), **common, "keywords": keywords})
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def _parse(path: Path) -> dict[str, Any]:
    name = "tomllib" if sys.version_info >= (3, 11) else "tomli"
    try:
        toml = importlib.import_module(name)
    except ImportError as error:
        raise ConfigError(f"needs the package {name}: pip install {name}") from error
    try:
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"is no TOML: byte {error.start} is no UTF-8") from error
    try:
        parsed: dict[str, Any] = toml.loads(text)
    except (toml.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"is no TOML: {error}") from error
    return parsed


def _keyword(label: str, rule: Any, frame_period: float) -> dict[str, Any]:
    where = f"keyword {label!r}"
    if not isinstance(rule, Mapping):
        raise ConfigError(f"{where} is {rule!r}; it must be a table, [keywords.{label}]")
    refuse_unknown_fields(where, rule, [*OWN, SECONDS])
    return _in_frames(rule, where, frame_period)


def _in_frames(given: Mapping[str, Any], where: str, frame_period: float) -> dict[str, Any]:
    """The fields, a window in seconds as one in frames."""
    values = dict(given)
    if SECONDS not in values:
        return values
    seconds = values.pop(SECONDS)
    if "window" in values:
        raise ConfigError(f"{where} has both window and {SECONDS}; say one")
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds <= 600:
        raise ConfigError(f"{where}: {SECONDS} is {seconds!r}; it must be a time, up to 600 s")
    return {**values, "window": max(1, round(seconds / frame_period))}


def _named(ignore: Any) -> list[str]:
    """Labels in ``ignore`` where it is a list; what else it is, the rule itself refuses."""
    return [name for name in ignore if isinstance(name, str)] if isinstance(ignore, list) else []
