"""Without Nengo."""

from __future__ import annotations

import importlib
import sys

import pytest

from edgemem.errors import MissingExtraError


def test_without_nengo_the_extra_is_named(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("edgemem.networks")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "nengo", None)
    with pytest.raises(MissingExtraError, match=r"&& pip install 'edgemem-toolkit\[train\]'"):
        importlib.import_module("edgemem.networks")
