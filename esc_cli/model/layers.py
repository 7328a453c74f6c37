"""The parts that every ESC network shares. Tensors are (B, C, H, W) unless a comment says so.

State-dict keys are those of the published checkpoints: attribute names here are not free.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from esc_cli.model.onednn import PointwiseConv
from esc_cli.model.patches import Patch
from esc_cli.model.spectral import SpectralKernel

LN_EPS: Final = 1e-6


def conv(cin: int, cout: int, kernel: int, groups: int = 1) -> nn.Conv2d:
    """A convolution that keeps the size: zero padding of kernel // 2, with bias."""
    if kernel == 1 and groups == 1:
        return PointwiseConv(cin, cout)
    return nn.Conv2d(cin, cout, kernel, padding=kernel // 2, groups=groups)


class LayerNorm(nn.Module):
    """Normalises the C channels of each pixel; any (B, C, H, W), same shape out."""

    def __init__(self, dim: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.bias = nn.Parameter(torch.zeros(dim))

    def forward(self, x: Tensor) -> Tensor:
        """Return x, normalised per pixel."""
        pixels = x.permute(0, 2, 3, 1)  # (B, H, W, C): a view when x is channels-last
        normed = F.layer_norm(pixels, self.weight.shape, self.weight, self.bias, LN_EPS)
        return normed.permute(0, 3, 1, 2)  # (B, C, H, W)


class ConvFFN(nn.Module):
    """1x1 up to `hidden`, GELU, a depthwise 3x3 with its own residual, 1x1 back to `dim`.

    Takes a patch with a margin of 1 more than what is to be left of it.
    """

    def __init__(self, dim: int, hidden: int):
        super().__init__()
        self.proj = conv(dim, hidden, 1)
        self.dwc = conv(hidden, hidden, 3, groups=hidden)
        self.aggr = conv(hidden, dim, 1)

    def forward(self, x: Tensor, patch: Patch, left: int = 0) -> Tensor:
        """The ConvFFN of x with what is `left` of its margin, without a residual around it."""
        x = F.gelu(self.proj(x))
        mixed, x = (patch.shrunk(values, left + 1, left) for values in (self.dwc(x), x))
        out: Tensor = self.aggr(F.gelu(mixed).add_(x))
        return out


def geometric_ensemble(plk_filter: Tensor) -> Tensor:
    """Average a kernel (P, P, k, k) over its 8 flips and quarter turns.

    The result has the symmetry of the square: 28 distinct taps of 169 for k = 13.
    """
    flipped = plk_filter + plk_filter.flip(-1)
    both = flipped + flipped.flip(-2)
    return (both + both.transpose(-1, -2)) / 8


class KernelPredictor(nn.Sequential):
    """(B, P, H, W) -> one depthwise 3x3 kernel per image and channel, (B, P, 3, 3).

    The kernels come from the average of the whole map, so they carry its global content. That
    average, (B, P, 1, 1), serves as well as the map.
    """

    def __init__(self, pdim: int, reduced: int):
        last = nn.Conv2d(reduced, 9 * pdim, 1)
        super().__init__(nn.AdaptiveAvgPool2d(1), nn.Conv2d(pdim, reduced, 1), nn.GELU(), last)
        nn.init.zeros_(last.weight)  # training starts from the shared kernel alone
        nn.init.constant_(last.get_parameter("bias"), 0)

    def forward(self, x: Tensor) -> Tensor:
        """Return the kernels of each image."""
        kernels = x
        for layer in self:
            kernels = layer(kernels)  # (B, 9P, 1, 1) at the end
        return kernels.view(x.shape[0], x.shape[1], 3, 3)


def _centred(kernels: Tensor, size: int) -> Tensor:
    """(..., 3, 3) zero-padded to (..., size, size), the 3x3 in the middle."""
    margin = (size - 3) // 2
    return F.pad(kernels, (margin, margin, margin, margin))


Convolve = Callable[[Tensor, Patch], Tensor]
"""(first P channels (B, P, h, w) with the large kernel's margin, patch) -> the patch without."""
LargeConv = Callable[[Tensor], Convolve]
"""Dynamic kernels (B, P, 3, 3) -> the convolution of the first P channels in one layer."""


def dynamic_large_conv(large: Tensor, dynamic: Tensor) -> Convolve:
    """The shared kernel plus each image's own depthwise 3x3, zero padding at the picture's borders.

    large (P, P, k, k), dynamic (B, P, 3, 3). Both convolutions are linear in the same input. A
    single image therefore needs only one, with the 3x3 added on the diagonal of the large kernel;
    a batch shares the large one.
    """
    if dynamic.shape[0] > 1:
        return partial(_shared_and_own, large, dynamic)
    diagonal = torch.diag_embed(_centred(dynamic[0], large.shape[-1]).permute(1, 2, 0))
    kernel = large + diagonal.permute(2, 3, 0, 1)  # (P, P, k, k)
    return lambda x, patch: patch.convolve(x, kernel)


def spectral_large_conv(large: SpectralKernel, dynamic: Tensor) -> Convolve:
    """As `dynamic_large_conv`, the shared kernel in the frequency domain."""
    half = large.size // 2

    def convolve(x: Tensor, patch: Patch) -> Tensor:
        return large(x, patch.missing(half)).add_(_own(dynamic, x, half, patch))

    return convolve


def _shared_and_own(large: Tensor, dynamic: Tensor, x: Tensor, patch: Patch) -> Tensor:
    return patch.convolve(x, large) + _own(dynamic, x, large.shape[-1] // 2, patch)


def _own(dynamic: Tensor, x: Tensor, margin: int, patch: Patch) -> Tensor:
    """x (B, P, h, w) through each image's kernels (B, P, 3, 3) -> the patch without its margin."""
    near = patch.shrunk(x, margin, 1)
    images = near.reshape(1, -1, *near.shape[2:])  # (1, B*P, h, w)
    own = patch.convolve(images, dynamic.reshape(-1, 1, 3, 3), groups=dynamic[..., 0, 0].numel())
    return own.view(*x.shape[:2], *own.shape[2:])


def factored_large_conv(channel: Tensor, spatial: Tensor, dynamic: Tensor) -> Convolve:
    """ESC-FP's form: a 1x1 `channel` (P, P, 1, 1), then a depthwise `spatial` (P, 1, k, k).

    Each image's dynamic (P, 3, 3) of (B, P, 3, 3) is added to the centre of the depthwise kernel;
    zero padding at the picture's borders.
    """
    size = spatial.shape[-1]
    kernels = spatial + _centred(dynamic, size).unsqueeze(2)  # (B, P, 1, k, k)
    kernels = kernels.reshape(-1, 1, size, size)

    def convolve(x: Tensor, patch: Patch) -> Tensor:
        mixed = F.conv2d(x, channel).reshape(1, -1, *x.shape[2:])  # (1, B*P, H, W)
        out = patch.convolve(mixed, kernels, groups=len(kernels))
        return out.reshape(*x.shape[:2], *out.shape[2:])

    return convolve


class DynamicKernels(nn.Module):
    """Predicts the dynamic kernels of the first P channels.

    The predictor's key differs between the families: `dwc_proj`, and `proj` in ESC-FP.
    """

    def __init__(self, pdim: int, *, factored: bool):
        super().__init__()
        self.name = "proj" if factored else "dwc_proj"
        self.add_module(self.name, KernelPredictor(pdim, pdim // 4 if factored else pdim // 2))

    def forward(self, average: Tensor) -> Tensor:
        """(B, P, 1, 1), the average over the picture -> (B, P, 3, 3)."""
        kernels: Tensor = self.get_submodule(self.name)(average)
        return kernels


class ConvAttn(nn.Module):
    """Convolution in place of attention: the large kernel on P channels, then a 1x1 over all."""

    def __init__(self, dim: int, pdim: int, *, factored: bool):
        super().__init__()
        self.plk = DynamicKernels(pdim, factored=factored)
        self.aggr = conv(dim, dim, 1)

    def forward(self, first: Tensor, x: Tensor, convolve: Convolve, patch: Patch) -> Tensor:
        """The ConvAttn of a patch x (B, C, ...), without a residual around it.

        first (B, P, ...) are its first channels with the margin of the large kernel.
        """
        out: Tensor = self.aggr(patch.with_first(x, convolve(first, patch)))
        return out
