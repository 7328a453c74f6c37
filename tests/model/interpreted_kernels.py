"""The Triton kernels against what torch computes; run by `test_triton_kernels.py`.

In a process of its own, because Triton decides at its import that it interprets.
"""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from esc_cli.model.attention import sdpa_attention
from esc_cli.model.layers import geometric_ensemble
from esc_cli.model.triton_attention import triton_attention
from esc_cli.model.triton_large_conv import distinct_taps, symmetric_conv


@pytest.mark.parametrize(("window", "asking"), [(4, 8), (6, 36)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_attention_of_windows(window: int, asking: int, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    k, v = (torch.randn(2, 2, window**2, 16, dtype=dtype) for _ in range(2))
    q, table = torch.randn(2, 2, asking, 16, dtype=dtype), torch.randn(2, (2 * window - 1) ** 2)
    expected = sdpa_attention(q.float(), k.float(), v.float(), table, window)
    found = triton_attention(q, k, v, table, window)
    assert found.dtype == dtype
    allowed = 1e-5 if dtype == torch.float32 else 5e-3
    torch.testing.assert_close(found.float(), expected, atol=allowed, rtol=allowed)


@pytest.mark.parametrize("channels", [4])
@pytest.mark.parametrize("missing", [(6, 6, 6, 6), (0, 6, 1, 0)])
def test_convolution_by_distinct_taps(channels: int, missing: tuple[int, int, int, int]) -> None:
    torch.manual_seed(0)
    kernel = geometric_ensemble(torch.randn(channels, channels, 13, 13))
    taps = distinct_taps(kernel)
    assert taps.shape == (28, channels, channels)
    x = torch.randn(1, channels, 13, 15)
    expected = F.conv2d(F.pad(x, missing), kernel)
    found = symmetric_conv(x, taps, 13, missing)
    torch.testing.assert_close(found, expected, atol=2e-3, rtol=1e-4)
