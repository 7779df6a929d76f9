"""Line two networks up: where they part, how far, and which decisions that changes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from edgemem.data.types import Skipped
    from edgemem.evaluate.compare import Comparison, Divergence
    from edgemem.evaluate.tally import Distance

_NAMED = 20
"""So many differing decisions are listed in text; JSON has all."""

_FEW = (
    "; with an interpreter's fast kernels inner tensors do not exist, and only outputs and states "
    "are compared: see --reference-kernels"
)


@click.command(
    epilog="Example: edgemem compare a.tflite b.fixed --data speech_commands_test --clips 200"
)
@click.argument("a")
@click.argument("b")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Folder of recordings, a folder a word or any others; by default the inputs that ride "
    "in A.",
)
@click.option(
    "--clips", type=click.IntRange(min=1), help="At most that many, spread evenly over all."
)
@click.option(
    "--reference-kernels",
    is_flag=True,
    help="Run an interpreter's plain kernels, which show every tensor, not its fast ones.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--plot",
    type=click.Path(path_type=Path),
    metavar="PNG",
    help="Also draw the distances over the frames; needs the extra plot.",
)
def command(
    a: str,
    b: str,
    data: Path | None,
    clips: int | None,
    reference_kernels: bool,
    as_json: bool,
    plot: Path | None,
) -> None:
    """Line two networks up.

    A and B are converted networks, trained models (they run in float64) or names of pretrained
    networks, with the same labels and features. Both hear the same clips, the state reset before
    each. What is told: the first frame and operation where they differ, the distance of every
    tensor that both show under one name, the share of equal outputs, and the decisions that
    differ. A distance is the RMS of the difference over the RMS of A's values; a last place is one
    step of an integer.
    """
    from edgemem.cli._progress import progress
    from edgemem.evaluate.compare import check_pair, compare
    from edgemem.evaluate.pair import hear, recordings, riding_along
    from edgemem.files import check_writable
    from edgemem.runtime.network import open_network

    if plot:
        check_writable(plot)
    one, other = (open_network(file, reference_kernels) for file in (a, b))
    check_pair(one, other)
    skipped: list[Skipped] = []
    notes: tuple[str, ...] = ()
    if data is None:
        found = compare(one, other, progress(riding_along(a, clips)))
    else:
        listed, notes = recordings(one, data, clips)
        fronts = one.frontend, other.frontend
        found = compare(one, other, hear(progress(listed), *fronts, skipped))
    if as_json:
        left_out = {"skipped": [asdict(item) for item in skipped], "notes": notes}
        click.echo(json.dumps({**found.to_dict(), **left_out}))
    else:
        for line in [*_lines(found), *_left_out(skipped, notes)]:
            click.echo(line)
    if plot:
        from edgemem.evaluate.compare_picture import draw

        draw(found, plot)


def _left_out(skipped: list[Skipped], notes: tuple[str, ...]) -> Iterator[str]:
    for item in skipped:
        yield f"skipped {item.name}: {item.reason}"
    for note in notes:
        yield f"note: {note}"


def _lines(found: Comparison) -> Iterator[str]:
    for side, name, engine in zip("AB", found.names, found.engines):
        yield f"{side} {name} ({engine})"
    output = found.output
    yield (
        f"{found.clips} clips, {found.frames} frames: {found.equal_frames:.2%} of the outputs "
        f"equal{_places(output)}, distance {output.distance:.2g}"
    )
    yield _first(found.first)
    yield from _decisions(found)
    yield from _table(found)


def _places(distance: Distance) -> str:
    places = distance.last_places
    return "" if places is None else f", at most {places:g} last places off"


def _first(first: Divergence | None) -> str:
    if first is None:
        return "no difference anywhere"
    op = f" ({first.op})" if first.op else ""
    return (
        f"first difference: {first.clip}, frame {first.frame}, {first.tensor}{op}, element "
        f"{first.element}: {first.a:g} in A, {first.b:g} in B"
    )


def _decisions(found: Comparison) -> Iterator[str]:
    yield f"{len(found.differing)} of {found.clips} decisions differ"
    for clip in found.differing[:_NAMED]:
        label = "" if clip.label is None else f" (label {clip.label})"
        yield f"  {clip.clip}{label}: {clip.a} by A, {clip.b} by B"
    if len(found.differing) > _NAMED:
        yield f"  and {len(found.differing) - _NAMED} more; --json has all"
    if found.accuracy is not None:
        yield "accuracy {:.2%} of A, {:.2%} of B".format(*found.accuracy)


def _table(found: Comparison) -> Iterator[str]:
    tensors = found.tensors
    few = 2 * min(found.shown) < max(found.shown) or not tensors
    yield (
        f"{len(tensors)} tensors in common; A shows {found.shown[0]}, B {found.shown[1]}"
        + (_FEW if few else "")
    )
    if any(tensor.gain for tensor in tensors):
        yield (
            "  gain: each element of B was first multiplied by the factor that brings it nearest "
            "to A, since integer forms have other units inside"
        )
    width = max([len(tensor.tensor) for tensor in tensors], default=0)
    if tensors:
        yield f"  {'tensor':<{width}} {'distance':>9} {'equal':>8} {'places':>6}  operation"
    for tensor in tensors:
        equal = "gain" if tensor.equal is None else f"{tensor.equal:.2%}"
        places = "" if tensor.last_places is None else f"{tensor.last_places:g}"
        yield (
            f"  {tensor.tensor:<{width}} {tensor.distance:9.2g} {equal:>8} {places:>6}  {tensor.op}"
        )
