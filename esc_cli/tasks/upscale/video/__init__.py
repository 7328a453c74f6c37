"""`esc upscale` for videos: frames stream from the decoder through the network to the encoder."""
