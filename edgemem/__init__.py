"""Recurrent memory networks (LMU, LEM) from training to the device."""

__version__ = "0.1.0"
