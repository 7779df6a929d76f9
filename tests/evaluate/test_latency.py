"""The clock beside a network."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from edgemem.cli import main
from edgemem.errors import ConfigError
from edgemem.evaluate.latency import Latency, latency
from edgemem.frontend import FrontEnd
from edgemem.runtime.network import Network, open_network


class Slow:
    """Four labels out of four features, in 2 ms or more."""

    n_in = n_out = 4

    def reset(self) -> None:
        pass

    def step(self, x: np.ndarray) -> np.ndarray:
        time.sleep(0.002)
        return np.asarray(x, np.float32)


@pytest.fixture
def network(tone_file: Path) -> Network:
    return open_network(tone_file)


def test_a_slow_network_is_seen_in_both_times(network: Network) -> None:
    found = latency(replace(network, runner=Slow()), frames=20)
    assert 0.002 <= found.step < found.whole < 0.02
    assert found.period == 0.01
    assert found.share == pytest.approx(found.whole / 0.01)


@pytest.mark.parametrize("stack", [1, 2, 3])
def test_every_block_brings_one_feature_vector(network: Network, stack: int) -> None:
    calls = []

    class Counting(Slow):
        n_in = 4 * stack

        def step(self, x: np.ndarray) -> np.ndarray:
            calls.append(x)
            return np.zeros(4, np.float32)

    frontend = FrontEnd(n_mels=4, f_max=8000.0, frame_length=400, stack=stack)
    latency(replace(network, runner=Counting(), frontend=frontend), frames=7)
    # 50 and more to warm up, seven in the stream, seven alone.
    assert 50 + 7 + 7 <= len(calls) <= 55 + 7 + 7


def test_nothing_to_time_is_refused(network: Network) -> None:
    with pytest.raises(ConfigError, match="frames is 0"):
        latency(network, frames=0)


def test_a_share_of_real_time() -> None:
    assert Latency(0.0002, 0.0001, 0.02).share == pytest.approx(0.01)
    assert Latency(0.2, 0.1, 0.3).to_dict() == {"whole": 0.2, "step": 0.1, "period": 0.3}


def test_evaluate_says_the_time_of_a_frame(tone_file: Path, tone_set: Path) -> None:
    command = ["evaluate", str(tone_file), "--data", str(tone_set)]
    found = json.loads(CliRunner().invoke(main, [*command, "--json"]).stdout)
    assert 0 < found["latency"]["step"] < found["latency"]["whole"]
    text = CliRunner().invoke(main, command).stdout
    assert "one feature vector (10 ms of sound) takes " in text
    assert "% of real time" in text
