"""`esc data`: benchmark sets fetched, unpacked and verified."""
