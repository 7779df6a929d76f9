"""A copy of a file with another rule."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgemem import artefact, model
from edgemem.artefact import Golden
from edgemem.errors import ConfigError
from edgemem.evaluate.streaming.writing import check_changeable, with_rule
from edgemem.model import Model
from edgemem.runtime.rule import DetectorConfig, KeywordRule

RULE = DetectorConfig(9, 0.7, 0.4, 0.3, ("_silence_",), {"low": KeywordRule(threshold=0.95)})


def converted(target: str, rule: DetectorConfig) -> artefact.Artefact:
    none = Golden(np.zeros((1, 1, 4), np.float32), np.zeros((1, 1, 4), np.float32))
    fields = {"target": target, "detector": rule.to_dict(), "card": {"data": "tones"}}
    return artefact.build(b"payload", fields, ("a", "b"), none, {"more.txt": b"more"})


def test_a_model_keeps_all_but_its_rule(tone_model: Model, tone_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "tuned.model"
    out.write_bytes(with_rule(tone_file, RULE))
    found = model.load(out)
    assert found.detector == RULE
    assert found.digest == tone_model.digest
    assert model.to_bytes(tone_model) == tone_file.read_bytes()
    assert with_rule(out, tone_model.detector) == tone_file.read_bytes()


def test_a_converted_file_keeps_payload_and_parts(tmp_path: Path) -> None:
    before = converted("tflite", DetectorConfig())
    path = tmp_path / "net.tflite"
    path.write_bytes(artefact.to_bytes(before))
    found = artefact.from_bytes(with_rule(path, RULE), "new")
    assert DetectorConfig.from_dict(found.manifest["detector"]) == RULE
    assert found.payload == before.payload and found.parts == before.parts
    assert {**found.manifest, "detector": 0} == {**before.manifest, "detector": 0}


def test_rules_in_generated_source_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.zip"
    path.write_bytes(artefact.to_bytes(converted("c", DetectorConfig())))
    with pytest.raises(ConfigError, match="tune the model and convert it again"):
        check_changeable(path)
