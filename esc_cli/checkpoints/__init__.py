"""A name or a path -> a verified, strictly loaded network."""
