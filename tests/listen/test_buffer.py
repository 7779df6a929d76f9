"""The queue between reading and hearing: what gives way, what waits, and that it is counted."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edgemem.listen.buffer import Block, Buffer


def block(position: int, size: int) -> Block:
    return Block(position, np.full(size, position, np.int16), 0.0)


def test_a_full_buffer_drops_the_oldest_and_counts_its_samples() -> None:
    buffer = Buffer(1000, dropping=True)
    for number in range(5):
        buffer.put(block(400 * number, 400))
    assert (buffer.dropped, buffer.waiting) == (1200, 800)
    first, second = buffer.get(0), buffer.get(0)
    assert first is not None and second is not None
    assert (first.position, second.position) == (1200, 1600)
    assert buffer.get(0) is None


@given(st.lists(st.integers(1, 9) | st.none(), max_size=80), st.integers(1, 20))
def test_every_sample_is_heard_dropped_or_waiting(steps: list[int | None], limit: int) -> None:
    """Numbers put a block of so many samples, None takes one."""
    buffer = Buffer(limit, dropping=True)
    position, heard, last = 0, 0, -1
    for size in steps:
        if size is None:
            found = buffer.get(0)
            if found is not None:
                assert found.position > last
                last = found.position
                heard += found.samples.size
        else:
            buffer.put(block(position, size))
            position += size
            assert buffer.waiting <= max(limit, size)
        assert heard + buffer.dropped + buffer.waiting == position


def test_a_patient_writer_waits_and_nothing_is_lost() -> None:
    buffer = Buffer(100, dropping=False)
    writer = threading.Thread(
        target=lambda: ([buffer.put(block(60 * n, 60)) for n in range(50)], buffer.end())
    )
    writer.start()
    positions = []
    while not buffer.ended:
        found = buffer.get(1.0)
        if found is not None:
            positions.append(found.position)
    writer.join()
    assert positions == [60 * n for n in range(50)]
    assert buffer.dropped == 0


def test_the_end_frees_a_writer_that_waits(
    until: Callable[[Callable[[], bool], str], None],
) -> None:
    buffer = Buffer(10, dropping=False)
    buffer.put(block(0, 10))
    writer = threading.Thread(target=lambda: buffer.put(block(10, 10)))
    writer.start()
    buffer.end()
    until(lambda: not writer.is_alive(), "the writer")
    assert buffer.get(0) is not None and buffer.ended
