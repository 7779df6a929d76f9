"""Continuous evaluation: hours of sound with known words, events against truth."""
