"""Graded messages between units with 24-bit state, as Loihi 2 has them."""
