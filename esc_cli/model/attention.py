"""Window attention with relative positions, and the kernels that can compute it.

Shapes: B images, h heads, w the window's side, N = w * w tokens per window (row by row),
d = C / h channels per head.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from esc_cli.errors import UsageError
from esc_cli.model.biased_attention import BiasedAttention, masked_attention
from esc_cli.model.config import FLEX, MATH, SDPA
from esc_cli.model.layers import conv
from esc_cli.model.padding import reflect_to_multiple
from esc_cli.model.patches import Patch

TableAttention = Callable[[Tensor, Tensor, Tensor, Tensor, int], Tensor]
"""(q, k, v: (windows, h, N, d); table (h, (2w-1)^2); w) -> (windows, h, N, d).

q may have the first rows of each window alone; the result then has as many.
"""

BIAS_STD = 0.001
"""Standard deviation of a fresh table of relative positions."""


@lru_cache(maxsize=16)
@torch.inference_mode(False)  # a tensor made in inference mode could not serve in training
def relative_index(window: int, device: torch.device) -> Tensor:
    """Column of the table for each pair of tokens: (N, N) integers, [query, key].

    Query (qy, qx) and key (ky, kx) take column (ky-qy+w-1) * (2w-1) + (kx-qx+w-1), the transpose
    of Swin's convention. Built once per window size and device.
    """
    side = torch.arange(window, device=device)
    offset = side[None, :] - side[:, None] + window - 1  # (query, key) along one axis
    rows = offset[:, None, :, None] * (2 * window - 1)  # (qy, 1, ky, 1)
    return (rows + offset[None, :, None, :]).reshape(window**2, window**2)


def expand_table(table: Tensor, window: int) -> Tensor:
    """The bias of each pair of tokens, (h, N, N), from a table (h, (2w-1)^2)."""
    return table[:, relative_index(window, table.device)]


def sdpa_attention(q: Tensor, k: Tensor, v: Tensor, table: Tensor, window: int) -> Tensor:
    """Fused attention of torch with the expanded table as its mask; runs everywhere."""
    return masked_attention(q, k, v, expand_table(table, window).to(q.dtype))


def math_attention(q: Tensor, k: Tensor, v: Tensor, table: Tensor, window: int) -> Tensor:
    """Two products and a softmax: the quickest on a CPU when the table is trained.

    torch's fused kernel there has no gradient for a mask, and its fallback guards against rows
    that are masked as a whole, which do not exist here.
    """
    bias = expand_table(table, window).to(q.dtype)[:, : q.shape[-2]]
    scores = torch.matmul(q * q.shape[-1] ** -0.5, k.transpose(-1, -2)) + bias  # (windows, h, N, N)
    return torch.matmul(scores.softmax(-1), v)


@lru_cache(maxsize=2)
def _flex(compiled: bool) -> Callable[..., Tensor]:
    from torch.nn.attention.flex_attention import flex_attention as eager

    function: Callable[..., Any] = eager
    return torch.compile(function, dynamic=False) if compiled else function


def flex_attention(q: Tensor, k: Tensor, v: Tensor, table: Tensor, window: int) -> Tensor:
    """flex_attention with the table looked up inside the kernel; compiled on first use on CUDA.

    On another device the same function runs uncompiled: right, and slow.
    """
    table = table.to(q.dtype)

    def add_bias(score: Tensor, _batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        rows = key // window - query // window + window - 1
        columns = key % window - query % window + window - 1
        return score + table[head, rows * (2 * window - 1) + columns]

    return _flex(q.is_cuda)(q, k, v, score_mod=add_bias)


KERNELS: dict[str, TableAttention] = {
    SDPA.name: sdpa_attention,
    FLEX.name: flex_attention,
    MATH.name: math_attention,
}
"""What computes each of `config.ATTENTION_KERNELS`."""

PREPARED_BYTES = 64 << 20
"""Largest expanded bias that a network keeps per block; esc has 16 MiB, esc-xl 255 MiB."""


class WindowAttention(nn.Module):
    """Attention inside non-overlapping w x w windows, with a table of relative positions.

    (B, C, H, W) of any size in, the same shape out. `kernel` names the implementation; all give
    the same result. `margin`: what `gates` reads around a patch.
    """

    margin = 0

    def __init__(self, dim: int, window: int, heads: int):
        super().__init__()
        self.window, self.heads = window, heads
        self.kernel = SDPA.name
        self.biased: BiasedAttention | None = None
        self.to_qkv = conv(dim, 3 * dim, 1)
        self.to_out = conv(dim, dim, 1)
        self._add_positions()

    def _add_positions(self) -> None:
        columns = (2 * self.window - 1) ** 2
        self.relative_position_bias = nn.Parameter(torch.empty(self.heads, columns))
        nn.init.normal_(self.relative_position_bias, std=BIAS_STD)

    def prepare(self) -> None:
        """Expand the table once, if it is small enough to keep."""
        table = self.relative_position_bias
        if self._bias_bytes() <= PREPARED_BYTES:
            self.biased = BiasedAttention(expand_table(table, self.window).detach())

    def _bias_bytes(self) -> int:
        """What the bias of each pair of tokens takes."""
        return self.heads * self.window**4 * self.to_qkv.weight.element_size()

    def _attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        if self.biased is not None and self.kernel == SDPA.name:
            return self.biased(q, k, v)
        return KERNELS[self.kernel](q, k, v, self.relative_position_bias, self.window)

    def gates(self, x: Tensor, patch: Patch) -> Tensor | None:  # noqa: ARG002 - some have them
        """What the attention of a patch, given with its margin, is multiplied by; None: nothing."""
        return None

    def forward(self, x: Tensor, gates: Tensor | None = None) -> Tensor:
        """Return the attention of x, without a residual around it."""
        height, width = x.shape[-2:]
        qkv = self.to_qkv(reflect_to_multiple(x, self.window))
        q, k, v = self._to_windows(qkv).unbind(0)
        if height < self.window:  # the rest of each window is padding, and asks for nothing
            q = q[..., : height * self.window, :]
        y = self._from_windows(self._attend(q, k, v), qkv.shape)
        y = y[..., :height, :width]
        out: Tensor = self.to_out(y if gates is None else y * gates)
        return out

    def _to_windows(self, qkv: Tensor) -> Tensor:
        batch, channels, height, width = qkv.shape
        w, h = self.window, self.heads
        pixels = qkv.permute(0, 2, 3, 1)  # (B, H, W, 3C), dense when channels are last
        grid = pixels.reshape(batch, height // w, w, width // w, w, 3, h, channels // (3 * h))
        grid = grid.permute(5, 0, 1, 3, 6, 2, 4, 7)  # (3, B, rows, columns, h, w, w, d)
        return grid.reshape(3, -1, h, w * w, channels // (3 * h))  # (3, B*rows*columns, h, N, d)

    def _from_windows(self, y: Tensor, qkv_shape: torch.Size) -> Tensor:
        batch, channels, height, width = qkv_shape
        w, h = self.window, self.heads
        grid = y.reshape(batch, height // w, width // w, h, -1, w, channels // (3 * h))
        grid = grid.permute(0, 1, 4, 2, 5, 3, 6)  # (B, rows, w or less, columns, w, h, d)
        pixels = grid.reshape(batch, -1, width, channels // 3)  # (B, H, W, C)
        return pixels.permute(0, 3, 1, 2)  # (B, C, H, W), channels last


class FactoredBiasAttention(WindowAttention):
    """WindowAttention whose bias is a product of two factors of rank r, (h, N, r) each.

    With the factors appended to q and k, plain attention without a mask gives the same scores,
    so a fused kernel that takes no mask serves (FlashBias, Wu et al. 2025).
    """

    def factors(self) -> tuple[Tensor, Tensor]:
        """Those of queries and of keys."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Multiply the factors out once on a processor, if the result is small enough to keep.

        There a mask costs less than longer products.
        """
        if self.to_qkv.weight.device.type == "cpu" and self._bias_bytes() <= PREPARED_BYTES:
            asking, asked = (one.detach() for one in self.factors())
            self.biased = BiasedAttention((asking @ asked.mT).to(self.to_qkv.weight.dtype))

    def _attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        if self.biased is not None:
            return self.biased(q, k, v)
        windows, depth = q.shape[0], q.shape[-1]
        asking, asked = self.factors()
        factors_q = asking[:, : q.shape[-2]].to(q.dtype).expand(windows, -1, -1, -1)
        factors_k = asked.to(q.dtype).expand(windows, -1, -1, -1)
        q = torch.cat([q * depth**-0.5, factors_q], dim=-1)  # (windows, h, N, d + r)
        k = torch.cat([k, factors_k], dim=-1)
        v = F.pad(v, (0, asked.shape[-1]))
        return F.scaled_dot_product_attention(q, k, v, scale=1.0)[..., :depth]


class FlashBiasAttention(FactoredBiasAttention):
    """One whose factors are parameters."""

    def __init__(self, dim: int, window: int, heads: int, rank: int):
        self.rank = rank
        super().__init__(dim, window, heads)

    def _add_positions(self) -> None:
        shape = (self.heads, self.window**2, self.rank)
        std = (BIAS_STD / self.rank**0.5) ** 0.5  # the product then has about BIAS_STD
        self.flashbias_q = nn.Parameter(torch.empty(shape))
        self.flashbias_k = nn.Parameter(torch.empty(shape))
        nn.init.normal_(self.flashbias_q, std=std)
        nn.init.normal_(self.flashbias_k, std=std)

    def factors(self) -> tuple[Tensor, Tensor]:
        """The parameters."""
        return self.flashbias_q, self.flashbias_k


def set_attention_kernel(network: nn.Module, kernel: str) -> None:
    """Choose which of `KERNELS` computes every table attention in a network.

    FlashBias networks have one implementation and are left alone. Raises UsageError for a name
    that is not known.
    """
    if kernel not in KERNELS:
        raise UsageError(f"no attention kernel {kernel!r}", advice="known: " + ", ".join(KERNELS))
    for module in network.modules():
        if isinstance(module, WindowAttention):
            module.kernel = kernel
