"""What the modelled machine has: widths of its state and ranges of its exponents.

Intel has published that neurons of Loihi 2 run microcode over 24-bit state and send graded
messages, and that synapses have 8-bit weights; instruction set and register file of the microcode
are not public in detail. The numbers here are those that this model keeps to.
"""

from __future__ import annotations

STATE_BITS = 24
"""Width of an accumulator and of a value that a unit keeps, sign included."""

LIMIT = 1 << (STATE_BITS - 1)
"""Accumulators hold -LIMIT to LIMIT - 1; a sum is proved to stay below it."""

LOWEST_EXPONENT, HIGHEST_EXPONENT = -31, 7
"""Exponents ``e`` of a factor ``f 2^e``, f in [1/2, 1), by which a unit scales what it added up.

A sum of 24 bits shifted by more than 7 bits to the left leaves the 32 bits of a product's operand;
what is shifted by more than 31 bits to the right is gone.
"""

PART_BITS = 8
"""Bits of the low part of a value that travels in two parts."""
