#!/usr/bin/env python3
"""Compartment updates per second: edgemem's emulator of Loihi 1 beside NengoLoihi's.

NengoLoihi builds and discretises two Nengo networks and runs them once with a host, whose spikes
into the chip are written down. Then the chips alone are run, NengoLoihi's emulator and edgemem's
with the same integers and the same spikes, on one core, by turns, without probes; edgemem's also
with a batch, whose other sequences get the same spikes shifted in time. Medians of processor time
over rounds; wall time beside it. What NengoLoihi's whole simulator took, host included, is printed
too: its speed as its users see it. Before any figure, the spikes of all compartments in all steps
are compared, of two sequences of the batch with NengoLoihi as well. Runs in .venv-peers of
scripts/test-peers.

usage: loihi_emulator.py [--steps N] [--batch N] [--rounds N] [--json] [NETWORK ...]
"""

from __future__ import annotations

import os

# before NumPy comes in: products of matrices stay on one core
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import argparse
import json
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemem_loihi.cuba import Emulator, Network
from edgemem_loihi.cuba.blocks import from_blocks

Spikes = dict[str, NDArray[np.bool_]]

RATES = "max_rates U(100, 120) Hz, intercepts U(-1, 0.5)"


def feed_forward() -> Any:
    """10,000 neurons: two arrays of 20 ensembles, decoded on the chip from one to the other."""
    import nengo
    import nengo_loihi

    with nengo.Network(seed=0) as network:
        nengo_loihi.set_defaults()
        wave = nengo.Node(lambda t: 0.8 * np.sin(8.0 * t + 0.3 * np.arange(20)))
        first = nengo.networks.EnsembleArray(250, 20)
        second = nengo.networks.EnsembleArray(250, 20)
        nengo.Connection(wave, first.input, synapse=None)
        nengo.Connection(first.output, second.input)
    return network


def dense() -> Any:
    """1,000 neurons, each with weights to all, on 10 cores."""
    import nengo
    import nengo_loihi

    with nengo.Network(seed=0) as network:
        nengo_loihi.set_defaults()
        wave = nengo.Node(lambda t: 0.8 * np.sin(8.0 * t))
        nengo_loihi.add_params(network)
        cells = nengo.Ensemble(1000, 1)
        network.config[cells].block_shape = nengo_loihi.BlockShape((100,), (1000,))
        weights = 1e-3 * np.random.default_rng(0).normal(size=(1000, 1000))
        nengo.Connection(wave, cells, synapse=None)
        nengo.Connection(cells.neurons, cells.neurons, transform=weights, synapse=0.005)
    return network


def sparse() -> Any:
    """10,000 neurons: one half has 20 weights each to neurons of the other, on 40 cores."""
    import nengo
    import nengo_loihi

    rng, n = np.random.default_rng(0), 5000
    with nengo.Network(seed=0) as network:
        nengo_loihi.set_defaults()
        nengo_loihi.add_params(network)
        wave = nengo.Node(lambda t: 0.8 * np.sin(8.0 * t))
        halves = [nengo.Ensemble(n, 1) for _ in range(2)]
        for half in halves:
            network.config[half].block_shape = nengo_loihi.BlockShape((250,), (n,))
        targets = np.stack([rng.choice(n, 20, replace=False) for _ in range(n)])
        indices = np.stack([targets.ravel(), np.repeat(np.arange(n), 20)], axis=1)
        weights = nengo.Sparse((n, n), indices=indices, init=0.01 * rng.normal(size=len(indices)))
        nengo.Connection(wave, halves[0], synapse=None)
        nengo.Connection(halves[0].neurons, halves[1].neurons, transform=weights, synapse=0.005)
    return network


NETWORKS = {"feed-forward 10k": feed_forward, "sparse 10k": sparse, "dense 1k": dense}


def built(network: Any, steps: int) -> tuple[Any, Spikes, tuple[float, float]]:
    """NengoLoihi's discretised model, the spikes that the host sends into it, and the seconds of
    its whole simulator."""
    import nengo_loihi

    with nengo_loihi.Simulator(network, target="sim", precompute=True, progress_bar=False) as sim:
        model = sim.model
        sent = {
            f"input{i}": np.zeros((steps, source.n_neurons), bool)
            for i, source in enumerate(model.inputs)
        }

        def noting(add: Callable[..., None], into: NDArray[np.bool_]) -> Callable[..., None]:
            def add_spikes(t: int, indices: Any, permanent: bool = False) -> None:
                if t <= steps:
                    into[t - 1, indices] = True
                add(t, indices, permanent)

            return add_spikes

        for source, into in zip(model.inputs, sent.values()):
            source.add_spikes = noting(source.add_spikes, into)
        whole = timed(lambda: sim.run_steps(steps))
        for source in model.inputs:
            del source.add_spikes
    return model, sent, whole


def peer(model: Any, spikes: Spikes) -> Any:
    """NengoLoihi's emulator of the chip, with those spikes waiting at its inputs."""
    from nengo_loihi.emulator import EmulatorInterface

    for source, rows in zip(model.inputs, spikes.values()):
        source.spikes.clear()
        source.permanent.clear()
        for t, row in enumerate(rows):
            source.add_spikes(t + 1, np.flatnonzero(row), permanent=True)
    model.probes.clear()
    return EmulatorInterface(model, seed=0)


def peer_spikes(model: Any, spikes: Spikes, steps: int) -> NDArray[np.bool_]:
    """(steps, compartments) of NengoLoihi."""
    emulator = peer(model, spikes)
    rows = []
    for _ in range(steps):
        emulator.step()
        rows.append(emulator.compartment.spiked.copy())
    return np.array(rows)


def delayed(spikes: Spikes, batch: int) -> Spikes:
    """(batch, steps, n): sequence ``b`` is rolled by ``7 b`` steps, and everything arrives one
    step later, as NengoLoihi has it."""
    out = {}
    for name, rows in spikes.items():
        rolled = np.stack([np.roll(rows, 7 * b, axis=0) for b in range(batch)])
        out[name] = np.zeros_like(rolled)
        out[name][:, 1:] = rolled[:, :-1]
    return out


def checked(model: Any, network: Network, spikes: Spikes, batch: int, steps: int) -> int:
    """Compare spikes of all compartments in all steps; how many there were in one sequence."""
    names = tuple(network.populations)
    ran = Emulator(network, batch).run(delayed(spikes, batch), spikes=names)
    ours = np.concatenate([ran.spikes[name] for name in names], axis=-1)
    alone = Emulator(network).run(delayed(spikes, 1), spikes=names)
    theirs = peer_spikes(model, spikes, steps)
    single = np.concatenate([alone.spikes[name] for name in names], axis=-1)
    last = {name: np.roll(rows, 7 * (batch - 1), axis=0) for name, rows in spikes.items()}
    same = (
        np.array_equal(single[0], theirs)
        and np.array_equal(ours[0], theirs)
        and np.array_equal(ours[-1], peer_spikes(model, last, steps))
    )
    if not same:
        raise SystemExit("the emulators spike differently")
    return int(theirs.sum())


def timed(call: Callable[[], Any]) -> tuple[float, float]:
    """Seconds of processor and wall."""
    cpu, wall = time.process_time(), time.perf_counter()
    call()
    return time.process_time() - cpu, time.perf_counter() - wall


def measure(name: str, steps: int, batch: int, rounds: int) -> dict[str, Any]:
    model, spikes, whole = built(NETWORKS[name](), steps)
    network = from_blocks(model)
    seen = checked(model, network, spikes, batch, steps)
    one, many = Emulator(network), Emulator(network, batch)
    alone, together = delayed(spikes, 1), delayed(spikes, batch)
    for emulator, inputs in ((one, alone), (many, together)):
        emulator.run({k: x[:, :5] for k, x in inputs.items()})
    spent: dict[str, list[tuple[float, float]]] = {
        "whole": [whole],
        "nengo-loihi": [],
        "one": [],
        "batch": [],
    }
    for _ in range(rounds):
        theirs = peer(model, spikes)
        spent["nengo-loihi"].append(timed(lambda theirs=theirs: theirs.run_steps(steps)))
        for kind, emulator, inputs in (("one", one, alone), ("batch", many, together)):
            emulator.reset()
            spent[kind].append(timed(lambda emulator=emulator, inputs=inputs: emulator.run(inputs)))
    updates = network.size * steps
    of = dict.fromkeys(spent, updates) | {"batch": updates * batch}
    cpu = {k: of[k] / float(np.median([s[0] for s in times])) for k, times in spent.items()}
    wall = {k: of[k] / float(np.median([s[1] for s in times])) for k, times in spent.items()}
    return {
        "network": name,
        "compartments": network.size,
        "blocks": len(network.populations),
        "synapses": sum(s.weights.size for s in network.synapses),
        "steps": steps,
        "batch": batch,
        "spikes_per_compartment_and_step": seen / updates,
        "updates_per_cpu_second": cpu,
        "updates_per_wall_second": wall,
        "times_one": cpu["one"] / cpu["nengo-loihi"],
        "times_batch": cpu["batch"] / cpu["nengo-loihi"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("networks", nargs="*", choices=[*NETWORKS, []], default=[])
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    # NengoLoihi fills integer arrays with NaN before it writes the values
    warnings.filterwarnings("ignore", "invalid value encountered in cast", RuntimeWarning)
    warnings.filterwarnings("ignore", "Lost .* extra bits in weight rounding", UserWarning)
    rows = [
        measure(name, options.steps, options.batch, options.rounds)
        for name in options.networks or NETWORKS
    ]
    if options.json:
        print(json.dumps(rows))
        return
    print(
        "| network | compartments | cores | synapses | spikes per compartment and step "
        "| NengoLoihi's simulator | NengoLoihi's emulator | edgemem, one sequence "
        "| edgemem, batch | one, times the emulator | batch, times the emulator |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for row in rows:
        cpu, wall = row["updates_per_cpu_second"], row["updates_per_wall_second"]
        speeds = " | ".join(f"{cpu[k]:.2e} ({wall[k]:.2e})" for k in cpu)
        print(
            f"| {row['network']} | {row['compartments']} | {row['blocks']} | {row['synapses']} "
            f"| {row['spikes_per_compartment_and_step']:.3f} | {speeds} "
            f"| {row['times_one']:.1f} | {row['times_batch']:.1f} |"
        )
    print(
        "\ncompartment updates per second of processor (of wall); batch of "
        f"{options.batch}; {RATES}; NengoLoihi's simulator: host included, precompute=True"
    )


if __name__ == "__main__":
    main()
