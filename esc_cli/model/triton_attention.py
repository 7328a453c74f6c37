"""Window attention as one Triton kernel, the table of relative positions looked up in it.

Scores of a window never reach the device's memory, and no expanded bias does: for each pair of a
row of queries and a row of keys, the one row of the table that belongs to it lies in shared memory,
from which each score takes its value. The softmax is computed on the way (Milakov and Gimelshein,
"Online normalizer calculation for softmax", 2018). Not measured on a GPU, and off by default.
"""

from __future__ import annotations

import math
from typing import Any, Final

import torch
import triton
import triton.language as tl
from torch import Tensor

QUERIES: Final = 64
"""About so many queries are at work in one program: whole rows of a window."""
LOG2_E: Final = math.log2(math.e)


@triton.jit
def attention_kernel(
    q_ptr, k_ptr, v_ptr, table_ptr, out_ptr,
    asking, heads, scale,
    WINDOW: tl.constexpr, SIDE: tl.constexpr, ROWS: tl.constexpr, DEPTH: tl.constexpr,
    COLUMNS: tl.constexpr,
):  # fmt: skip
    """One program: ROWS rows of queries of one head of one window against all its keys.

    q, out (windows * heads, asking, DEPTH), k, v (windows * heads, WINDOW^2, DEPTH), dense; table
    (heads, (2 WINDOW - 1)^2). SIDE and COLUMNS are the powers of two from WINDOW and from
    2 WINDOW - 1 on; what they add is masked.
    """
    pair = tl.program_id(1)
    first = tl.program_id(0) * ROWS
    row = first + tl.arange(0, ROWS)
    side = tl.arange(0, SIDE)
    depth = tl.arange(0, DEPTH)
    query = tl.reshape(row[:, None] * WINDOW + side[None, :], (ROWS * SIDE,))
    real = tl.reshape((side[None, :] < WINDOW) & (row[:, None] * 0 == 0), (ROWS * SIDE,))
    real = real & (query < asking)
    at = query[:, None] * DEPTH + depth[None, :]
    q = tl.load(q_ptr + pair * asking * DEPTH + at, mask=real[:, None], other=0.0)
    # Column of the table for each query's and key's place in their rows: kx - qx + w - 1.
    column = side[None, :] - side[:, None] + WINDOW - 1
    column = tl.minimum(tl.maximum(column, 0), COLUMNS - 1)
    own_row = tl.arange(0, ROWS) * COLUMNS
    place = own_row[:, None] + tl.reshape(column, (1, SIDE * SIDE))
    place = tl.reshape(place, (ROWS * SIDE * SIDE,))
    wide: tl.constexpr = 2 * WINDOW - 1
    across = tl.arange(0, COLUMNS)
    table = table_ptr + (pair % heads) * wide * wide
    best = tl.full((ROWS * SIDE,), float("-inf"), tl.float32)
    total = tl.zeros((ROWS * SIDE,), tl.float32)
    mixed = tl.zeros((ROWS * SIDE, DEPTH), tl.float32)
    for key_row in range(WINDOW):
        key = key_row * WINDOW + side
        key_at = pair * WINDOW * WINDOW * DEPTH + key[:, None] * DEPTH + depth[None, :]
        inside = (side < WINDOW)[:, None]
        k = tl.load(k_ptr + key_at, mask=inside, other=0.0)
        v = tl.load(v_ptr + key_at, mask=inside, other=0.0)
        table_row = key_row - row + WINDOW - 1
        entry = table_row[:, None] * wide + across[None, :]
        known = (across < wide)[None, :] & (row < WINDOW)[:, None]
        bias_rows = tl.load(table + entry, mask=known, other=0.0).to(tl.float32)
        flat = tl.reshape(bias_rows, (ROWS * COLUMNS,))
        bias = tl.reshape(tl.gather(flat, place, axis=0), (ROWS * SIDE, SIDE))
        scores = tl.dot(q, tl.trans(k), input_precision="ieee") * scale + bias
        scores = tl.where((side < WINDOW)[None, :], scores * 1.4426950408889634, float("-inf"))
        highest = tl.maximum(best, tl.max(scores, 1))
        powers = tl.exp2(scores - highest[:, None])
        kept = tl.exp2(best - highest)
        total = total * kept + tl.sum(powers, 1)
        mixed = mixed * kept[:, None]
        mixed += tl.dot(powers.to(v.dtype), v, input_precision="ieee")
        best = highest
    mixed = mixed / total[:, None]
    out = out_ptr + pair * asking * DEPTH + at
    tl.store(out, mixed.to(out_ptr.dtype.element_ty), mask=real[:, None])


def launch(q: Tensor, window: int) -> tuple[tuple[int, int], dict[str, Any]]:
    """The grid of programs for queries (windows, h, M, d), and the kernel's constants."""
    windows, heads, asking, depth = q.shape
    side = triton.next_power_of_2(window)
    rows = max(1, QUERIES // side)
    grid = (triton.cdiv(asking, rows * window), windows * heads)
    columns = triton.next_power_of_2(2 * window - 1)
    names = ("WINDOW", "SIDE", "ROWS", "DEPTH", "COLUMNS")
    return grid, dict(zip(names, (window, side, rows, depth, columns), strict=True))


def triton_attention(q: Tensor, k: Tensor, v: Tensor, table: Tensor, window: int) -> Tensor:
    """See `model.attention.TableAttention`; d is 16 or a larger power of two."""
    q, k, v = (x.contiguous() for x in (q, k, v))
    out = torch.empty_like(q)
    grid, constants = launch(q, window)
    scale = q.shape[-1] ** -0.5
    tables = table.contiguous()
    attention_kernel[grid](q, k, v, tables, out, q.shape[2], q.shape[1], scale, **constants)
    return out
