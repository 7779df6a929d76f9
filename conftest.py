"""How tests are run, here and beside the targets."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from hypothesis import settings

LONG = re.compile(r"^pytestmark = pytest\.mark\.(training|slow)$", re.MULTILINE)

# No deadline: how long an example takes says how busy the machine is. Elsewhere than in CI, where
# a failure must come again, examples are drawn anew each time.
settings.register_profile("edgemem", deadline=None, print_blob=True)
settings.register_profile("ci", settings.get_profile("edgemem"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "edgemem")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="leave out what trains or takes long")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With --quick a file that trains is not even imported: TensorFlow alone takes seconds."""
    if not config.getoption("--quick") or collection_path.suffix != ".py":
        return None
    return True if LONG.search(collection_path.read_text(encoding="utf-8")) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What TensorFlow, Keras and Nengo warn of is not ours to mend."""
    for item in items:
        if item.get_closest_marker("training"):
            item.add_marker(pytest.mark.filterwarnings("ignore"))
