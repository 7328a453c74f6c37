"""How to run a network; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

WHOLE = 0
"""The tile side that stands for the whole picture at once."""


@dataclass(frozen=True)
class EngineOptions:
    """How to run a network.

    device: "auto", "cpu", "cuda", "cuda:1", "mps". precision: "auto" (fp16 on CUDA with tensor
    cores, else fp32), "fp32", "fp16", "bf16". tile: side in input pixels, None to decide from the
    free memory, `WHOLE` for no tiles. overlap: input pixels that neighbouring tiles share.
    self_ensemble: mean over the 8 flips and quarter turns, eight times the work. host_maps: whether
    feature maps that do not fit the device may be in host memory, None for where the device has
    memory of its own (CUDA).
    """

    device: str = "auto"
    precision: str = "auto"
    tile: int | None = None
    overlap: int = 32
    self_ensemble: bool = False
    host_maps: bool | None = None
