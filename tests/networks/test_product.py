"""The product as a Process of its own."""

from __future__ import annotations

import nengo
import numpy as np

from edgemem.networks.product import Product


def test_a_product_alone_runs_as_a_process():
    x = np.array([[1.0, 2.0, 3.0, 4.0], [0.5, -1.0, 2.0, 0.0]])
    assert np.array_equal(Product(2).apply(x, d=2), [[3, 8], [1, 0]])


def test_a_product_in_a_network_is_exact_and_within_the_step():
    with nengo.Network() as model:
        source = nengo.Node(lambda t: [t, 3.0])
        node = nengo.Node(Product(1))
        nengo.Connection(source, node, synapse=None)
        probe = nengo.Probe(node)
    with nengo.Simulator(model, progress_bar=False) as simulator:
        simulator.run_steps(4)
        np.testing.assert_allclose(simulator.data[probe][:, 0], 3 * simulator.trange())
