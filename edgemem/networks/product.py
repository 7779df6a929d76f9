"""The element-by-element product of two signals, which stock Nengo objects only approximate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import nengo
from nengo.builder import Builder
from nengo.builder.operator import ElementwiseInc, Reset

from edgemem.ops import Array


class Product(nengo.Process):  # type: ignore[misc]
    """``y = a * b``; the input of its Node is ``a`` followed by ``b``.

    It is built from operators that every Nengo backend knows, so that it is exact in core Nengo,
    differentiable in NengoDL, and needs no registration with either.

    Parameters
    ----------
    size : int
        Size of each factor and of the product.
    """

    def __init__(self, size: int) -> None:
        super().__init__(default_size_in=2 * size, default_size_out=size)

    def make_step(
        self, shape_in: Any, shape_out: Any, dt: float, rng: Any, state: Any
    ) -> Callable[[float, Array], Array]:
        size = shape_out[0]
        return lambda t, x: x[:size] * x[size:]


@Builder.register(Product)  # type: ignore[untyped-decorator]
def build_product(
    model: Any, process: Product, sig_in: Any, sig_out: Any, mode: str = "set"
) -> Any:
    """Build a :class:`Product` into a Nengo model; returns the signal of the product."""
    size = sig_out.size
    if mode == "set":
        model.add_op(Reset(sig_out))
    model.add_op(ElementwiseInc(sig_in[:size], sig_in[size:], sig_out, tag=str(process)))
    return sig_out
