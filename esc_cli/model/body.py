"""The trunk of every family: blocks of attention and convolution around one shared kernel."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from esc_cli.model.config import NetworkConfig
from esc_cli.model.families import FAMILIES
from esc_cli.model.layers import (
    ConvAttn,
    ConvFFN,
    Convolve,
    LargeConv,
    LayerNorm,
    conv,
    dynamic_large_conv,
    factored_large_conv,
    geometric_ensemble,
    spectral_large_conv,
)
from esc_cli.model.patches import Average, Patch, Patchwork
from esc_cli.model.rib import attention_of
from esc_cli.model.spectral import SpectralKernel


class Block(nn.Module):
    """ConvFFN, window attention, `conv_blocks` times (ConvFFN, ConvAttn), 3x3; residual."""

    def __init__(self, config: NetworkConfig):
        super().__init__()
        dim, factored = config.dim, FAMILIES[config.family].factored
        indices = range(config.conv_blocks)
        self.pdim, self.large_margin = config.pdim, config.kernel // 2
        self.ln_proj = LayerNorm(dim)
        self.proj = ConvFFN(dim, config.proj_hidden)
        self.ln_attn = LayerNorm(dim)
        self.attn = attention_of(config)
        norm = LayerNorm if config.use_ln else nn.Identity
        self.lns = nn.ModuleList(norm(dim) for _ in indices)
        self.pconvs = nn.ModuleList(ConvAttn(dim, config.pdim, factored=factored) for _ in indices)
        self.convffns = nn.ModuleList(ConvFFN(dim, config.hidden) for _ in indices)
        self.ln_out = LayerNorm(dim)
        self.conv_out = conv(dim, dim, 3)

    def forward(self, x0: Tensor, large: LargeConv, work: Patchwork) -> Tensor:
        """(B, C, H, W) -> the same shape, in the map "trunk"."""
        x = work.run(self._attend, (x0, 1 + self.attn.margin), into="x")
        for index in range(len(self.pconvs)):
            ln, ffn, pconv = self.lns[index], self.convffns[index], self._pconv(index)
            average = Average()
            mix = partial(self._mix, ln, ffn, average)
            y, first = work.run_keeping(self.pdim, mix, (x, 1), into="y")
            step = partial(self._convolve, pconv, large(pconv.plk(average.value(y.dtype))))
            x = work.run(step, (x, 0), (first, self.large_margin), (y, 0), into="x")
        out: Tensor = work.run(self._close, (x, 1), (x0, 0), into="trunk")
        return out

    def _pconv(self, index: int) -> ConvAttn:
        pconv = self.pconvs[index]
        assert isinstance(pconv, ConvAttn)  # noqa: S101 - for the type checker
        return pconv

    def _attend(self, patch: Patch, x0: Tensor) -> tuple[Tensor, Tensor]:
        left = self.attn.margin
        x: Tensor = self.proj(self.ln_proj(x0), patch, left)
        near = self.ln_attn(x)
        gates = self.attn.gates(near, patch)
        return patch.core(x, left), self.attn(patch.core(near, left), gates)

    def _mix(
        self, ln: nn.Module, ffn: nn.Module, average: Average, patch: Patch, x: Tensor
    ) -> Tensor:
        y: Tensor = ffn(ln(x), patch)
        average.add(y[:, : self.pdim])
        return y

    @staticmethod
    def _convolve(
        pconv: ConvAttn, convolve: Convolve, patch: Patch, x: Tensor, first: Tensor, y: Tensor
    ) -> tuple[Tensor, Tensor]:
        return x, pconv(first, y, convolve, patch)

    def _close(self, patch: Patch, x: Tensor, x0: Tensor) -> tuple[Tensor, Tensor]:
        return x0, patch.core(self.conv_out(self.ln_out(x)), 1)


def first_map(proj: nn.Module, picture: Tensor, work: Patchwork) -> Tensor:
    """The map (B, C, H, W) that the first block takes, from the network's first convolution."""
    return work.run(lambda patch, pixels: patch.core(proj(pixels), 1), (picture, 1), into="trunk")


class SharedKernel(nn.Module):
    """A network whose blocks share one large kernel, stored as `plk_filter`."""

    def __init__(self, config: NetworkConfig):
        super().__init__()
        self.plk_filter = nn.Parameter(
            torch.empty(config.pdim, config.pdim, config.kernel, config.kernel)
        )
        nn.init.orthogonal_(self.plk_filter)
        self.symmetric: Tensor | None = None
        self.spectral: SpectralKernel | None = None

    def prepare(self) -> None:
        """Make the kernel symmetric once, and transform it where that is quicker."""
        self.symmetric = geometric_ensemble(self.plk_filter).detach()
        if SpectralKernel.suits(self.symmetric):
            self.spectral = SpectralKernel(self.symmetric)

    def large_conv(self) -> LargeConv:
        """The convolution of this forward pass, its kernel made symmetric once for all blocks."""
        if self.spectral is not None:
            return partial(spectral_large_conv, self.spectral)
        kernel = geometric_ensemble(self.plk_filter) if self.symmetric is None else self.symmetric
        return partial(dynamic_large_conv, kernel)


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
        return partial(factored_large_conv, self.lk_channel, self.lk_spatial)


class Trunk(nn.ModuleList):
    """The blocks, one after the other; keys `blocks.j.*`."""

    def __init__(self, config: NetworkConfig):
        super().__init__(Block(config) for _ in range(config.n_blocks))

    def forward(self, x: Tensor, large: LargeConv, work: Patchwork) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        for block in self:
            x = block(x, large, work)
        return x
