"""Missed keywords and false accepts on hours of sound: tuned on validation, counted on test.

    python scripts/benchmarks/streaming.py DATA [--models kws12-lmu kws12-lem] [--hours 10]
        [--json F] [--plot PNG] [--work DIR] [--jobs N] [--no-test]

DATA is the unpacked shared data. Thresholds and window of each network are set for the wanted rate
of false accepts on scenes of validation speakers (pictures), the validation share of the noise and
the Arabic validation speakers as other words. Then the official test recordings, with the test
share of the noise and the Arabic test speakers, are heard once at each signal-to-noise ratio.
Without a choice left, the test curve is read as well, and is marked as read.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from edgemem.data.scenes.material import Material, Where
from edgemem.data.scenes.schedule import CLEAN, Plan
from edgemem.evaluate.streaming.picture import draw_curves
from edgemem.evaluate.streaming.scores import StreamScores
from edgemem.evaluate.streaming.study import Running, gather, record, score
from edgemem.evaluate.streaming.truth import condition_name
from edgemem.evaluate.streaming.tuning import Tuned, tune
from edgemem.frontend import PICTURES
from edgemem.runtime.network import Network, open_network

RATIOS = (CLEAN, 20.0, 10.0, 5.0, 0.0)
FULL = (CLEAN, 10.0)
"""Ratios that get all the hours; the others get a fifth."""

TUNING_HOURS = 20.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--models", nargs="+", default=["kws12-lmu", "kws12-lem"])
    parser.add_argument("--rate", type=float, default=0.5, help="wanted false accepts an hour")
    parser.add_argument("--hours", type=float, default=10.0, help="clean, and at 10 dB")
    parser.add_argument("--tuning-hours", type=float, default=TUNING_HOURS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--no-test", action="store_true", help="only tune; test stays unread")
    options = parser.parse_args()
    found, curves = [], {}
    for name in options.models:
        network = open_network(name)
        tuned, about = _tune(network, options)
        found.append({"network": name, "tuned": about, "test": []})
        print(f"{name}: {json.dumps(about['chosen'])}", file=sys.stderr)
        if options.no_test:
            continue
        for snr, scores, facts in _test(network, tuned, options):
            found[-1]["test"].append(facts)
            for label, curve in scores.curves().items():
                curves[f"{name}, {label}"] = curve
            print(f"{name} {condition_name(snr)}: done", file=sys.stderr)
    if not options.no_test:
        print("\n".join([*_table(found, options.rate), "", *_alone(found, options.rate)]))
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    if options.plot is not None and curves:
        draw_curves(curves, options.plot, "test recordings")


def _tune(network: Network, options: argparse.Namespace) -> tuple[Tuned, dict[str, Any]]:
    root = options.data
    where = Where(
        root / "speech_commands_v0.02_logmel40",
        "validation",
        frontend=PICTURES,
        others=root / "arabic_12words",
        background=root / "speech_commands_noise",
        cache=options.cache,
    )
    material = gather(network, where)
    plan = Plan(options.tuning_hours, RATIOS, seed=options.seed)
    take = record(network, material, plan, Running(options.jobs, options.work))
    tuned = tune(network, [take], options.rate)
    seen = score(network, take, tuned.rule, shifts=(0.0,))
    return tuned, {
        "chosen": tuned.chosen.to_dict(),
        "tried": [one.to_dict() for one in tuned.tried],
        "detector": tuned.rule.to_dict(),
        "validation": seen.total().to_dict(),
        **take.speech,
    }


def _test(
    network: Network, tuned: Tuned, options: argparse.Namespace
) -> Iterator[tuple[float, StreamScores, dict[str, Any]]]:
    root = options.data
    where = Where(
        root / "speech_commands_v0.02_test",
        "test",
        others=root / "arabic_12words",
        background=root / "speech_commands_noise",
        cache=options.cache,
    )
    material = gather(network, where)
    for snr in RATIOS:
        hours = options.hours * (1.0 if snr in FULL else 0.2)
        yield (snr, *_heard(network, material, tuned, snr, hours, options))


def _heard(
    network: Network,
    material: Material,
    tuned: Tuned,
    snr: float,
    hours: float,
    options: argparse.Namespace,
) -> tuple[StreamScores, dict[str, Any]]:
    plan = Plan(hours, (snr,), seed=options.seed)
    started = time.perf_counter()
    take = record(network, material, plan, Running(options.jobs, options.work))
    seconds = time.perf_counter() - started
    scores = score(network, take, tuned.rule)
    facts = {
        "snr": condition_name(snr),
        "seconds": seconds,
        **take.speech,
        **scores.to_dict(),
        "read_at_rate": scores.curve.rejects_at(options.rate),
        "alone_at_rate": scores.alone(options.rate),
    }
    return scores, facts


def _table(found: Sequence[dict[str, Any]], rate: float) -> Iterator[str]:
    yield (
        "| network | SNR | hours | keywords | missed | false accepts/h (95 %) | substitutions "
        f"| latency, median / 90 % | false accepts/h in noise alone "
        f"| missed at {rate:g}/h, read off the test curve |"
    )
    yield "| --- " * 10 + "|"
    for one in found:
        for test in one["test"]:
            total = test["total"]
            low, high = total["false_accepts_per_hour_95"]
            yield (
                f"| {one['network']} | {test['snr']} | {total['hours']:.1f} | {total['keywords']} "
                f"| {total['false_reject_rate']:.2%} "
                f"| {total['false_accepts_per_hour']:.2f} ({low:.2f}-{high:.2f}) "
                f"| {total['substitutions'] / total['keywords']:.2%} "
                f"| {1e3 * total['latency_median']:.0f} / {1e3 * total['latency_90']:.0f} ms "
                f"| {test['noise']['false_accepts_per_hour']:.2f} ({test['noise']['hours']:.1f} h) "
                f"| {test['read_at_rate']:.2%} |"
            )


def _alone(found: Sequence[dict[str, Any]], rate: float) -> Iterator[str]:
    """Each keyword as the only wake word: read off the test curve of its own."""
    names = [one["name"] for one in found[0]["test"][0]["by_keyword"]]
    yield f"each keyword alone, missed at {rate:g} of its own false accepts/h, read off its curve"
    yield "| network | SNR | " + " | ".join(names) + " | mean |"
    yield "| --- " * (len(names) + 3) + "|"
    for one in found:
        for test in one["test"]:
            values = [test["alone_at_rate"][name] for name in names]
            cells = " | ".join(f"{value:.1%}" for value in [*values, sum(values) / len(values)])
            yield f"| {one['network']} | {test['snr']} | {cells} |"


if __name__ == "__main__":
    main()
