"""State dicts turned into those of a related network: another scale, another attention."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from esc_cli.model.attention import expand_table

State = dict[str, Tensor]


def to_scale(state: State, scale: int) -> State:
    """The state of a classic ESC or ESC-FP with its head converted to another scale.

    The head's s x s sub-pixels are resized bilinearly, as a starting point for fine-tuning x3
    and x4 from x2. At inference a scale that does not match is an error instead.
    """
    converted = dict(state)
    for key in ("to_img.weight", "to_img.bias"):
        converted[key] = _resize_subpixels(state[key], scale)
    return converted


def _resize_subpixels(head: Tensor, scale: int) -> Tensor:
    """(3*s*s, ...) -> (3*scale*scale, ...), the output channels being (3, s, s)."""
    old = round((head.shape[0] / 3) ** 0.5)
    rest = head[0].numel()
    subpixels = head.reshape(3, old, old, rest).permute(3, 0, 1, 2)  # (cin*kh*kw, 3, s, s)
    resized = F.interpolate(subpixels, (scale, scale), mode="bilinear", align_corners=False)
    return resized.permute(1, 2, 3, 0).reshape(3 * scale**2, *head.shape[1:])


def table_to_factors(table: Tensor, window: int, rank: int) -> tuple[Tensor, Tensor]:
    """FlashBias factors (h, N, rank) whose product is closest to the expanded table.

    The rank-r singular value decomposition, with the root of the singular values on both sides.
    """
    bias = expand_table(table, window).double()  # (h, N, N)
    left, values, right = torch.linalg.svd(bias, full_matrices=False)
    root = values[:, :rank].sqrt()
    factor_q = left[..., :rank] * root.unsqueeze(1)
    factor_k = right[:, :rank].transpose(1, 2) * root.unsqueeze(1)
    return factor_q.to(table.dtype), factor_k.to(table.dtype)


def to_flashbias(state: State, window: int, rank: int) -> State:
    """The state of a network with tables as one with FlashBias factors of the given rank."""
    converted: State = {}
    for key, value in state.items():
        name, dot, last = key.rpartition(".")
        if last != "relative_position_bias":
            converted[key] = value
            continue
        factors = table_to_factors(value, window, rank)
        converted[f"{name}{dot}flashbias_q"], converted[f"{name}{dot}flashbias_k"] = factors
    return converted
