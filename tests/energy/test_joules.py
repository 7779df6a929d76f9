from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from edgemem.energy import Counts, Table, built_in, joules
from edgemem.energy.joules import in_words
from edgemem.energy.tables import BUILT_IN, ITEMS, read
from edgemem.errors import ConfigError, UnknownNameError

VALUES = json.loads(BUILT_IN.read_text(encoding="utf-8"))


def write(path: Path, values: Any) -> Path:
    path.write_text(json.dumps(values), encoding="utf-8")
    return path


# KerasSpiking 0.3.0, ModelEnergy: E = e_syn c rate dt T + e_neuron n T, its figures

CONNECTIONS, NEURONS, RATE, DT, STEPS = 784 * 128, 128, 10.0, 0.001, 100


@pytest.mark.parametrize(
    ("device", "per_synapse", "per_update", "which"),
    [
        ("loihi", (23.6 + 3.5) * 1e-12, 81e-12, "high"),
        ("spinnaker", 13.3e-9, 26e-9, "typical"),
        ("spinnaker2", 450e-12, 2.19e-9, "typical"),
    ],
)
def test_spiking_devices_as_kerasspiking_counts(
    device: str, per_synapse: float, per_update: float, which: str
) -> None:
    events = round(CONNECTIONS * RATE * DT * STEPS)
    energy = joules(Counts(synaptic_operations=events, active_updates=NEURONS * STEPS), device)
    expected = per_synapse * CONNECTIONS * RATE * DT * STEPS + per_update * NEURONS * STEPS
    assert energy.total is not None
    assert energy.total.to_dict()[which] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("device", "each"), [("cpu-i7", 8.6e-9), ("gpu-titan-black", 0.3e-9), ("arm-cortex-a", 0.9e-9)]
)
def test_processors_as_kerasspiking_counts(device: str, each: float) -> None:
    # there a rate is 1 / dt, and the network is computed once
    energy = joules(Counts(macs=CONNECTIONS, active_updates=NEURONS), device)
    assert energy.total is not None
    assert energy.total.typical == pytest.approx(each * (CONNECTIONS + NEURONS))


def test_parts_add_up_and_what_is_left_out_is_named() -> None:
    counts = Counts(
        frames=3, synaptic_operations=1000, active_updates=10, idle_updates=20, messages=100,
        hops=50, barriers=3, bytes_read=7,
    )  # fmt: skip
    energy = joules(counts, "loihi")
    assert energy.total is not None
    # 1000 * 23.6 + 10 * 81 + 20 * 52 + 100 * 1.7 + 50 * 3.5 pJ, and with the bounds of two rows
    assert energy.total.typical == pytest.approx(25_795e-12)
    assert energy.total.low == pytest.approx(25_795e-12 - 25e-12)
    assert energy.total.high == pytest.approx(25_795e-12 + 25e-12 + 3500e-12)
    assert energy.unpriced == {"barriers": 3.0, "bytes_read": 7.0}
    told = "\n".join(energy.lines())
    assert "loihi: modelled 25.8 nJ (25.8 nJ to 29.3 nJ) [published figures, version 1" in told
    assert "without a figure: 3 barriers, 7 bytes read" in told
    assert "pre-silicon simulation: Davies et al. 2018" in told
    shown = energy.to_dict()
    assert shown["modelled"] is True and shown["table"].endswith("2026-11-25")
    assert sum(part["typical"] for part in shown["parts"].values()) == pytest.approx(25_795e-12)


def test_no_joules_of_loihi_2() -> None:
    energy = joules(Counts(synaptic_operations=10, messages=5), "loihi2")
    assert energy.total is None and energy.to_dict()["joules"] is None
    assert "No energy per operation of Loihi 2 is published" in "\n".join(energy.lines())
    assert built_in().device("loihi2").figures == ()


def test_work_without_a_figure_gives_no_sum() -> None:
    # a dense network on spikes' figures, and spikes on a processor's
    dense = joules(Counts(macs=10, active_updates=1), "loihi")
    assert dense.total is None and dense.to_dict()["joules"] is None
    assert dense.without == ("macs",) and dense.to_dict()["priced"]["typical"] == 81e-12
    assert next(dense.lines()).startswith("loihi: modelled 81 pJ, without MACs [")
    assert joules(Counts(synaptic_operations=10, active_updates=1), "cpu-i7").total is None


def test_a_figure_may_cover_others() -> None:
    energy = joules({"macs": 2.7e6, "active_updates": 9.0, "bytes_read": 5.0}, "cortex-m")
    assert energy.total is not None and energy.unpriced == {}
    # the keyword network from which the figure is: 7.4 mJ, told as 2.7 nJ for each of 2.7 million
    assert energy.total.high == pytest.approx(7.4e-3, rel=0.02)
    assert energy.total.low == pytest.approx(7.4e-3 * 75 / 182, rel=0.03)


def test_every_figure_has_its_source_and_range() -> None:
    table = built_in()
    assert (table.name, table.version) == ("published figures", 1)
    assert table.meant_for("graded") == ("loihi2",)
    assert "loihi" in table.meant_for("spikes") and "cortex-m" in table.meant_for("integers")
    for device in table.devices.values():
        assert device.figures or device.notes
        for figure in device.figures:
            low, typical, high = figure.joules()
            assert 0.0 < low <= typical <= high and figure.item in ITEMS
    with pytest.raises(UnknownNameError, match="no device named 'tpu'; known: 45nm-float32"):
        joules(Counts(), "tpu")


@pytest.mark.parametrize(
    ("energy", "words"),
    [(0.0, "0 pJ"), (3e-13, "0.3 pJ"), (2.7e-3, "2.7 mJ"), (1.5, "1.5 J"), (123.4e-9, "123 nJ")],
)
def test_energies_in_words(energy: float, words: str) -> None:
    assert in_words(energy) == words


# Tables of one's own


def own(row: dict[str, Any], device: str = "cpu-i7") -> dict[str, Any]:
    about = {"summary": "mine", "forms": ["float"], "notes": ["measured at a desk"]}
    return {
        "format": 1,
        "name": "desk",
        "version": 4,
        "date": "2026-11",
        "devices": {device: {**about, "rows": [row]}},
    }


ROW = {
    "item": "macs", "low": 1.0, "typical": 2, "high": 4.0, "unit": "nJ", "source": "a desk",
    "date": "2026-11-20", "mark": "unconfirmed",
}  # fmt: skip


def test_rows_of_ones_own_replace_and_extend(tmp_path: Path) -> None:
    table = built_in().with_rows_of(read(write(tmp_path / "t.json", own(ROW))))
    energy = joules(Counts(macs=10, active_updates=1), "cpu-i7", table)
    assert energy.total is not None
    assert energy.total.typical == pytest.approx(20e-9 + 8.6e-9)
    assert energy.table == "published figures (version 1, 2026-11-25) with desk, version 4, 2026-11"
    assert energy.notes == ("measured at a desk",)
    wide = read(write(tmp_path / "w.json", own({**ROW, "covers": ["active_updates"]})))
    covered = joules(Counts(macs=10, active_updates=1), "cpu-i7", built_in().with_rows_of(wide))
    assert covered.total is not None and covered.total.typical == pytest.approx(20e-9)
    new = built_in().with_rows_of(read(write(tmp_path / "n.json", own(ROW, "mine"))))
    assert isinstance(new, Table) and new.meant_for("float")[-1] == "mine"


def changed(path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    values = copy.deepcopy(own(ROW))
    place: Any = values
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return values


DEVICE = ("devices", "cpu-i7")
CELL = (*DEVICE, "rows", 0)


@pytest.mark.parametrize(
    ("path", "value", "what"),
    [
        (("format",), 2, "format 2; this edgemem reads format 1"),
        (("name",), " ", "needs a name"),
        (("version",), "1", "version is a whole number"),
        (("date",), "November", "a date is YYYY, YYYY-MM or YYYY-MM-DD, not 'November'"),
        (("devices",), {}, "at least one device"),
        (("device",), {}, "unknown field 'device'; known: date, devices, format, name, version"),
        (DEVICE, [], "device 'cpu-i7' is no JSON object"),
        ((*DEVICE, "rows"), {}, "rows is a list"),
        ((*DEVICE, "notes"), [1], "summary and notes are text"),
        ((*DEVICE, "forms"), ["fluid"], "form 'fluid'; known: float, integers, spikes, graded"),
        ((*DEVICE, "rows"), [ROW, ROW], "has two figures of 'macs'"),
        (CELL, {"item": "macs"}, "row lacks 'low'"),
        ((*CELL, "item"), "flops", "item 'flops'; known: synaptic_operations, macs"),
        ((*CELL, "item"), ["macs"], "item"),
        ((*CELL, "unit"), "kWh", "unit 'kWh'; known: J, uJ, nJ, pJ"),
        ((*CELL, "mark"), "sure", "mark 'sure'; known: published, pre-silicon simulation"),
        ((*CELL, "low"), 3.0, r"expected 0 <= low <= typical <= high, got \(3.0, 2, 4.0\)"),
        ((*CELL, "low"), "1", "finite numbers"),
        ((*CELL, "high"), float("inf"), "finite numbers"),
        ((*CELL, "source"), "", "a figure needs its source"),
        ((*CELL, "covers"), "bytes_read", "covers is a list"),
        ((*CELL, "covers"), ["heat"], "item 'heat'"),
    ],
)
def test_tables_that_cannot_be(tmp_path: Path, path: Any, value: Any, what: str) -> None:
    file = write(tmp_path / "t.json", changed(path, value))
    with pytest.raises(ConfigError, match=rf"table .*t\.json: .*{what}"):
        read(file)


def test_files_that_are_no_tables(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read(tmp_path / "none.json")
    (tmp_path / "t.json").write_text("{", encoding="utf-8")
    with pytest.raises(ConfigError, match="is no JSON"):
        read(tmp_path / "t.json")
    (tmp_path / "t.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="is no JSON"):
        read(tmp_path / "t.json")
    with pytest.raises(ConfigError, match="the table is no JSON object"):
        read(write(tmp_path / "t.json", [1]))
