"""Tensor in, tensor out: the only inference path."""
