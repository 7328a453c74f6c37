"""Results on their way from the device to host memory, part by part."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from esc_cli.model.network import Part
from esc_cli.model.stream import Mark, stream_of

LEVELS = {torch.uint8: 255, torch.uint16: 65535}


@dataclass(frozen=True)
class _UnderWay:
    """Pixels that are being copied to a buffer on the host; `arrived` is the place behind that."""

    buffer: Tensor
    arrived: Mark

    @staticmethod
    def start(pixels: Tensor) -> _UnderWay:
        """Begin to copy pixels from a device whose memory is apart."""
        stream = stream_of(pixels.device)
        buffer = stream.host_buffer(tuple(pixels.shape), pixels.dtype)
        stream.download(pixels, buffer)
        return _UnderWay(buffer, stream.mark())

    def finish(self) -> Tensor:
        """The pixels, once they are there."""
        self.arrived.wait()
        return self.buffer


def on_host(pixels: Tensor) -> bool:
    """Whether the host can read them as they are."""
    return not stream_of(pixels.device).apart


def written_at_once(pixels: Tensor, target: Tensor) -> bool:
    """Whether pixels and result are in the same memory."""
    return on_host(pixels) or pixels.device == target.device


class Delivery:
    """Stores parts in a result (B, 3, H, W), rounded to its type on the device.

    On CUDA a part travels through pinned memory while the device computes the next one. Nothing
    is stored for good before `finish`.
    """

    def __init__(self, result: Tensor) -> None:
        self.result = result
        self._finite: Tensor | None = None
        self._under_way: tuple[_UnderWay, Tensor] | None = None

    def put(self, part: Part) -> None:
        """Take a part of floats, clamped here to [0, 1]; it may be dropped afterwards."""
        finite = torch.isfinite(part.pixels).all()
        self._finite = finite if self._finite is None else self._finite & finite
        target = self.result[..., part.rows, part.columns]
        pixels = quantised(part.pixels, target.dtype)
        if written_at_once(pixels, target):
            target.copy_(pixels)
            return
        under_way = _UnderWay.start(pixels)
        self._arrive()
        self._under_way = under_way, target

    def finish(self) -> bool:
        """Wait for what is under way; whether every value of every part was a finite number."""
        self._arrive()
        return self._finite is not None and bool(self._finite)

    def _arrive(self) -> None:
        if self._under_way is not None:
            under_way, target = self._under_way
            target.copy_(under_way.finish())
            self._under_way = None


def arrivals(parts: Iterator[Part]) -> Iterator[Part]:
    """The parts in host memory, as float32; each is on its way while the next one is computed."""
    before: tuple[Part, _UnderWay] | None = None
    for part in parts:
        pixels = part.pixels.float()
        if on_host(pixels):
            yield replace(part, pixels=pixels.cpu())
            continue
        under_way = _UnderWay.start(pixels)
        if before is not None:
            yield replace(before[0], pixels=before[1].finish())
        before = part, under_way
    if before is not None:
        yield replace(before[0], pixels=before[1].finish())


def to_float(pixels: Tensor, dtype: torch.dtype) -> Tensor:
    """Integers to [0, 1]; floats as they are."""
    levels = LEVELS.get(pixels.dtype)
    return pixels.to(dtype) if levels is None else (pixels.float() / levels).to(dtype)


def quantised(out: Tensor, dtype: torch.dtype) -> Tensor:
    """Clamp to [0, 1]; to integers by rounding to the nearest level."""
    clamped = out.float().clamp(0, 1)
    levels = LEVELS.get(dtype)
    return clamped.to(dtype) if levels is None else (clamped * levels).round().to(dtype)
