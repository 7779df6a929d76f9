"""Lower a trained model to a target, and check what comes out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgemem.cli._calibration import recorded
from edgemem.cli._options import DEFAULT_TARGET, TargetCommand

if TYPE_CHECKING:
    from edgemem.conversion import Report


@click.command(
    cls=TargetCommand,
    epilog="Example: edgemem convert kws12-lmu --target tflite --quantize int8 --out kws.tflite",
)
@click.argument("model")
@click.option(
    "--target",
    "target_name",
    default=DEFAULT_TARGET,
    show_default=True,
    help="Where the network will run; see edgemem targets.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write; it appears only if the conversion passes its checks.",
)
@click.option(
    "--calibrate",
    type=click.Path(path_type=Path, exists=True),
    help="Folder of recordings that replace the calibration sequences in the model.",
)
@click.option(
    "--dc-blocker",
    is_flag=True,
    help="Put a DC blocker before the front end, for microphones with an offset (I2S), where MODEL "
    "was trained without one.",
)
@click.option(
    "--accept",
    metavar="REASON",
    help="Write it although it is further from the trained network than the target allows; the "
    "file says so, with this reason.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def command(
    model: str,
    target_name: str,
    out: Path,
    calibrate: Path | None,
    dc_blocker: bool,
    accept: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Lower a trained model to a target.

    MODEL is a trained model or the name of a pretrained one. The golden vectors and the validation
    clips in the model then run on the converted network; if it is further from the trained one
    than the target allows, nothing is written, unless --accept says why it will do.
    """
    from edgemem import conversion, pretrained
    from edgemem.files import check_writable
    from edgemem.model import load

    check_writable(out)
    trained = load(pretrained.resolve(model, pretrained.MODEL))
    if dc_blocker:
        trained = replace(trained, frontend=trained.frontend.with_dc_blocker())
    calibration = None if calibrate is None else recorded(calibrate, trained.frontend)
    data, report = conversion.convert(trained, target_name, options, calibration, accept)
    conversion.save(data, out)
    if as_json:
        click.echo(json.dumps({"file": str(out), "target": target_name, **report.to_dict()}))
        return
    click.echo(f"{out}: {report.size} bytes, {report.step_microseconds:.1f} us a step here")
    for line in _lines(report):
        click.echo(line)


def _lines(report: Report) -> list[str]:
    lines = []
    if report.accuracy_trained is not None and report.accuracy_converted is not None:
        lines.append(f"{'accuracy':<12} {report.accuracy_converted:.2%} converted")
        lines.append(f"{'':<12} {report.accuracy_trained:.2%} trained, in float64")
    lines.append(f"{'distance':<12} {report.distance:.4f} RMS of the logits' error over theirs")
    if report.agreement is not None:
        lines.append(f"{'agreement':<12} {report.agreement:.2%} of {report.clips} clips")
    if report.accepted is not None:
        lines.append(f"{'accepted':<12} further off than allowed: {report.accepted['reason']}")
    if report.note:
        lines.append(f"{'note':<12} {report.note}")
    return lines
