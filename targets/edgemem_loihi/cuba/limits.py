"""Widths and ranges of Loihi 1's registers.

Sources: NengoLoihi 1.1.0 (``builder/discretize.py``, ``block.py``, ``builder/validate.py``), Lava's
bit-accurate LIF process, Brian2Loihi (Front. Neuroinform. 2022, 1015624).
"""

from __future__ import annotations

DECAY_BITS = 12
DECAY_MAX = 2**DECAY_BITS - 1
DECAY_U_OFFSET = 1
"""The chip adds it to ``decay_u``."""

THRESHOLD_EXPONENT = 6
THRESHOLD_MAX = 2**17 - 1
"""Largest mantissa of a threshold."""

BIAS_MAX = 2**12 - 1
"""Largest mantissa of a bias, of either sign."""
BIAS_EXPONENT_MAX = 7

WEIGHT_SHIFT = 6
"""A weight is added 6 places further left."""
WEIGHT_EXPONENTS = (-7, 7)

REFRACTORY = (1, 64)
VMIN_EXPONENT_MAX = 31
VMAX_EXPONENT_MAX = 7

Q_BITS = 21
"""Bits, beside the sign, of what arrives in one step."""
U_BITS = 23
V_BITS = 23
