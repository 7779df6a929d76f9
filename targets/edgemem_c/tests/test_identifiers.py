"""Names of models as C names; labels and comments that hold anything."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgemem_c.compiler import find_compiler
from edgemem_c.identifiers import HEADERS, KEYWORDS, comment, identifier, literal


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("kws12-lmu-small", "kws12_lmu_small"),
        ("My Network (v2)", "my_network_v2"),
        ("12 words", "net_12_words"),
        ("while", "while_net"),
        ("Class", "class_net"),
        ("string", "string_net"),
        ("main", "main_net"),
        ("int8", "int8_net"),
        ("E", "e_net"),
        ("Größe", "groe"),
        ("Éclair à la carte", "eclair_a_la_carte"),
        ("كلمات", "kws"),
        ("__kws__", "kws"),
        ("", "kws"),
        ("../../etc/passwd", "etc_passwd"),
        ("x" * 100, "x" * 40),
    ],
)
def test_names_of_models(name: str, wanted: str) -> None:
    assert identifier(name) == wanted


@given(st.text())
def test_any_name_becomes_an_identifier(name: str) -> None:
    made = identifier(name)
    assert re.fullmatch(r"[a-z][a-z0-9_]{0,49}", made)
    assert made not in KEYWORDS | HEADERS
    assert not made.endswith("_")


LABELS = [
    "yes",
    'say "cheese"',
    "back\\slash",
    "what??/now??=",
    "naïve",
    "قف",
    "tab\tline\nend",
    "é1 7",
    "100%",
    "",
    "*/ /*",
]


def test_labels_come_back_as_they_were(tmp_path: Path) -> None:
    entries = ",\n".join(map(literal, LABELS))
    text = (
        f"#include <stdio.h>\nstatic const char *const labels[] = {{{entries}}};\n"
        f"int main(void) {{ for (int i = 0; i < {len(LABELS)}; i++) {{"
        " fputs(labels[i], stdout); fputc(0, stdout); } return 0; }\n"
    )
    (tmp_path / "labels.c").write_text(text, encoding="ascii")
    # trigraphs are replaced in plain C99
    flags = ["-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror", "-o", "labels"]
    subprocess.run([*find_compiler(), *flags, "labels.c"], cwd=tmp_path, check=True)
    done = subprocess.run([str(tmp_path / "labels")], capture_output=True, check=True)
    assert done.stdout.decode("utf-8").split("\0")[:-1] == LABELS


@given(st.text())
def test_a_comment_holds_no_end_of_itself(text: str) -> None:
    made = comment(text)
    assert made.isascii()
    assert made.isprintable()
    for wrong in ("*/", "/*", "\\", "??"):
        assert wrong not in made
