"""A network in a form that exporters can trace with any height, width and batch.

Exporters cannot follow Python decisions about sizes. Here the padding of the attention windows is
an index computed from the size, always applied, and the dynamic kernels, one per picture, are nine
shifted products instead of a convolution whose groups depend on the batch.
"""

from __future__ import annotations

import copy
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from esc_cli.errors import UsageError
from esc_cli.model import Network
from esc_cli.model.attention import WindowAttention
from esc_cli.model.body import FactoredKernel, SharedKernel
from esc_cli.model.config import NetworkConfig
from esc_cli.model.layers import LargeConv, geometric_ensemble
from esc_cli.model.padding import smallest_side
from esc_cli.model.patches import Extent, Patch, Patchwork, WholeMap


class ExportableNetwork(nn.Module):
    """(B, 3, H, W) RGB in [0, 1] -> (B, 3, H*s, W*s), float32, not clamped: as the network's.

    H and W are at least `least_side`; smaller pictures are for the caller to widen. The network
    given is not changed. Raises UsageError for ESC-LTE, whose output size belongs to each call.
    """

    def __init__(self, network: Network):
        super().__init__()
        check_exportable(network.config)
        self.config = network.config
        self.least_side = smallest_side(network.config)
        self.network = copy.deepcopy(network).float().cpu().eval().requires_grad_(False)
        _replace_attention(self.network)
        _replace_large_conv(self.network)

    def forward(self, x: Tensor) -> Tensor:
        """Upscale by `config.scale`."""
        side = Extent(0, 1, 1)  # a whole map never asks for its size
        work = Patchwork([WholeMap(side, side)], x.device)
        _, out = next(self.network.upscale(x, work))
        return out


def check_exportable(config: NetworkConfig) -> None:
    """Raise UsageError for a network that has no exportable form."""
    if config.any_scale:
        what = "networks of any scale cannot be exported: the output's size belongs to each call"
        raise UsageError(what)
    if config.unshuffle != 1:
        raise UsageError("networks with an unshuffled input cannot be exported")


def _replace_attention(network: nn.Module) -> None:
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, WindowAttention):
                setattr(module, name, ExportableAttention(child))


class ExportableAttention(nn.Module):
    """A `WindowAttention` whose padding is the same operations for every size."""

    def __init__(self, attention: WindowAttention):
        super().__init__()
        self.attention = attention
        attention.kernel = "sdpa"

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        w, h = self.attention.window, self.attention.heads
        batch, channels, height, width = x.shape
        depth = channels // h
        rows, columns = (height + w - 1) // w, (width + w - 1) // w
        qkv = self.attention.to_qkv(_mirrored(_mirrored(x, 2, rows * w), 3, columns * w))
        grid = qkv.reshape(batch, 3, h, depth, rows, w, columns, w)
        grid = grid.permute(1, 0, 4, 6, 2, 5, 7, 3).contiguous()  # (3, B, rows, cols, h, w, w, d)
        q, k, v = grid.reshape(3, batch * rows * columns, h, w * w, depth).unbind(0)
        y = self.attention._attend(q, k, v).reshape(batch, rows, columns, h, w, w, depth)
        y = y.permute(0, 3, 6, 1, 4, 2, 5).contiguous()  # (B, h, d, rows, w, columns, w)
        y = y.reshape(batch, channels, rows * w, columns * w)
        # Not a slice: that a padded side is no shorter than its own is beyond the exporters.
        y = y.index_select(2, torch.arange(height)).index_select(3, torch.arange(width))
        out: Tensor = self.attention.to_out(y)
        return out


def _mirrored(x: Tensor, dim: int, length: int) -> Tensor:
    """x lengthened to `length` by reflection at its end, an error where that is too far.

    ONNX would take an index below 0 for one from the end.
    """
    own = x.shape[dim]
    index = torch.arange(length)
    mirrored = 2 * (own - 1) - index
    mirrored = torch.where(mirrored < 0, own, mirrored)  # no index of x
    return x.index_select(dim, torch.where(index < own, index, mirrored))


def _replace_large_conv(network: Network) -> None:
    if isinstance(network, SharedKernel):
        network.register_buffer("large_kernel", geometric_ensemble(network.plk_filter).detach())
        convolve = _shared(network)
    elif isinstance(network, FactoredKernel):
        convolve = _factored(network)
    else:
        raise UsageError(f"{network.config.family} cannot be exported")
    # The instance's own from here on; its class has the one for inference and training.
    object.__setattr__(network, "large_conv", lambda: convolve)


def _shared(network: nn.Module) -> LargeConv:
    def convolve(dynamic: Tensor, x: Tensor, _patch: Patch) -> Tensor:
        large = network.get_buffer("large_kernel")
        return F.conv2d(x, large, padding=large.shape[-1] // 2) + _depthwise(x, dynamic)

    return lambda dynamic: partial(convolve, dynamic)


def _factored(network: FactoredKernel) -> LargeConv:
    def convolve(dynamic: Tensor, x: Tensor, _patch: Patch) -> Tensor:
        mixed = F.conv2d(x, network.lk_channel)
        spatial = network.lk_spatial
        half, groups = spatial.shape[-1] // 2, spatial.shape[0]
        own = F.conv2d(mixed, spatial, padding=half, groups=groups)
        return own + _depthwise(mixed, dynamic)

    return lambda dynamic: partial(convolve, dynamic)


def _depthwise(x: Tensor, kernels: Tensor) -> Tensor:
    """x (B, P, H, W) with each image's own kernels (B, P, 3, 3); zero padding."""
    height, width = x.shape[-2:]
    padded = F.pad(x, (1, 1, 1, 1))
    total = torch.zeros_like(x)
    for row in range(3):
        for column in range(3):
            moved = padded[..., row : row + height, column : column + width]
            total = total + moved * kernels[:, :, row, column, None, None]
    return total
