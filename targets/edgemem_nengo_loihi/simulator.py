"""NengoLoihi, or one sentence on what it takes."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from edgemem.errors import MissingExtraError, PackageError, install_command

from .standalone import PLACE, obstacle


def packages() -> tuple[Any, Any]:
    """The modules ``nengo`` and ``nengo_loihi``.

    Raises
    ------
    MissingExtraError
        Without NengoLoihi.
    PackageError
        If it does not go together with what is installed here.
    """
    if find_spec("nengo_loihi") is None:
        raise MissingExtraError("target nengo-loihi", "nengo-loihi", "loihi", PLACE)
    missing = obstacle()
    if missing:
        raise PackageError(f"target nengo-loihi {missing}; {PLACE}: {install_command('loihi')}")
    import nengo
    import nengo_loihi

    return nengo, nengo_loihi
