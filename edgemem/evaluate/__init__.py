"""How good a network is, measured the way that it is used."""
