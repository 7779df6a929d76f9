"""Networks on spikes: what a graph's terms become, and plain populations of LIF neurons."""
