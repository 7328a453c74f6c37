"""Attention with a bias that is known beforehand, the quickest way that a device has.

Shapes as in `esc_cli.model.attention`: q, k, v (windows, h, N, d), bias (h, N, N). Queries may be
the first few of each window.
"""

from __future__ import annotations

import math
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from esc_cli.model.onednn import active, product, product_plus, suits

LOG2_E: Final = math.log2(math.e)
LARGEST_POWER: Final = 80.0
"""Scores within +-80: thousands of their powers of two added up, and these times values of up to
10^10, stay within float32, whose exponents end at -126 and 127."""
FEWEST_TOKENS: Final = 1024
"""Tokens of a window, 32 x 32, from which single products repay the calls."""


def masked_attention(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
    """Fused attention of torch with a bias as its mask."""
    bias = bias[:, : q.shape[-2]]
    if q.device.type != "cpu":
        return F.scaled_dot_product_attention(q, k, v, attn_mask=bias.unsqueeze(0))
    # Heads first: all windows of a head in turn, so that its part of the mask stays in the cache.
    q, k, v = (x.transpose(0, 1) for x in (q, k, v))  # (h, windows, N, d)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=bias.unsqueeze(1)).transpose(0, 1)


class BiasedAttention:
    """Attention with one bias (h, N, N) for all calls.

    Where oneDNN suits, it goes by single products, one head of one window at a time.
    """

    def __init__(self, bias: Tensor) -> None:
        self._by_products = bias.shape[-1] >= FEWEST_TOKENS and suits(bias)
        self._bias = bias * LOG2_E if self._by_products else bias
        self._largest = float(self._bias.abs().max()) if self._by_products else 0.0

    def __call__(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """The attention of windows."""
        if not self._by_products:
            return masked_attention(q, k, v, self._bias)
        if not active():
            return masked_attention(q, k, v, self._bias / LOG2_E)
        q = q * (LOG2_E * q.shape[-1] ** -0.5)  # scores are exponents of 2 from here on
        small = self._largest_score(q, k) <= LARGEST_POWER
        out, values = q.new_empty(q.shape), v.mT.contiguous()  # (windows, h, d, N)
        for head, bias in enumerate(self._bias[:, : q.shape[-2]]):  # heads first, as above
            for window in range(q.shape[0]):
                scores = product_plus(q[window, head], k[window, head], bias)
                powers = _powers(scores, small)
                mixed, total = product(powers, values[window, head]), powers.sum(-1, keepdim=True)
                torch.div(mixed, total, out=out[window, head])
        return out

    def _largest_score(self, q: Tensor, k: Tensor) -> float:
        """A bound of all |scores|, by the inequality of Cauchy and Schwarz; NaN if one is."""
        lengths = q.norm(dim=-1).max() * k.norm(dim=-1).max()
        return float(lengths) + self._largest


def _powers(scores: Tensor, small: bool) -> Tensor:
    """2^scores in their place, each row times what keeps it in range, if they are not small.

    Powers of two, because torch has no exponential as quick as its exp2.
    """
    if not small:
        scores.sub_(scores.amax(-1, keepdim=True))
    return scores.exp2_()
