"""Files <-> numpy arrays; no torch."""
