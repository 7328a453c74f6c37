"""`esc upscale --cluster`: the items of a batch on the machines of a Ray cluster."""
