"""A program's products to synapses and its other operations to units."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from edgemem.quantize.program import Program

from .channels import channels, origins, read_by
from .elements import PRODUCTS, elements
from .levels import active_updates, levels
from .machine import LIMIT
from .network import GradedNetwork
from .populations import populations
from .projections import arrivals, projections
from .proofs import check_exponents, check_reach, reach

Accumulators = Literal["split", "single"]


def mapped(
    program: Program, labels: Collection[str] = (), accumulators: Accumulators = "split"
) -> GradedNetwork:
    """``program`` on units and synapses.

    Parameters
    ----------
    program : Program
    labels : collection of str
        Tensors that are labelled terms of the equations; populations are called after them.
    accumulators : {"split", "single"}
        What becomes of a product whose sum could leave 24 bits for some input of its format: its
        messages travel in two parts that are added up apart, or they do not, unproved.

    Raises
    ------
    ToleranceError
        If a sum could leave 24 bits in two parts as well, or a row's factor needs an exponent that
        units do not have.
    """
    products = [op for op in program.operations if op.kind in PRODUCTS]
    for op in products:
        check_exponents(program, op)
    where, sent = elements(program), origins(program)
    read = {op.output: read_by(op, program, sent) for op in products}
    halved: set[str] = set()
    if accumulators == "split":
        far = [op.output for op in products if reach(program, op) >= LIMIT]
        halved.update(*(read[name].keys() for name in far))
    parts = {
        name: 2 if halved & channels_read.keys() else 1 for name, channels_read in read.items()
    }
    reaches = {op.output: reach(program, op, parts[op.output]) for op in products}
    if accumulators == "split":
        for op in products:
            check_reach(op, reaches[op.output])
    laid = (*projections(program, where, parts, reaches), *arrivals(program, where))
    there = levels(program, sent, where)
    return GradedNetwork(
        program=program,
        populations=populations(program, where, sent, laid, labels),
        channels=channels(program, where, read, halved, laid),
        origins=sent,
        projections=laid,
        levels=there,
        active_updates=active_updates(program, there, where),
    )
