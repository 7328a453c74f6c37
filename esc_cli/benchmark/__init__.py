"""Speed: what is timed, how, and how the figures are shown. Prints nothing."""
