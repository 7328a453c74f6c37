"""`esc upscale` on archives of pictures."""
