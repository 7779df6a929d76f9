"""The runs of a sweep over one option of a target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, get_args, get_type_hints

from edgemem import target
from edgemem.errors import ConfigError, refuse_unknown_fields
from edgemem.evaluate.subject import Subject


@dataclass(frozen=True)
class Setting:
    """One run of a sweep: its name and the target's options."""

    name: str
    options: Mapping[str, Any]


def settings(
    subject: Subject, options: Mapping[str, Any], sweep: str | None, dt: float | None
) -> list[Setting]:
    """The runs that a sweep asks for; one without it.

    Parameters
    ----------
    subject : Subject
    options : mapping
        The target's options by field, as the command line read them.
    sweep : str, optional
        ``option=a,b,...``
    dt : float, optional
        Length of a simulator step in seconds; sets ``steps_per_frame``.

    Raises
    ------
    ConfigError
        If the sweep names no option or holds no such values, or ``dt`` does not divide a frame.
    """
    options = dict(options)
    if subject.converted is not None and (sweep is not None or dt is not None):
        raise ConfigError("a converted file has one setting: sweep, or set --dt, for a model")
    if dt is not None:
        options["steps_per_frame"] = _steps(subject, dt)
    if sweep is None:
        return [Setting("", options)]
    key, _, values = sweep.partition("=")
    name = key.strip().lstrip("-").replace("-", "_")
    chosen = target.get(subject.target).Options
    refuse_unknown_fields("--sweep", [name], [field.name for field in fields(chosen)])
    kind = get_type_hints(chosen)[name]
    return [
        Setting(f"{key.strip()}={text}", {**options, name: _value(text, kind, sweep)})
        for text in filter(None, (part.strip() for part in values.split(",")))
    ] or _refuse(sweep)


def _refuse(sweep: str) -> list[Setting]:
    raise ConfigError(f"--sweep {sweep}: expected OPTION=A,B,...")


def _value(text: str, kind: Any, sweep: str) -> Any:
    choices = get_args(kind)
    if choices and text in choices:
        return text
    if kind is bool and text in ("true", "false"):
        return text == "true"
    try:
        if kind in (int, float):
            return kind(text)
    except ValueError:
        pass
    known = ", ".join(choices) if choices else {bool: "true or false"}.get(kind, kind.__name__)
    raise ConfigError(f"--sweep {sweep}: {text!r} is no such value; expected {known}")


def _steps(subject: Subject, dt: float) -> int:
    period = subject.frontend.frame_period
    if not dt > 0.0:
        raise ConfigError(f"--dt is {dt}; expected a time greater than 0, in seconds")
    steps = round(period / dt)
    if steps < 1 or abs(steps * dt - period) > 1e-6 * period:
        raise ConfigError(
            f"--dt {dt}: a frame of {period:g} s takes {period / dt:.3g} steps of it; expected a "
            f"whole number, as --dt {period / max(steps, 1):g} gives"
        )
    return steps
