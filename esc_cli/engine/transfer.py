"""Results on their way from the device to host memory, part by part."""

from __future__ import annotations

import torch
from torch import Tensor

from esc_cli.model.network import Part

LEVELS = {torch.uint8: 255, torch.uint16: 65535}


class Delivery:
    """Stores parts in a result (B, 3, H, W), rounded to its type on the device.

    On CUDA a part travels through pinned memory while the device computes the next one. Nothing
    is stored for good before `finish`.
    """

    def __init__(self, result: Tensor) -> None:
        self.result = result
        self._finite: Tensor | None = None
        self._under_way: tuple[Tensor, Tensor, torch.cuda.Event] | None = None

    def put(self, part: Part) -> None:
        """Take a part of floats, clamped here to [0, 1]; it may be dropped afterwards."""
        finite = torch.isfinite(part.pixels).all()
        self._finite = finite if self._finite is None else self._finite & finite
        target = self.result[..., part.rows, part.columns]
        pixels = quantised(part.pixels, target.dtype)
        if pixels.device == target.device or pixels.device.type != "cuda":
            target.copy_(pixels)
            return
        self._arrive()
        staging = torch.empty(pixels.shape, dtype=pixels.dtype, pin_memory=True)
        staging.copy_(pixels, non_blocking=True)
        arrived = torch.cuda.Event()
        arrived.record(torch.cuda.current_stream(pixels.device))
        self._under_way = staging, target, arrived

    def finish(self) -> bool:
        """Wait for what is under way; whether every value of every part was a finite number."""
        self._arrive()
        return self._finite is not None and bool(self._finite)

    def _arrive(self) -> None:
        if self._under_way is not None:
            staging, target, arrived = self._under_way
            arrived.synchronize()
            target.copy_(staging)
            self._under_way = None


def to_float(pixels: Tensor, dtype: torch.dtype) -> Tensor:
    """Integers to [0, 1]; floats as they are."""
    levels = LEVELS.get(pixels.dtype)
    return pixels.to(dtype) if levels is None else (pixels.float() / levels).to(dtype)


def quantised(out: Tensor, dtype: torch.dtype) -> Tensor:
    """Clamp to [0, 1]; to integers by rounding to the nearest level."""
    clamped = out.float().clamp(0, 1)
    levels = LEVELS.get(dtype)
    return clamped.to(dtype) if levels is None else (clamped * levels).round().to(dtype)
