"""`esc report`: what the reports of runs say together."""
