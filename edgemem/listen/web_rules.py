"""The live page's sliders: what they may ask for, and the decision rule that comes of it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from edgemem.errors import ConfigError
from edgemem.runtime.rule import DetectorConfig, KeywordRule

if TYPE_CHECKING:
    from edgemem.listen.types import Controls


@dataclass(frozen=True)
class Wish:
    """A slider that was moved.

    Parameters
    ----------
    label : str or None
        The keyword; None is the common threshold.
    threshold : float or None
        None undoes what the page did to it.
    """

    label: str | None
    threshold: float | None


@dataclass(frozen=True)
class Reset:
    """All sliders back to where the page found them."""


def parse_wish(text: str | bytes, labels: Sequence[str]) -> Wish | Reset:
    """What a message from the page asks for.

    Parameters
    ----------
    text : str or bytes
        ``{"kind": "threshold", "label": "yes" or null, "value": 0.7 or null}`` or
        ``{"kind": "reset"}``.
    labels : sequence of str
        Labels that may fire.

    Raises
    ------
    ConfigError
        If it is anything else.
    """
    try:
        wish = json.loads(text)
    except (ValueError, RecursionError):
        raise ConfigError("the message is no JSON") from None
    if wish == {"kind": "reset"}:
        return Reset()
    if (
        not isinstance(wish, dict)
        or wish.keys() != {"kind", "label", "value"}
        or wish["kind"] != "threshold"
    ):
        raise ConfigError('expected {"kind": "threshold", "label": ..., "value": ...}')
    label, value = wish["label"], wish["value"]
    if label is not None and label not in labels:
        raise ConfigError(f"no label named {str(label)[:40]!r} may fire")
    if value is not None:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ConfigError("a threshold is a number or null")
        if not 0.0 < value <= 1.0:  # NaN is no such number either
            raise ConfigError("a threshold must lie in (0, 1]")
        value = float(value)
    return Wish(label, value)


def dialled(base: DetectorConfig, thresholds: Mapping[str | None, float]) -> DetectorConfig:
    """A decision rule with other thresholds.

    A release level above its threshold comes down to it, and only there: with the slider it goes
    up again.

    Parameters
    ----------
    base : DetectorConfig
    thresholds : mapping
        Threshold for each keyword that has another one; that of None is the common one.
    """
    common = thresholds.get(None, base.threshold)
    release = min(base.release, common)
    rules: dict[str, KeywordRule] = dict(base.keywords)
    for label, threshold in thresholds.items():
        if label is not None:
            rules[label] = replace(rules.get(label, KeywordRule()), threshold=threshold)
    for label, rule in rules.items():
        own = common if rule.threshold is None else rule.threshold
        if rule.release is not None and rule.release > own:
            rules[label] = replace(rule, release=own)
    return replace(base, threshold=common, release=release, keywords=rules)


def as_toml(config: DetectorConfig) -> str:
    """A decision rule as the rule file that ``edgemem listen --config`` reads."""
    lines = [f"window = {config.window}"]
    lines += [f"{name} = {_number(getattr(config, name))}" for name in _REALS]
    if config.ignore != DetectorConfig().ignore:
        lines.append(f"ignore = {_text(config.ignore)}")
    for label, rule in config.keywords.items():
        own = {name: getattr(rule, name) for name in ("window", *_REALS)}
        given = [f"{name} = {_number(value)}" for name, value in own.items() if value is not None]
        if given:
            lines += ["", f"[keywords.{_key(label)}]", *given]
    return "\n".join(lines) + "\n"


_REALS = ("threshold", "release", "refractory")


def _number(value: float) -> str:
    if isinstance(value, int):
        return str(value)
    text = f"{value:.6g}"  # digits that count: the least threshold is no 0
    return text if set(text) & set(".e") else f"{text}.0"


def _key(label: str) -> str:
    return label if re.fullmatch(r"[A-Za-z0-9_-]+", label) else _text(label)


def _text(value: str | Sequence[str]) -> str:
    # TOML takes JSON's strings, but no halves of a character beyond the sixteen bits.
    return json.dumps(value, ensure_ascii=False)


def rule_message(config: DetectorConfig, labels: Sequence[str], moved: bool) -> dict[str, Any]:
    """The decision rule, each keyword's threshold in it, and its TOML.

    Parameters
    ----------
    config : DetectorConfig
    labels : sequence of str
        All labels.
    moved : bool
        Whether sliders made it.
    """
    return {
        "kind": "rule",
        "moved": moved,
        "window": config.window,
        "threshold": config.threshold,
        "release": config.release,
        "refractory": config.refractory,
        "thresholds": {
            label: config.rule(label).threshold for label in labels if label not in config.ignore
        },
        "own": [label for label, rule in config.keywords.items() if rule.threshold is not None],
        "toml": as_toml(config),
    }


class Sliders:
    """Where the sliders stand, over the rule that they found.

    A rule that comes from elsewhere, such as a file that was read again, is the new ground.

    Parameters
    ----------
    controls : Controls
        Takes the rules.
    labels : sequence of str
        Labels that may fire.
    """

    def __init__(self, controls: Controls, labels: Sequence[str]) -> None:
        self._controls = controls
        self._labels = tuple(labels)
        self._base = self._last = controls.current
        self._thresholds: dict[str | None, float] = {}

    def made(self, config: DetectorConfig) -> bool:
        """Whether a rule is what the sliders made, and not what they found."""
        return config is self._last and bool(self._thresholds)

    def hear(self, message: str | bytes) -> None:
        """Propose what a message from the page asks for.

        Raises
        ------
        ConfigError
            If it makes no sense, or no rule that can work.
        """
        wish = parse_wish(message, self._labels)
        current = self._controls.current
        thresholds = dict(self._thresholds) if current is self._last else {}
        base = self._base if current is self._last else current
        if isinstance(wish, Reset):
            thresholds.clear()
        elif wish.threshold is None:
            thresholds.pop(wish.label, None)
        else:
            thresholds[wish.label] = wish.threshold
        rule = dialled(base, thresholds) if thresholds else base
        self._base, self._last, self._thresholds = base, rule, thresholds
        self._controls.propose(rule)
