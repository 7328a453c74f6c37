"""`esc watch`: a folder whose pictures and videos are done as they arrive."""
