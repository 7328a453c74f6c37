"""The trunk of every family: blocks of attention and convolution around one shared kernel."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from esc_cli.model.attention import window_attention
from esc_cli.model.config import NetworkConfig
from esc_cli.model.layers import (
    ConvAttn,
    ConvFFN,
    LargeConv,
    LayerNorm,
    conv,
    dynamic_large_conv,
    factored_large_conv,
    geometric_ensemble,
)


class Block(nn.Module):
    """ConvFFN, window attention, `conv_blocks` times (ConvFFN, ConvAttn), 3x3; residual."""

    def __init__(self, config: NetworkConfig):
        super().__init__()
        dim, factored = config.dim, config.family == "esc-fp"
        indices = range(config.conv_blocks)
        self.ln_proj = LayerNorm(dim)
        self.proj = ConvFFN(dim, config.proj_hidden)
        self.ln_attn = LayerNorm(dim)
        self.attn = window_attention(dim, config.window, config.heads, config.flashbias_rank)
        norm = LayerNorm if config.use_ln else nn.Identity
        self.lns = nn.ModuleList(norm(dim) for _ in indices)
        self.pconvs = nn.ModuleList(ConvAttn(dim, config.pdim, factored=factored) for _ in indices)
        self.convffns = nn.ModuleList(ConvFFN(dim, config.hidden) for _ in indices)
        self.ln_out = LayerNorm(dim)
        self.conv_out = conv(dim, dim, 3)

    def forward(self, x0: Tensor, large: LargeConv) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        x = self.proj(self.ln_proj(x0))
        x = x + self.attn(self.ln_attn(x))
        for ln, ffn, pconv in zip(self.lns, self.convffns, self.pconvs, strict=True):
            x = x + pconv(ffn(ln(x)), large)
        out: Tensor = self.conv_out(self.ln_out(x))
        return out + x0


class SharedKernel(nn.Module):
    """A network whose blocks share one large kernel, stored as `plk_filter`."""

    def __init__(self, config: NetworkConfig):
        super().__init__()
        self.plk_filter = nn.Parameter(
            torch.empty(config.pdim, config.pdim, config.kernel, config.kernel)
        )
        nn.init.orthogonal_(self.plk_filter)

    def large_conv(self) -> LargeConv:
        """The convolution of this forward pass, its kernel made symmetric once for all blocks."""
        large = geometric_ensemble(self.plk_filter)
        return lambda x, dynamic: dynamic_large_conv(x, large, dynamic)


class FactoredKernel(nn.Module):
    """A network whose shared kernel is `lk_channel` (1x1) times `lk_spatial` (depthwise)."""

    def __init__(self, config: NetworkConfig):
        super().__init__()
        self.lk_channel = nn.Parameter(torch.empty(config.pdim, config.pdim, 1, 1))
        self.lk_spatial = nn.Parameter(torch.empty(config.pdim, 1, config.kernel, config.kernel))
        nn.init.orthogonal_(self.lk_channel)
        nn.init.orthogonal_(self.lk_spatial)

    def large_conv(self) -> LargeConv:
        """The convolution of this forward pass."""
        return lambda x, dynamic: factored_large_conv(x, self.lk_channel, self.lk_spatial, dynamic)


class Trunk(nn.ModuleList):
    """The blocks, one after the other; keys `blocks.j.*`."""

    def __init__(self, config: NetworkConfig):
        super().__init__(Block(config) for _ in range(config.n_blocks))

    def forward(self, x: Tensor, large: LargeConv) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        for block in self:
            x = block(x, large)
        return x
