#!/usr/bin/env python3
"""One LMU memory on Loihi 1, by NengoLoihi's routes and by ours: compartments against error.

Order 6, theta 0.5 s, steps of 1 ms, 10 s of white noise below 2 Hz of RMS 0.4 (nengo's
WhiteSignal). Levels and radii come from other signals. Error: RMS of the difference from the float
memory over the RMS of the float memory, all six states together, at the best delay of up to 20
steps. States are decoded from spikes alone, by a low pass of 10 ms, and by the filter named in the
table.
Everything runs in emulators; nothing here was measured on a chip.

usage: loihi_memory.py [--seed N] [--seconds T] [--json FILE] [--only ours]

A minute for each of NengoLoihi's rows, a second for each of ours. NengoLoihi is in .venv-peers of
scripts/test-peers.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemem.cells.lmu import legendre_delay
from edgemem_loihi.cuba import Emulator
from edgemem_loihi.cuba.placed import chip_network
from edgemem_loihi.placement import place
from edgemem_loihi.spikes.assemble import START, assemble
from edgemem_loihi.spikes.code import shared, uniform
from edgemem_loihi.spikes.encoder import Encoder
from edgemem_loihi.spikes.memory import memory
from edgemem_nengo_loihi.network import Linear, Timing, network
from edgemem_nengo_loihi.standalone import Simulation

Array = NDArray[np.float64]

ORDER, THETA, DT, HIGH, RMS = 6, 500.0, 1e-3, 2.0, 0.4
MOST_LAG = 20
CALIBRATION_SEEDS = range(100, 108)
NEURONS, RELAY, DEFAULT_NEURONS = 100, 200, 166
MARGIN = 1.3
SIZES = ((1.0, 8), (1.0, 16), (1.67, 16), (4.0, 16), (8.0, 32), (11.0, 32))
"""Mean levels of either sign, and steps of the dither."""

A, B = legendre_delay(ORDER, THETA)


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    compartments: int
    low_pass: float
    filtered: float
    filter: str
    lag: int
    spikes: float
    seconds: float


def signal(seed: int, seconds: float) -> Array:
    import nengo

    process = nengo.processes.WhiteSignal(period=seconds, high=HIGH, rms=RMS, seed=seed)
    return np.asarray(process.run(seconds, dt=DT)[:, 0])


def exact(u: Array) -> Array:
    m, states = np.zeros(ORDER), np.empty((len(u), ORDER))
    for t, value in enumerate(u):
        m = A @ m + B[:, 0] * value
        states[t] = m
    return states


def error(said: Array, states: Array) -> tuple[float, int]:
    """Least relative RMS error over delays, and the delay."""
    power = np.mean(states**2)
    errors = [
        float(np.sqrt(np.mean((said[lag:] - states[: len(states) - lag]) ** 2) / power))
        for lag in range(MOST_LAG + 1)
    ]
    return min(errors), int(np.argmin(errors))


def low_pass(x: Array, tau: float) -> Array:
    kept, y, out = np.exp(-DT / tau), np.zeros(x.shape[1]), np.empty_like(x)
    for t, value in enumerate(x):
        y = kept * y + (1.0 - kept) * value
        out[t] = y
    return out


def box(x: Array, steps: int) -> Array:
    sums = np.concatenate([np.zeros((1, x.shape[1])), np.cumsum(x, axis=0)])
    first = np.maximum(np.arange(1, len(x) + 1) - steps, 0)
    return np.asarray((sums[1:] - sums[first]) / steps)


def row(
    name: str,
    compartments: int,
    said: Array,
    states: Array,
    filtered: tuple[str, Callable[[Array], Array]],
    spikes: float,
    since: float,
) -> Row:
    own, lag = error(filtered[1](said), states)
    plain, _ = error(low_pass(said, 0.01), states)
    seconds = time.perf_counter() - since
    return Row(name, compartments, plain, own, filtered[0], lag, spikes, seconds)


SMOOTH = ("low pass, 20 ms", lambda x: low_pass(x, 0.02))


def reaches(seconds: float) -> Array:
    peaks = [np.abs(exact(signal(seed, seconds))).max(axis=0) for seed in CALIBRATION_SEEDS]
    return np.asarray(np.max(peaks, axis=0))


def in_nengo_loihi(name: str, u: Array, states: Array, radii: Array, best: bool) -> Row:
    """The structure of NengoLoihi's LMU example, or its best route by hand."""
    import nengo
    import nengo_loihi

    since = time.perf_counter()
    with nengo.Network(seed=0) as net:
        nengo_loihi.set_defaults()
        node = nengo.Node(nengo.processes.PresentInput(u[:, None], DT))
        if best:
            tau = 0.1
            a = np.exp(-DT / tau)
            weights = nengo.solvers.LstsqL2(weights=True)
            relay = nengo.Ensemble(RELAY, 1, radius=1.5)
            nengo.Connection(node, relay, synapse=None)
            parts = [nengo.Ensemble(NEURONS, 1, radius=radius) for radius in radii]
            # discrete Principle 3
            recurrent, coming = (A - a * np.eye(ORDER)) / (1.0 - a), B[:, 0] / (1.0 - a)
            for i, target in enumerate(parts):
                nengo.Connection(relay, target, transform=coming[i], synapse=tau, solver=weights)
                for j, source in enumerate(parts):
                    nengo.Connection(
                        source, target, transform=recurrent[i, j], synapse=tau, solver=weights
                    )
            probes = [nengo.Probe(part, synapse=None) for part in parts]
            neurons = [nengo.Probe(part.neurons) for part in parts]
        else:
            tau = 0.1
            continuous = np.real(_log(A)) / DT
            driven = np.linalg.solve(A - np.eye(ORDER), continuous @ B)[:, 0]
            array = nengo.networks.EnsembleArray(DEFAULT_NEURONS, ORDER)
            nengo.Connection(node, array.input, transform=tau * driven[:, None], synapse=tau)
            nengo.Connection(
                array.output,
                array.input,
                transform=tau * continuous + np.eye(ORDER),
                synapse=tau,
            )
            probes = [nengo.Probe(array.output, synapse=None)]
            neurons = [nengo.Probe(part.neurons) for part in array.ensembles]
    with _quiet(), nengo_loihi.Simulator(net, dt=DT, progress_bar=False) as simulator:
        simulator.run_steps(len(u))
        said = np.concatenate([simulator.data[p] for p in probes], axis=1)
        spikes = sum(np.count_nonzero(simulator.data[p]) for p in neurons) / len(u)
        size = sum(b.compartment.n_compartments for b in simulator.model.blocks)
    return row(name, size, said, states, SMOOTH, spikes, since)


def _log(matrix: Array) -> Array:
    from scipy.linalg import logm

    return np.asarray(logm(matrix))


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what NengoLoihi warns of at every build."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def exported(u: Array, states: Array, radii: Array) -> Row:
    """What ``edgemem convert --target nengo-loihi`` writes, one step for each frame."""
    since = time.perf_counter()
    linear = Linear(
        A, B, np.eye(ORDER), np.zeros((ORDER, 1)), np.zeros(ORDER), np.full(1, 1.5), radii
    )
    arrays = network(linear, Timing(1, DT), NEURONS)
    simulation = Simulation(arrays)
    rates = np.concatenate([_run(simulation, part) for part in np.array_split(u, 50)])
    said = rates @ arrays["states0/decoders"].T * radii
    spikes = float(np.count_nonzero(rates)) / len(u)
    size = simulation.compartments
    simulation.close()
    name = f"edgemem, --target nengo-loihi, {NEURONS} neurons a state"
    return row(name, size, said, states, SMOOTH, spikes, since)


def _run(simulation: Simulation, u: Array) -> Array:
    """Spikes of the states, (t, neurons), for a piece of the signal."""
    return np.concatenate([simulation.spikes(np.full(1, value))[-1] for value in u])


def on_loihi1(u: Array, states: Array, reach: Array, mean: float, period: int) -> Row:
    """Thermometers on currents, with a dither."""
    since = time.perf_counter()
    coded, inputs = uniform(reach, shared(reach, mean)), uniform(np.full(1, 1.8), np.full(1, 8))
    chip = assemble(memory(A, B, inputs, coded, period))
    cores = place(chip_network(chip)).cores
    encoder = Encoder(inputs, 1)
    lines = np.stack([encoder.spikes(np.full((1, 1), value)) for value in u], axis=1)
    start = np.zeros((1, len(u), 1), bool)
    start[:, 0] = True
    fired = Emulator(chip).run({"u": lines, START: start}, spikes=("m",)).spikes["m"][0]
    said = fired @ coded.decoder().T
    levels = " ".join(str(int(n)) for n in shared(reach, mean))
    name = f"edgemem, loihi1, levels of either sign {levels}, ring of {period}; {_cores(cores)}"
    smooth = (f"mean of {period} steps", lambda x: box(x, period))
    return row(name, chip.size, said, states, smooth, fired.sum() / len(u), since)


def _cores(cores: Any) -> str:
    number = cores if isinstance(cores, int) else len(cores)
    return f"{number} core" + ("s" if number != 1 else "")


def table(rows: list[Row]) -> str:
    heads = ("mapping", "compartments", "NRMSE, low pass 10 ms", "NRMSE", "by", "delay, ms")
    heads += ("spikes a step", "s")
    lines = [
        "| " + " | ".join(heads) + " |",
        "| --- | ---: | ---: | ---: | --- | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {r.name} | {r.compartments} | {r.low_pass:.1%} | {r.filtered:.1%} | {r.filter} "
        f"| {r.lag} | {r.spikes:.1f} | {r.seconds:.0f} |"
        for r in rows
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--only", choices=["ours"])
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()

    u = signal(args.seed, args.seconds)
    states, peaks = exact(u), reaches(args.seconds)
    rows = []
    if args.only is None:
        rows.append(
            in_nengo_loihi("NengoLoihi, EnsembleArray and decode neurons", u, states, peaks, False)
        )
        rows.append(
            in_nengo_loihi("NengoLoihi by hand, full weights, relay", u, states, peaks, True)
        )
        rows.append(exported(u, states, 1.1 * peaks))
    # a constant input of the greatest magnitude must not leave the reach of the mean either
    reach = np.maximum(MARGIN * peaks, np.array([1.4, 0, 0, 0, 0, 0]))
    rows += [on_loihi1(u, states, reach, mean, period) for mean, period in SIZES]
    print(table(rows))
    if args.json:
        args.json.write_text(json.dumps([asdict(r) for r in rows], indent=1))


if __name__ == "__main__":
    main()
