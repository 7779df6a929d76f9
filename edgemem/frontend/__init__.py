"""Front ends: the one copy of the features for training and device (NumPy only)."""

from edgemem.frontend.config import PICTURES, RECORDINGS, FrontEnd
from edgemem.frontend.integer import IntegerFrontEnd
from edgemem.frontend.stream import Stream

__all__ = ["PICTURES", "RECORDINGS", "FrontEnd", "IntegerFrontEnd", "Stream"]
