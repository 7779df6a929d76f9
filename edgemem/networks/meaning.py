"""The meaning of the ops in Nengo: sums of connections, neurons, products."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import Any, Union

import nengo
import numpy as np

from edgemem.errors import UnsupportedOpError
from edgemem.networks.product import Product
from edgemem.ops import Array

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Param:
    """An array of the graph, before anything has connected through it."""

    name: str
    array: Array
    trained: bool

    @property
    def shape(self) -> Shape:
        return tuple(self.array.shape)


@dataclass(frozen=True)
class Term:
    """One connection to be: ``weight @ source[index]``.

    Parameters
    ----------
    source : nengo.Node or nengo.ensemble.Neurons or None
        Where it comes from; None stands for a constant 1.
    index : tuple of int, optional
        The elements of the source that it reads; all of them without it.
    weight : array, optional
        Scalar, diagonal (n,) or matrix (n, m); the identity without it.
    param : str, optional
        The trained array that the weight is.
    """

    source: Any
    index: tuple[int, ...] | None = None
    weight: Array | None = None
    param: str | None = None


@dataclass(frozen=True)
class Value:
    """A sum of terms that no object holds yet; its elements lie in C order of ``shape``."""

    shape: Shape
    terms: tuple[Term, ...]

    @property
    def size(self) -> int:
        return prod(self.shape)

    @property
    def held(self) -> bool:
        """Whether it is the output of one object, unweighted."""
        return (
            len(self.terms) == 1
            and self.terms[0].weight is None
            and self.terms[0].source is not None
        )


Operand = Union[Param, Value]


class NengoOps:
    """Nengo objects, made in whatever ``with network:`` block encloses the call.

    Linear ops only gather terms. Neurons, products, and :meth:`hold` make objects and connect the
    terms to them, all within one simulator step (``synapse=None``). A value with terms must be
    held before it is read twice, or its weights would exist twice.

    Parameters
    ----------
    root : nengo.Network
        The network that gets the connections, and in whose configuration fixed weights are
        marked as not trainable.

    Attributes
    ----------
    trained : dict
        The Connection (its transform) or Ensemble (its bias) that carries each trained array.
    """

    def __init__(self, root: nengo.Network) -> None:
        self.trained: dict[str, Any] = {}
        self._root = root
        self._one: Any = None
        _declare_trainable(root)

    def matvec(self, weight: Operand, x: Operand) -> Value:
        if not isinstance(weight, Param):
            raise UnsupportedOpError("nengo: the matrix of a matvec must be an array of the graph")
        term, shape = self._plain(x)
        rows = prod(shape[:-1])
        if rows > 1:
            self._refuse_shared(weight)
        # the same matrix for every row: a block-diagonal one for all of them
        matrix = np.asarray(np.kron(np.eye(rows), weight.array), np.float64)
        name = weight.name if weight.trained else None
        return Value(shape[:-1] + weight.shape[:1], (replace(term, weight=matrix, param=name),))

    def add(self, a: Operand, b: Operand) -> Value:
        shape = max(a.shape, b.shape, key=len)
        left, right = (self._value(self._spread(v, shape)) for v in (a, b))
        return Value(shape, left.terms + right.terms)

    def sub(self, a: Operand, b: Operand) -> Value:
        return self.add(a, self.scale(b, -1.0))

    def scale(self, a: Operand, factor: float) -> Value:
        a = self._value(a)
        if any(term.param for term in a.terms):
            a = self.hold(a, "sum")  # a trained weight is itself, not a multiple of itself
        return Value(a.shape, tuple(_scaled(term, factor) for term in a.terms))

    def mul(self, a: Operand, b: Operand) -> Value:
        shape = max(a.shape, b.shape, key=len)
        a, b = self._spread(a, shape), self._spread(b, shape)
        if isinstance(a, Param):
            a, b = b, a
        a = self._value(a)
        if isinstance(b, Param):
            term, _ = self._plain(a)
            name = b.name if b.trained else None
            return Value(shape, (replace(term, weight=b.array.ravel(), param=name),))
        node = nengo.Node(Product(a.size), size_in=2 * a.size, size_out=a.size, label="product")
        self.connect(a, node[: a.size])
        self.connect(b, node[a.size :])
        return Value(shape, (Term(node),))

    def sigmoid(self, a: Operand) -> Value:
        return self._neurons(nengo.Sigmoid(tau_ref=1), a, "sigmoid")

    def tanh(self, a: Operand) -> Value:
        return self._neurons(nengo.Tanh(tau_ref=1), a, "tanh")

    def relu(self, a: Operand) -> Value:
        return self._neurons(nengo.RectifiedLinear(), a, "relu")

    def split(self, a: Operand, rows: int) -> Value:
        shape = a.shape
        return replace(self._value(a), shape=(*shape[:-1], rows, shape[-1] // rows))

    def merge(self, a: Operand) -> Value:
        shape = a.shape
        return replace(self._value(a), shape=(*shape[:-2], shape[-2] * shape[-1]))

    def slice(self, a: Operand, start: int, stop: int) -> Value:
        places = np.arange(prod(a.shape)).reshape(a.shape)[..., start:stop]
        return self._pick(a, places)

    def label(self, a: Operand, name: str) -> Value:
        """``a``, held by an object that carries the name."""
        held = self.hold(a, name)
        source = held.terms[0].source
        getattr(source, "ensemble", source).label = name
        return held

    def hold(self, a: Operand, label: str) -> Value:
        """``a`` as the output of one object: its own, or a new Node with that label."""
        a = self._value(a)
        if a.held:
            return a
        node = nengo.Node(size_in=a.size, label=label)
        self.connect(a, node)
        return Value(a.shape, (Term(node),))

    def connect(self, a: Operand, post: Any, synapse: float | None = None) -> None:
        """One connection for each term of ``a``.

        ``synapse=0`` delays by one step, ``synapse=None`` by none.
        """
        for term in self._value(a).terms:
            options = {} if term.weight is None else {"transform": term.weight}
            source = self._constant() if term.source is None else term.source
            with self._root:  # Nengo builds a network's connections before its siblings
                connection = nengo.Connection(
                    _view(source, term.index), post, synapse=synapse, label=term.param, **options
                )
            if term.param is not None:
                self._own(term.param, connection)
            elif term.weight is not None:
                self._root.config[connection].trainable = False

    def _neurons(self, neuron_type: Any, a: Operand, label: str) -> Value:
        a = self._value(a)
        bias = next((t for t in a.terms if t.source is None and t.param is not None), None)
        ensemble = nengo.Ensemble(
            a.size,
            1,
            neuron_type=neuron_type,
            gain=np.ones(a.size),
            bias=np.zeros(a.size) if bias is None or bias.weight is None else bias.weight.ravel(),
            encoders=np.ones((a.size, 1)),
            eval_points=np.zeros((1, 1)),
            label=label,
        )
        if bias is None or bias.param is None:
            self._root.config[ensemble.neurons].trainable = False
        else:
            self._own(bias.param, ensemble)
        self.connect(Value(a.shape, tuple(t for t in a.terms if t is not bias)), ensemble.neurons)
        return Value(a.shape, (Term(ensemble.neurons),))

    def _value(self, a: Operand) -> Value:
        if isinstance(a, Value):
            return a
        weight = a.array.reshape(-1, 1)
        return Value(a.shape, (Term(None, None, weight, a.name if a.trained else None),))

    def _plain(self, a: Operand) -> tuple[Term, Shape]:
        held = self.hold(a, "sum")
        return held.terms[0], held.shape

    def _pick(self, a: Operand, places: Any) -> Value:
        term, _ = self._plain(a)
        flat = places.ravel()
        index = flat if term.index is None else np.asarray(term.index)[flat]
        return Value(places.shape, (replace(term, index=tuple(int(i) for i in index)),))

    def _spread(self, a: Operand, shape: Shape) -> Operand:
        if a.shape == shape:
            return a
        if isinstance(a, Param):
            self._refuse_shared(a)
            return replace(a, array=np.broadcast_to(a.array, shape))
        return self._pick(a, np.broadcast_to(np.arange(a.size).reshape(a.shape), shape))

    def _constant(self) -> Any:
        # a neuron, because NengoDL would ask for data for a Node without input
        if self._one is None:
            with self._root:
                one = nengo.Ensemble(
                    1,
                    1,
                    neuron_type=nengo.RectifiedLinear(),
                    gain=[1],
                    bias=[1],
                    encoders=[[1]],
                    eval_points=np.zeros((1, 1)),
                    label="one",
                )
            self._root.config[one.neurons].trainable = False
            self._one = one.neurons
        return self._one

    def _own(self, name: str, carrier: Any) -> None:
        if name in self.trained:
            raise UnsupportedOpError(
                f"nengo: two nodes read the trained array {name!r}, and Nengo connections cannot "
                "share weights; give each node an array of its own"
            )
        self.trained[name] = carrier

    @staticmethod
    def _refuse_shared(param: Param) -> None:
        if param.trained:
            raise UnsupportedOpError(
                f"nengo: the trained array {param.name!r} meets several rows at once, and Nengo "
                "connections cannot share weights; merge the rows first"
            )


def _scaled(term: Term, factor: float) -> Term:
    weight = np.array(factor) if term.weight is None else factor * term.weight
    return replace(term, weight=weight)


def _view(source: Any, index: tuple[int, ...] | None) -> Any:
    if index is None:
        return source
    start, stop = index[0], index[-1] + 1
    if index == tuple(range(start, stop)):
        return source[start:stop]
    return source[list(index)]


def _declare_trainable(network: nengo.Network) -> None:
    """The setting that ``nengo_dl.configure_settings(trainable=None)`` adds to ``network``."""
    for kind in (nengo.Connection, nengo.ensemble.Neurons):
        network.config.configures(kind)
        network.config[kind].set_param(
            "trainable", nengo.params.BoolParam("trainable", None, optional=True)
        )
