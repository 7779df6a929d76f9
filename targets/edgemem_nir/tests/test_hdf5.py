"""Files of the package nir read here, and files from here read by it."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
import pytest

import edgemem_nir
from edgemem.errors import ArtefactError, ConfigError, MissingExtraError
from edgemem_nir.hdf5 import parse
from edgemem_nir.network import FIELDS, Network, Node
from edgemem_nir.writing import to_bytes

ONES = np.ones(2)

EVERY = {
    "Affine": nir.Affine(np.arange(4.0).reshape(2, 2), ONES),
    "Linear": nir.Linear(np.eye(2, dtype=np.float32)),
    "Scale": nir.Scale(2 * ONES),
    "Flatten": nir.Flatten({"input": np.array([1, 2])}, 0, -1),
    "Threshold": nir.Threshold(ONES),
    "Delay": nir.Delay(ONES),
    "I": nir.I(ONES),
    "LI": nir.LI(ONES, 2 * ONES, 0 * ONES),
    "IF": nir.IF(ONES, 2 * ONES, 0.5 * ONES),
    "LIF": nir.LIF(ONES, 2 * ONES, 3 * ONES, 4 * ONES),
    "CubaLI": nir.CubaLI(ONES, 2 * ONES, 3 * ONES, 4 * ONES, 5 * ONES),
    "CubaLIF": nir.CubaLIF(ONES, 2 * ONES, 3 * ONES, 4 * ONES, 5 * ONES, 6 * ONES, 7 * ONES),
}


def written(graph: nir.NIRGraph) -> bytes:
    buffer = io.BytesIO()
    nir.write(buffer, graph)
    return buffer.getvalue()


def chain(node: nir.NIRNode, **metadata: Any) -> nir.NIRGraph:
    n_in, n_out = node.input_type["input"], node.output_type["output"]
    nodes = {"x": nir.Input({"input": n_in}), "node": node, "y": nir.Output({"output": n_out})}
    return nir.NIRGraph(nodes, [("x", "node"), ("node", "y")], metadata=metadata)


def test_every_kind_has_its_test() -> None:
    assert {*EVERY, "Input", "Output"} == set(FIELDS)


@pytest.mark.parametrize("kind", EVERY)
def test_reads_what_the_package_writes(kind: str) -> None:
    node = EVERY[kind]
    network = parse(written(chain(node, dt=0.01, note="hello")), "here")
    assert network.nodes["node"].kind == kind
    for key, array in network.nodes["node"].values.items():
        np.testing.assert_array_equal(array, getattr(node, key))
    assert set(network.edges) == {("x", "node"), ("node", "y")}
    assert network.metadata == {"dt": 0.01, "note": "hello"}


@pytest.mark.parametrize("kind", sorted({*EVERY} - {"Flatten"}))  # nothing here writes that one
def test_the_package_reads_what_is_written_here(kind: str, tmp_path: Path) -> None:
    first = parse(written(chain(EVERY[kind])), "here")
    (tmp_path / "net.nir").write_bytes(to_bytes(first))
    again = nir.read(tmp_path / "net.nir")
    assert type(again.nodes["node"]).__name__ == kind
    for key, array in first.nodes["node"].values.items():
        np.testing.assert_array_equal(getattr(again.nodes["node"], key), array)
    assert sorted(again.edges) == sorted(first.edges)


def test_what_stands_behind_the_file_is_left_alone(tmp_path: Path) -> None:
    data = written(chain(EVERY["I"])) + b"PK\x03\x04 and more" * 100
    (tmp_path / "net.nir").write_bytes(data)
    assert sorted(nir.read(tmp_path / "net.nir").nodes) == ["node", "x", "y"]
    assert sorted(edgemem_nir.read(tmp_path / "net.nir").nodes) == ["node", "x", "y"]


def test_graphs_in_graphs_are_laid_out() -> None:
    inner = chain(EVERY["LIF"])
    ends = {"x": nir.Input({"input": np.array([2])}), "y": nir.Output({"output": np.array([2])})}
    outer = nir.NIRGraph({**ends, "net": inner}, [("x", "net"), ("net", "y")], type_check=False)
    network = parse(written(outer), "here")
    assert sorted(network.edges) == [
        ("net.node", "net.y"),
        ("net.x", "net.node"),
        ("net.y", "y"),
        ("x", "net.x"),
    ]
    assert (network.inputs, network.outputs) == (("x",), ("y",))


def altered(change: Callable[[h5py.Group], None], kind: str = "LIF") -> bytes:
    """A file in whose group of nodes something was changed."""
    buffer = io.BytesIO(written(chain(EVERY[kind])))
    with h5py.File(buffer, "r+") as file:
        change(file["node"])
    return buffer.getvalue()


def replaced(group: h5py.Group, name: str, value: Any) -> None:
    del group[name]
    group[name] = value


CONV = nir.Conv1d(2, np.ones((1, 1, 1)), 1, 0, 1, 1, np.ones(1))

BAD: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "cut short, damaged, or no NIR file"),
    "not HDF5": (b"no" * 2000, "cut short, damaged, or no NIR file"),
    "cut short": (written(chain(EVERY["LIF"]))[:5000], "cut short, damaged, or no NIR file"),
    "other HDF5": (altered(lambda g: g.file.move("node", "other")), "no group named 'node'"),
    "no graph": (altered(lambda g: replaced(g, "type", "LIF")), "holds no graph"),
    "no edges": (altered(lambda g: g.pop("edges")), "cut short, damaged, or no NIR file"),
    "unknown kind": (
        written(chain(CONV)),
        "node 'node' is of the kind 'Conv1d', which is not run here; known: Affine",
    ),
    "no kind": (altered(lambda g: g["nodes/node"].pop("type")), "does not say of which kind"),
    "no array": (altered(lambda g: g["nodes/node"].pop("tau")), r"'node' \(LIF\) has no 'tau'"),
    "NaN": (
        altered(lambda g: replaced(g["nodes/node"], "r", [np.nan, 1.0])),
        "'r' is not made of finite numbers",
    ),
    "text": (altered(lambda g: replaced(g["nodes/node"], "r", "one")), "not made of finite"),
    "tau of 0": (
        altered(lambda g: replaced(g["nodes/node"], "tau", [0.0, 1.0])),
        "'tau' must be greater than 0",
    ),
    "delay": (
        altered(lambda g: replaced(g["nodes/node"], "delay", [-1.0, 1.0]), "Delay"),
        "'delay' must not be less than 0",
    ),
    "sizes": (
        altered(lambda g: replaced(g["nodes/node"], "tau", np.ones(3))),
        r"arrays of \[2, 3\] elements",
    ),
    "weight": (
        altered(lambda g: replaced(g["nodes/node"], "weight", np.ones(4)), "Affine"),
        r"a weight of shape \(4,\), expected two axes",
    ),
    "bias": (
        altered(lambda g: replaced(g["nodes/node"], "bias", np.ones(3)), "Affine"),
        r"a bias of shape \(3,\) beside",
    ),
    "edge": (
        altered(lambda g: replaced(g["nodes/node"], "weight", np.ones((2, 3))), "Linear"),
        "edge 'x' -> 'node': 2 values for 3",
    ),
    "edge to nowhere": (
        altered(lambda g: replaced(g, "edges", np.array([[b"x", b"z"]]))),
        "edge 'x' -> 'z': no node named 'z'",
    ),
    "circle": (
        altered(lambda g: g["nodes"].__setitem__("self", g)),
        "holds no graph of nodes and edges",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_get_one_sentence(name: str, tmp_path: Path) -> None:
    data, message = BAD[name]
    path = tmp_path / "net.nir"
    path.write_bytes(data)
    with pytest.raises(ArtefactError, match=message) as caught:
        edgemem_nir.read(path)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=r"no\.nir cannot be read: No such file"):
        edgemem_nir.read(tmp_path / "no.nir")


def test_every_byte_flipped_is_read_or_refused() -> None:
    data = written(chain(EVERY["LIF"]))
    for place in np.random.default_rng(0).integers(0, len(data), 60):
        broken = bytearray(data)
        broken[place] ^= 0xFF
        try:
            parse(bytes(broken), "here")
        except ArtefactError as error:
            assert str(error).startswith("here")


def test_a_name_that_has_no_place_in_the_file() -> None:
    ends = {"a/b": Node("Input", {"shape": np.array([1])})}
    with pytest.raises(ConfigError, match="a node named 'a/b' has no place in a NIR file"):
        to_bytes(Network(ends, ()))


@pytest.mark.parametrize(("package", "what"), [("h5py", "reading"), ("nir", "writing")])
def test_a_package_that_is_missing(
    package: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = written(chain(EVERY["I"]))
    network = parse(data, "here")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"{what} NIR needs the package {package}.*nir\]"):
        parse(data, "here") if package == "h5py" else to_bytes(network)
