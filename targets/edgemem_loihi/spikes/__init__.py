"""Loihi 1: networks on binary spikes."""
