"""A copy of a network's file with another decision rule."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from edgemem import artefact, model, pretrained
from edgemem.errors import ConfigError
from edgemem.runtime.rule import DetectorConfig

_IN_SOURCE = ("c",)
"""Targets that write the rule into generated source."""


def check_changeable(path: Path) -> None:
    """Refuse a file whose rule cannot be changed, before long work is spent on one.

    Parameters
    ----------
    path : Path

    Raises
    ------
    ConfigError
        If its rule stands in generated source.
    """
    if path.suffix == pretrained.MODEL:
        return
    target = artefact.read(path).target
    if target in _IN_SOURCE:
        raise ConfigError(
            f"{path} holds its rule in generated source (target {target}): tune the model and "
            "convert it again"
        )


def with_rule(path: Path, rule: DetectorConfig) -> bytes:
    """The bytes of the file ``path`` with another rule; all else stays, bit for bit.

    Parameters
    ----------
    path : Path
        A trained model or a converted file.
    rule : DetectorConfig
    """
    check_changeable(path)
    if path.suffix == pretrained.MODEL:
        return model.to_bytes(replace(model.load(path), detector=rule))
    found = artefact.read(path)
    manifest = {**found.manifest, "detector": rule.to_dict()}
    return artefact.to_bytes(replace(found, manifest=manifest))
