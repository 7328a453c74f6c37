"""`esc upscale`: folders of pictures and videos in, enlarged ones out."""
