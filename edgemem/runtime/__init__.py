"""The device road: sound, front end, runner, detector, events (NumPy and the standard library)."""
