"""`esc bench`: networks in, their time and memory out."""
