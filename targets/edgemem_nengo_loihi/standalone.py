"""A converted network as a Nengo model for ``nengo_loihi.Simulator``.

This file is edgemem's own code, and also travels as ``__main__.py`` in every file that the target
writes: it needs nengo, nengo_loihi and numpy, and nothing of edgemem.

    python FILE                  the golden inputs, and how far from the recorded outputs
    python FILE inputs.npy       inputs of shape (frames, n_in) or (clips, frames, n_in)

To use it in a program of your own::

    import io, runpy, zipfile, numpy
    code = runpy.run_path("FILE", run_name="network")
    arrays = numpy.load(io.BytesIO(zipfile.ZipFile("FILE").read("network.npz")))
    network, held, probes = code["model"](arrays)     # a nengo.Network
"""

from __future__ import annotations

import io
import sys
import warnings
import weakref
import zipfile
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

PLACE = "in a virtual environment of its own with Python 3.9 to 3.12"
"""Where NengoLoihi 1.1.0 runs: NumPy 1, which it needs, ends at Python 3.12."""
REMEDY = f"{PLACE}: pip install 'numpy<2' 'scipy<1.16' nengo==3.2.0 nengo-loihi==1.1.0 setuptools"

try:
    import numpy as np
    from numpy.typing import NDArray
except ModuleNotFoundError:
    raise SystemExit(f"{sys.argv[0]} needs NumPy, Nengo and NengoLoihi; {REMEDY}") from None

Arrays = Mapping[str, NDArray[Any]]

NETWORK = "network.npz"
GOLDEN = "golden.npz"


def obstacle() -> str:
    """What NengoLoihi needs and does not find here; empty where it runs."""
    if find_spec("nengo_loihi") is None:
        return "needs the package nengo-loihi, which is not installed"
    if int(np.__version__.partition(".")[0]) >= 2:
        return f"needs NumPy below 2, where NengoLoihi ends, and this is {np.__version__}"
    try:
        import_module("nengo_loihi")
    except Exception as error:  # noqa: BLE001 - whatever packages that do not fit may raise
        return f"needs NengoLoihi, which does not import here ({error})"
    return ""


def model(arrays: Arrays) -> tuple[Any, dict[str, Any], list[Any]]:
    """The ``nengo.Network`` of some arrays.

    The input goes to a relay of neurons on the chip: whatever is decoded by the host is encoded
    by one pair of neurons for each value, which cannot drive a recurrent network well. From there,
    and back from the states to themselves, spikes go from neuron to neuron through full weights
    ``E T D``: decoders ``D`` of the sources, the transform ``T``, encoders ``E`` of the targets
    (Eliasmith & Anderson 2003). No decode neurons stand between.

    Parameters
    ----------
    arrays : mapping of str to array
        The contents of ``network.npz``.

    Returns
    -------
    network : nengo.Network
    held : dict
        ``held["x"]``, (n_in,), is what the input node gives, in its radii.
    probes : list of nengo.Probe
        Spikes of each group, relays first.
    """
    import nengo
    import nengo_loihi

    tau = float(arrays["tau"])
    held = {"x": np.zeros(len(arrays["radius"]))}
    with nengo.Network(label="edgemem", seed=0) as network:
        nengo_loihi.set_defaults()
        node = nengo.Node(lambda t: held["x"], label="input")
        populations = {name: _population(nengo, arrays, name) for name in groups(arrays)}
        start = 0
        for name in relays(arrays):
            # filtered once, by the states' own synapses
            stop = start + populations[name].dimensions
            nengo.Connection(node[start:stop], populations[name], synapse=None)
            start = stop
        for target in states(arrays):
            for source in populations:
                transform = arrays[f"transform/{source}/{target}"]
                if np.any(transform):
                    nengo.Connection(
                        populations[source].neurons,
                        populations[target].neurons,
                        transform=full_weights(arrays, source, target),
                        synapse=tau,
                    )
        probes = [nengo.Probe(p.neurons) for p in populations.values()]
    return network, held, probes


def relays(arrays: Arrays) -> list[str]:
    """Names of the groups of neurons that stand for inputs."""
    return [f"relay{k}" for k in range(int(arrays["relays"]))]


def states(arrays: Arrays) -> list[str]:
    """Names of the groups of neurons that stand for states."""
    return [f"states{k}" for k in range(int(arrays["groups"]))]


def groups(arrays: Arrays) -> list[str]:
    """Names of all groups, relays first."""
    return [*relays(arrays), *states(arrays)]


def full_weights(arrays: Arrays, source: str, target: str) -> NDArray[Any]:
    """``E T D``, (neurons of the target, neurons of the source); Nengo multiplies by the gains."""
    transform = arrays[f"transform/{source}/{target}"]
    matrix: NDArray[Any] = arrays[f"{target}/encoders"] @ transform
    return matrix @ arrays[f"{source}/decoders"]


def _population(nengo: Any, arrays: Arrays, name: str) -> Any:
    encoders = arrays[f"{name}/encoders"]
    return nengo.Ensemble(
        n_neurons=len(encoders),
        dimensions=encoders.shape[1],
        encoders=encoders,
        gain=arrays[f"{name}/gain"],
        bias=arrays[f"{name}/bias"],
        neuron_type=nengo.LIF(),
        label=name,
    )


class Simulation:
    """A network in ``nengo_loihi.Simulator``, frame by frame.

    Parameters
    ----------
    arrays : mapping of str to array
        The contents of ``network.npz``.

    Attributes
    ----------
    clipped : int
        Input values so far that were beyond the radius of the input and held at it.
    """

    def __init__(self, arrays: Arrays) -> None:
        import nengo_loihi

        self._arrays = arrays
        self._network, self._held, self._probes = model(arrays)
        with warnings.catch_warnings():
            # weights of the smallest rows are rounded to fewer bits, which the measured error has
            warnings.filterwarnings("ignore", message="Lost .* extra bits")
            # NengoLoihi fills arrays of integers with NaN before it fills them with values
            warnings.filterwarnings("ignore", message="invalid value encountered in cast")
            self._simulator = nengo_loihi.Simulator(
                self._network, dt=float(arrays["dt"]), target="sim", progress_bar=False
            )
        # NengoLoihi warns of simulators that go without being closed
        self._end = weakref.finalize(self, self._simulator.close)
        self.clipped = 0

    def spikes(self, x: NDArray[Any]) -> list[NDArray[Any]]:
        """Spikes of each group, (steps, neurons), in one more frame with the input ``x``, (n_in,).

        They have the height 1/dt, so that their mean is a rate.
        """
        scaled = np.asarray(x, np.float64) / self._arrays["radius"]
        self.clipped += int(np.count_nonzero(np.abs(scaled) > 1.0))
        self._held["x"] = np.clip(scaled, -1.0, 1.0)
        self._simulator.run_steps(int(self._arrays["steps"]))
        spikes = [np.asarray(self._simulator.data[probe]) for probe in self._probes]
        self._simulator.clear_probes()
        return spikes

    def frame(self, x: NDArray[Any]) -> NDArray[Any]:
        """The output, (n_out,), after one more frame with the input ``x``, (n_in,)."""
        arrays = self._arrays
        values = [
            arrays[f"{name}/decoders"] @ spikes.mean(axis=0)
            for name, spikes in zip(groups(arrays), self.spikes(x))
        ]
        # y = W [x, states] + b, the states' mean over the frame taken to its end
        y: NDArray[Any] = arrays["output/weights"] @ np.concatenate(values)
        return y + arrays["output/bias"]

    @property
    def compartments(self) -> int:
        """Compartments of the chip that the network occupies."""
        return int(sum(b.compartment.n_compartments for b in self._simulator.model.blocks))

    def close(self) -> None:
        """Give the simulator's memory back."""
        self._end()


def outputs(arrays: Arrays, clips: NDArray[Any]) -> tuple[NDArray[Any], int]:
    """Outputs, (clips, frames, n_out), each clip from the zero state, and clipped input values."""
    results, clipped = [], 0
    for clip in clips:
        simulation = Simulation(arrays)
        results.append(np.stack([simulation.frame(x) for x in clip]))
        clipped += simulation.clipped
        simulation.close()
    return np.stack(results), clipped


def _part(name: str) -> dict[str, NDArray[Any]]:
    with zipfile.ZipFile(sys.path[0]) as archive:
        data = io.BytesIO(archive.read(name))
    with np.load(data, allow_pickle=False) as file:
        return {key: file[key] for key in file.files}


def main(arguments: Sequence[str]) -> None:
    """Run what the command line names; see the top of this file."""
    missing = obstacle()
    if missing:
        raise SystemExit(f"{sys.argv[0]} {missing}; {REMEDY}")
    arrays, golden = _part(NETWORK), _part(GOLDEN)
    clips = np.load(arguments[0], allow_pickle=False) if arguments else golden["x"]
    clips = clips[None] if clips.ndim == 2 else clips
    n_in, n_out = len(arrays["radius"]), len(arrays["output/bias"])
    neurons = [len(arrays[f"{n}/gain"]) for n in groups(arrays)]
    print(
        f"edgemem network for NengoLoihi: {n_in} inputs, {n_out} outputs, {sum(neurons)} neurons, "
        f"{int(arrays['steps'])} steps of {float(arrays['dt']):g} s for each frame; "
        f"how to import it: head of __main__.py in this file"
    )
    y, clipped = outputs(arrays, clips)
    if clipped:
        print(f"warning: {clipped} of {clips.size} input values beyond the radius were clipped")
    if arguments:
        np.set_printoptions(threshold=sys.maxsize, precision=5, suppress=True)
        print(y)
    else:
        off = np.sqrt(np.mean((y - golden["y"]) ** 2) / max(np.mean(golden["y"] ** 2), 1e-30))
        print(f"golden inputs: RMS difference from the recorded outputs {off:.3g} of their RMS")


if __name__ == "__main__":
    main(sys.argv[1:])
