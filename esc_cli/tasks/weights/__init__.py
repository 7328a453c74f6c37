"""`esc weights`: the catalogue, fetching, verifying, converting."""
