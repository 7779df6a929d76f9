"""Networks in the forms whose training is compared, and the products that each needs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np

FUSED, STEPPED, KERAS = "fused, NengoDL", "stepped, NengoDL", "Keras"
KERAS_LMU, KERAS_LMU_FFT = "keras-lmu", "keras-lmu, FFT"
PARALLEL = "parallel LMU"


@dataclass(frozen=True)
class Case:
    """Sizes of what is trained.

    Parameters
    ----------
    n_steps, n_in : int
        Of a sequence.
    n_units, order, n_out : int
        Of the network; ``theta`` is ``n_steps``.
    batch : int
    cells : tuple of str
        Names as in :func:`cells_of`.
    without : tuple of str
        Forms that are not compared.
    most : int
        Batches in a round, at most.
    """

    n_steps: int
    n_in: int
    n_units: int
    order: int
    n_out: int
    batch: int
    cells: tuple[str, ...]
    without: tuple[str, ...] = ()
    most: int = 100

    @property
    def theta(self) -> float:
        return float(self.n_steps)

    def sequences(self, batches: int) -> tuple[Any, Any]:
        """Inputs (n, n_steps, n_in) and labels (n,) of a number of batches."""
        rng = np.random.default_rng(0)
        shape = (batches * self.batch, self.n_steps, self.n_in)
        x = rng.standard_normal(shape, np.float32)
        return x, rng.integers(0, self.n_out, len(x))

    def forms(self) -> tuple[tuple[str, str], ...]:
        """Cells and the forms that each is compared in."""
        return tuple(
            (cell, form)
            for cell in self.cells
            for form in (FUSED, *OTHERS[cell], STEPPED)
            if form not in self.without
        )


OTHERS: dict[str, tuple[str, ...]] = {
    "LEM": (),
    "LMU of the paper": (KERAS_LMU,),
    PARALLEL: (KERAS_LMU, KERAS_LMU_FFT),
    "LSTM": (KERAS,),
    "GRU": (KERAS,),
}
"""What other packages have of each cell."""

Watch = Callable[[int, Any], None]
"""Is called after each batch, with its number and what Keras tells of it."""
Fit = Callable[[int, Watch], None]
"""Trains on a number of batches."""


def cells_of(case: Case) -> dict[str, Any]:
    """Our cells by name."""
    from edgemem.cells import GRU, LEM, LMU, LSTM

    n_in, n = case.n_in, case.n_units
    return {
        "LEM": LEM(n_in, n),
        "LMU of the paper": LMU.paper(n_in, n, case.order, case.theta),
        PARALLEL: LMU(n_in, n, case.order, case.theta, input_to_hidden=True),
        "LSTM": LSTM(n_in, n),
        "GRU": GRU(n_in, n),
    }


def made(case: Case, cell: str, form: str, x: Any, y: Any, opened: ExitStack) -> Fit:
    """A network in one form, ready to train."""
    import keras

    if form == FUSED:
        return _fused(case, _stack(case, cell), x, y, opened)
    if form == STEPPED:
        return _stepped(case, _stack(case, cell), x, y, opened)
    layers: Mapping[str, Any] = {"LSTM": keras.layers.LSTM, "GRU": keras.layers.GRU}
    layer = layers[cell](case.n_units) if form == KERAS else _keras_lmu(case, cell, form)
    return _keras(case, layer, x, y)


def flop(case: Case, cell: str) -> float:
    """Floating-point operations that a training sequence takes in products, at least.

    Forward, the adjoint of what is multiplied unless it is data, and the gradient of the matrix
    unless it is fixed, over the steps that the output of the last one needs.
    """
    from edgemem.ir import trace
    from edgemem.ir.graph import INPUT
    from edgemem.ir.passes.last_step import needed_at_every_step
    from edgemem.ir.passes.partition import linear_memory, loops, written

    stack = _stack(case, cell)
    graph = trace(stack, {name: np.zeros(shape) for name, shape in stack.params.items()})
    needed = needed_at_every_step(graph)
    products, skipped = 0.0, set()
    for loop in loops(graph):
        memory = linear_memory(graph, loop)
        if memory is not None and memory.state not in needed:
            skipped |= {memory.drive, *(node.name for node in loop.nodes)}
            write, _ = written(graph, memory)
            channels = math.prod(graph.states[memory.state][:-1])
            products += 2.0 * case.n_steps * write.size * channels
    for node in graph.nodes:
        if node.op != "matvec" or node.name in skipped:
            continue
        weight, source = node.inputs
        rows = math.prod(node.shape[:-1]) * (case.n_steps if node.name in needed else 1)
        passes = 1 + (source != INPUT) + (weight not in graph.constants)
        products += float(passes * rows * graph.params[weight].size)
    return 2.0 * products


def _stack(case: Case, cell: str) -> Any:
    from edgemem.cells import Dense, Stack

    return Stack((cells_of(case)[cell], Dense(case.n_units, case.n_out)))


def _loss(case: Case) -> Any:
    """Cross-entropy of the last logits of a sequence, however the steps are laid out."""
    from edgemem.frameworks import tf

    def loss(target: Any, output: Any) -> Any:
        logits = tf.reshape(output, [case.batch, -1, case.n_out])[:, -1]
        return tf.keras.losses.sparse_categorical_crossentropy(
            tf.reshape(target, [-1]), logits, from_logits=True
        )

    return loss


def _fused(case: Case, stack: Any, x: Any, y: Any, opened: ExitStack) -> Fit:
    from edgemem.train.fused_task import FusedTask, Reading
    from edgemem.train.network import fused_network

    start = stack.init(np.random.default_rng(0))
    layer = FusedTask(stack, start, case.n_steps, case.batch, Reading(last=True))
    network = fused_network(layer)
    return _nengo_fit(case, network.network, network, x.reshape(len(x), 1, -1), y, opened)


def _stepped(case: Case, stack: Any, x: Any, y: Any, opened: ExitStack) -> Fit:
    from edgemem import networks

    network = networks.build(stack, seed=0)
    return _nengo_fit(case, network, network, x, y, opened)


def _nengo_fit(case: Case, model: Any, ends: Any, x: Any, y: Any, opened: ExitStack) -> Fit:
    from edgemem.frameworks import nengo_dl, tf

    simulator = opened.enter_context(
        nengo_dl.Simulator(model, minibatch_size=case.batch, progress_bar=False)
    )
    simulator.compile(tf.keras.optimizers.Adam(1e-3), loss={ends.probe: _loss(case)})
    target = y.reshape(-1, 1, 1)

    def fit(batches: int, watch: Watch) -> None:
        n = batches * case.batch
        callbacks = [tf.keras.callbacks.LambdaCallback(on_batch_end=watch)]
        simulator.fit({ends.input: x[:n]}, {ends.probe: target[:n]}, verbose=0, callbacks=callbacks)

    return fit


def _keras(case: Case, layer: Any, x: Any, y: Any) -> Fit:
    import keras

    model = keras.Sequential(
        [keras.Input((case.n_steps, case.n_in)), layer, keras.layers.Dense(case.n_out)]
    )
    model.compile(
        keras.optimizers.Adam(1e-3),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )

    def fit(batches: int, watch: Watch) -> None:
        n = batches * case.batch
        callbacks = [keras.callbacks.LambdaCallback(on_train_batch_end=watch)]
        model.fit(x[:n], y[:n], batch_size=case.batch, verbose=0, callbacks=callbacks)

    return fit


def _keras_lmu(case: Case, cell: str, form: str) -> Any:
    """The LMU as keras-lmu has it: its recurrent layer, or its own form without feedback."""
    import keras
    import keras_lmu

    sizes: dict[str, Any] = {
        "memory_d": 1,
        "order": case.order,
        "theta": case.theta,
        "input_to_hidden": True,
    }
    if cell != PARALLEL:
        hidden = keras.layers.SimpleRNNCell(case.n_units)
        return keras_lmu.LMU(
            **sizes, hidden_cell=hidden, hidden_to_memory=True, memory_to_memory=True
        )
    hidden = keras.layers.Dense(case.n_units, activation="tanh")
    if form == KERAS_LMU_FFT:
        return keras_lmu.LMU(**sizes, hidden_cell=hidden)
    return keras.layers.RNN(keras_lmu.LMUCell(**sizes, hidden_cell=hidden))
