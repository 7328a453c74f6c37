"""`esc eval`: datasets and methods in, scores out."""
