"""What a check of ``edgemem doctor`` says."""

from __future__ import annotations

from dataclasses import dataclass

OK, WARNING, FAILED = "ok", "warning", "failed"


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Parameters
    ----------
    check : str
        Its name.
    level : str
        ``ok``; ``warning``: it works, but not as it should; ``failed``: it does not.
    found : str
        What was seen.
    remedy : str
        One sentence; empty where none is needed.
    """

    check: str
    level: str
    found: str
    remedy: str = ""


def ok(check: str, found: str) -> Finding:
    """All is well."""
    return Finding(check, OK, found)


def warning(check: str, found: str, remedy: str) -> Finding:
    """It works, but not as it should."""
    return Finding(check, WARNING, found, remedy)


def failed(check: str, found: str, remedy: str) -> Finding:
    """It does not work."""
    return Finding(check, FAILED, found, remedy)


def of_error(check: str, error: Exception, remedy: str) -> Finding:
    """A failure with an error's words, in which a remedy follows the last semicolon.

    Parameters
    ----------
    check : str
    error : Exception
    remedy : str
        For errors that name none.
    """
    words = " ".join(str(error).split()) or type(error).__name__
    found, _, mend = words.rpartition("; ")
    return failed(check, found, mend) if found else failed(check, words, remedy)
