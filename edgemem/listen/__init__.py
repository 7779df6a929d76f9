"""A keyword spotter that is left running: microphones in, events out, for weeks."""
