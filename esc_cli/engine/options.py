"""How to run a network; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, field

from esc_cli.errors import UsageError

PRECISIONS = ("auto", "fast", "fp32", "fp16", "bf16")
WHOLE = 0
"""The tile side that stands for the whole picture at once."""


NO_EFFECT = "no effect"
"""The metadata of a field that changes no result: why."""


def no_effect(why: str) -> dict[str, str]:
    """The metadata of a field that changes no result.

    Every other field of the options is part of what a record of a result is compared by.
    """
    return {NO_EFFECT: why}


@dataclass(frozen=True)
class EngineOptions:
    """How to run a network.

    device: "auto", "cpu", "cuda", "cuda:1", "mps". precision: "auto" (fp16 on CUDA with tensor
    cores, else fp32), "fast" (as auto, but bf16 on processors that have it in hardware), "fp32",
    "fp16", "bf16". tile: side in input pixels, None to decide from the
    free memory, `WHOLE` for no tiles. overlap: input pixels that neighbouring tiles share.
    self_ensemble: mean over the 8 flips and quarter turns, eight times the work. host_maps: whether
    feature maps that do not fit the device may be in host memory, None for where the device has
    memory of its own (CUDA).
    """

    device: str = field(default="auto", metadata=no_effect("each device gives the same result"))
    precision: str = "auto"
    tile: int | None = None
    overlap: int = 32
    self_ensemble: bool = False
    host_maps: bool | None = field(
        default=None, metadata=no_effect("the result is that of the whole")
    )

    def __post_init__(self) -> None:
        """Raise UsageError for values that mean nothing. Devices are looked for later."""
        if self.precision not in PRECISIONS:
            known = ", ".join(PRECISIONS)
            raise UsageError(f"--precision {self.precision!r} is not known", advice=known)
        if self.tile is not None and self.tile < 0:
            raise UsageError(f"--tile cannot be {self.tile}", advice="a number of pixels")
        if self.overlap < 0:
            raise UsageError(f"--overlap cannot be {self.overlap}", advice="a number of pixels")
