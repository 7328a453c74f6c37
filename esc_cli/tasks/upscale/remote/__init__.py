"""`esc upscale` with addresses: inputs are staged, results uploaded, records kept beside them."""
