"""The large convolution as one Triton kernel that multiplies by its distinct taps alone.

A kernel with the symmetry of the square has (k + 1)(k + 3) / 8 distinct taps, 28 of the 169 of a
13x13. The values under equal taps are added up first, so that each pixel takes 28 products with a
(P, P) matrix instead of 169. Not measured on a GPU, and off by default.
"""

from __future__ import annotations

from typing import Any, Final

import torch
import triton
import triton.language as tl
from torch import Tensor

PIXELS: Final = 64
"""Pixels of a row that one program computes."""
SMALLEST: Final = 16
"""Sides of a product that tensor cores take; fewer channels are filled up with zeros."""


def distinct_taps(kernel: Tensor) -> Tensor:
    """(P_out, P_in, k, k), equal to its flips and turns -> (taps, P_in, P_out), dense.

    Tap (a, b), 0 <= b <= a <= k // 2, is the one a rows and b columns from the centre; they come
    in the order of a, then b.
    """
    half = kernel.shape[-1] // 2
    taps = [kernel[:, :, half + a, half + b].mT for a in range(half + 1) for b in range(a + 1)]
    return torch.stack(taps).contiguous()


@triton.jit
def _near(x_ptr, y, x, height, width, row_step, column_step, channel, P: tl.constexpr):
    """Values (pixels, channels) at a row and columns, zeros outside of the picture."""
    row = x * 0 + y  # a mask of one value would not be boolean on the interpreter of Triton 3.9
    inside = (row >= 0) & (row < height) & (x >= 0) & (x < width)
    at = x_ptr + y * row_step + x[:, None] * column_step + channel[None, :]
    values = tl.load(at, mask=inside[:, None] & (channel < P)[None, :], other=0.0)
    return values.to(tl.float32)


@triton.jit
def _four(x_ptr, y, x, a, b, height, width, row_step, column_step, channel, P: tl.constexpr):
    """The sum over (+-a, +-b); what coincides counts as often."""
    sums = _near(x_ptr, y + a, x + b, height, width, row_step, column_step, channel, P)
    sums += _near(x_ptr, y - a, x + b, height, width, row_step, column_step, channel, P)
    sums += _near(x_ptr, y + a, x - b, height, width, row_step, column_step, channel, P)
    sums += _near(x_ptr, y - a, x - b, height, width, row_step, column_step, channel, P)
    return sums


@triton.jit
def large_conv_kernel(
    x_ptr, taps_ptr, out_ptr,
    height, width, out_height, out_width, top, left, image_step, row_step, column_step,
    P: tl.constexpr, CHANNELS: tl.constexpr, HALF: tl.constexpr, PIXELS: tl.constexpr,
):  # fmt: skip
    """One program: PIXELS pixels of a row of one image; x channels last, out dense (B, h, w, P)."""
    image = tl.program_id(2)
    out_y = tl.program_id(1)
    out_x = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    channel = tl.arange(0, CHANNELS)
    y, x = out_y + HALF - top, out_x + HALF - left
    source = x_ptr + image * image_step
    matrix = channel[:, None] * P + channel[None, :]
    real = (channel < P)[:, None] & (channel < P)[None, :]
    done = tl.zeros((PIXELS, CHANNELS), tl.float32)
    for a in range(HALF + 1):
        for b in range(a + 1):
            sums = _four(source, y, x, a, b, height, width, row_step, column_step, channel, P)
            sums += _four(source, y, x, b, a, height, width, row_step, column_step, channel, P)
            # On an axis or a diagonal two of the eight coincide.
            sums *= tl.where(a == 0, 0.5, 1.0) * tl.where(b == 0, 0.5, 1.0)
            sums *= tl.where(a == b, 0.5, 1.0)
            number = a * (a + 1) // 2 + b
            tap = tl.load(taps_ptr + number * P * P + matrix, mask=real, other=0.0)
            done += tl.dot(sums.to(tap.dtype), tap, input_precision="ieee")
    at = ((image * out_height + out_y) * out_width + out_x)[:, None] * P + channel[None, :]
    stored = (out_x < out_width)[:, None] & (channel < P)[None, :]
    tl.store(out_ptr + at, done.to(out_ptr.dtype.element_ty), mask=stored)


def constants(channels: int, size: int) -> dict[str, Any]:
    """The kernel's constants for so many channels and a side of the convolution."""
    padded = max(SMALLEST, triton.next_power_of_2(channels))
    return {"P": channels, "CHANNELS": padded, "HALF": size // 2, "PIXELS": PIXELS}


def symmetric_conv(
    x: Tensor, taps: Tensor, size: int, missing: tuple[int, int, int, int]
) -> Tensor:
    """x (B, P, h, w), zero-padded by (left, right, top, bottom), through `distinct_taps`.

    size: k of the convolution. The result, channels last, is smaller than the padded x by k - 1.
    """
    left, right, top, bottom = missing
    x = x.contiguous(memory_format=torch.channels_last)
    batch, channels, height, width = x.shape
    rows, columns = height + top + bottom - size + 1, width + left + right - size + 1
    out = x.new_empty((batch, rows, columns, channels))
    grid = (triton.cdiv(columns, PIXELS), rows, batch)
    steps = x.stride(0), x.stride(2), x.stride(3)
    sizes = height, width, rows, columns, top, left
    large_conv_kernel[grid](x, taps, out, *sizes, *steps, **constants(channels, size))
    return out.permute(0, 3, 1, 2)
