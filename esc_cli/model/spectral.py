"""The large convolution in the frequency domain, for processors.

A kernel with the symmetry of the square, put around the origin, has a real and even spectrum. So
it is computed once, and multiplying by it takes half the work of a complex product: real batched
matrix products over the channels, one per frequency. Pictures go through in tiles that overlap by
the kernel (overlap-save: Oppenheim and Schafer, Discrete-Time Signal Processing, section 8.7).
"""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

TILE: Final = (44, 64)
"""Rows and columns of a transform: 32 rows with the margins of a 13x13, and the quickest width."""


class SpectralKernel:
    """Convolves with a kernel (P, P, k, k) that is equal to its flips, float32, on a CPU."""

    def __init__(self, kernel: Tensor) -> None:
        self.size = kernel.shape[-1]
        around = F.pad(kernel.double(), (0, TILE[1] - self.size, 0, TILE[0] - self.size))
        around = around.roll((-(self.size // 2), -(self.size // 2)), (-2, -1))
        spectrum = torch.fft.rfft2(around).real  # (P, P, rows, columns / 2 + 1)
        self._columns = spectrum.shape[-1]
        by_frequency = spectrum.permute(2, 3, 0, 1).flatten(0, 1)  # (frequencies, P, P)
        self._spectrum = by_frequency.to(kernel.dtype).contiguous()

    @staticmethod
    def suits(kernel: Tensor) -> bool:
        """Whether this was measured to be quicker: float32, with MKL's transforms."""
        suits: bool = (
            kernel.device.type == "cpu"
            and kernel.dtype == torch.float32
            and torch.backends.mkl.is_available()
        )
        return suits

    def __call__(self, x: Tensor, padding: tuple[int, int, int, int]) -> Tensor:
        """x (B, P, h, w), zero-padded by (left, right, top, bottom) -> without the kernel's margin.

        Channels last.
        """
        left, right, top, bottom = padding
        reach = self.size - 1
        height = x.shape[-2] + top + bottom - reach
        width = x.shape[-1] + left + right - reach
        rows, columns = TILE[0] - reach, TILE[1] - reach  # of a tile that are valid
        more_down, more_right = -height % rows, -width % columns
        planes = F.pad(x.contiguous(), (left, right + more_right, top, bottom + more_down))
        tiles = planes.unfold(2, TILE[0], rows).unfold(3, TILE[1], columns)
        spectra = torch.fft.rfft2(tiles.transpose(0, 1))  # (P, B, down, across, rows, columns)
        done = torch.fft.irfft2(self._multiplied(spectra), s=TILE)
        half = self.size // 2
        done = done[..., half : half + rows, half : half + columns]  # (B, down, across, P, ...)
        pixels = done.permute(0, 1, 4, 2, 5, 3).reshape(
            x.shape[0], height + more_down, width + more_right, x.shape[1]
        )
        out: Tensor = pixels[:, :height, :width].permute(0, 3, 1, 2)
        return out

    def _multiplied(self, spectra: Tensor) -> Tensor:
        """(P, B, down, across, frequencies) -> (B, down, across, P, frequencies)."""
        channels, *tiles = spectra.shape[:4]
        by_frequency = torch.view_as_real(spectra.permute(4, 5, 0, 1, 2, 3).contiguous())
        flat = by_frequency.reshape(len(self._spectrum), channels, -1)
        mixed = torch.bmm(self._spectrum, flat)
        shape = (TILE[0], self._columns, channels, *tiles, 2)
        out: Tensor = torch.view_as_complex(mixed.reshape(shape)).permute(3, 4, 5, 2, 0, 1)
        return out
