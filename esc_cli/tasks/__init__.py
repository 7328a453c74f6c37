"""Use cases: options in, events out; no styling and no exit."""
