"""Names and texts of a model as C can hold them."""

from __future__ import annotations

import re
import unicodedata

LONGEST = 40
"""Longer names are cut; what is put behind them stays readable."""

FALLBACK = "kws"
"""The name where nothing of the model's own can be used."""

_KEYWORDS = """
    alignas alignof and and_eq asm atomic auto bitand bitor bool break case catch char class compl
    complex concept const constexpr continue decltype default delete do double else enum explicit
    export extern false float for friend generic goto if imaginary inline int long mutable
    namespace new noexcept noreturn not not_eq nullptr operator or or_eq private protected public
    register reinterpret_cast requires restrict return short signed sizeof static static_assert
    struct switch template this thread_local throw true try typedef typeid typename typeof union
    unsigned using virtual void volatile wchar_t while xor xor_eq
"""

KEYWORDS = frozenset(_KEYWORDS.split())
"""Keywords of C and C++: a header is included from both."""

_HEADERS = """
    arm_acle arm_math arm_nnfunctions assert complex ctype errno fenv float inttypes iso646 limits
    locale main math setjmp signal stdalign stdarg stdatomic stdbool stddef stdint stdio stdlib
    stdnoreturn string tgmath threads time uchar unistd wchar wctype
"""

HEADERS = frozenset(_HEADERS.split())
"""Files that a ``NAME.h`` or ``NAME.c`` of ours would stand in for."""

RESERVED = re.compile(r"(int|uint|str|mem|wcs|is|to|sig|e)\d*")
"""Stems that the C library keeps to itself in front of other letters."""


def identifier(name: str) -> str:
    """A lower-case C identifier for the name of a model.

    Accents are dropped, whatever is no letter or digit of ASCII becomes an underscore; a digit in
    front, a keyword, or the name of a standard header gets company.
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    stem = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:LONGEST].rstrip("_")
    if not stem:
        return FALLBACK
    if stem[0].isdigit():
        stem = f"net_{stem}"
    if stem in KEYWORDS | HEADERS or RESERVED.fullmatch(stem):
        stem = f"{stem}_net"
    return stem


def literal(text: str) -> str:
    """A C string literal of the UTF-8 bytes of ``text``, in ASCII alone.

    Octal escapes have three digits at most, so that what follows is never read as part of one;
    ``?`` is escaped against trigraphs.
    """
    return f'"{"".join(map(_escaped, text.encode("utf-8")))}"'


def _escaped(byte: int) -> str:
    char = chr(byte)
    if char in '"\\?':
        return f"\\{char}"
    return char if 0x20 <= byte < 0x7F else f"\\{byte:03o}"


def comment(text: str) -> str:
    """``text`` as it may stand in a C comment: one line of ASCII that does not end it."""
    plain = "".join(char if " " <= char <= "~" else "_" for char in text)
    # no end of a comment, no beginning of one, no trigraph, no line that is joined with the next
    return re.sub(r"([*/?])(?=[*/?])", r"\1 ", plain.replace("\\", "/"))
