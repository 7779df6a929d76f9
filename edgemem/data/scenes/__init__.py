"""Scenes: hours of sound with known words, as samples or as feature frames."""
