"""Window attention against its definition, and its kernels against each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from esc_cli.errors import UsageError
from esc_cli.model import Network
from esc_cli.model.attention import (
    KERNELS,
    FlashBiasAttention,
    WindowAttention,
    expand_table,
    relative_index,
    set_attention_kernel,
)
from esc_cli.model.config import ATTENTION_KERNELS, NetworkConfig

CPU = torch.device("cpu")
pytestmark = pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("w", [1, 2, 5, 8])
def test_the_relative_index_equals_a_loop_over_query_and_key(w: int) -> None:
    expected = torch.empty(w * w, w * w, dtype=torch.long)
    for qy, qx, ky, kx in torch.cartesian_prod(*[torch.arange(w)] * 4).view(-1, 4).tolist():
        column = (ky - qy + w - 1) * (2 * w - 1) + (kx - qx + w - 1)
        expected[qy * w + qx, ky * w + kx] = column
    assert torch.equal(relative_index(w, CPU), expected)


def slow_attention(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
    scores = q @ k.mT / q.shape[-1] ** 0.5 + bias
    return scores.softmax(dim=-1) @ v


def test_every_kernel_that_has_a_name_has_what_computes_it() -> None:
    assert list(KERNELS) == list(ATTENTION_KERNELS)
    assert all(kernel.name == name for name, kernel in ATTENTION_KERNELS.items())


@pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)
def test_a_kernel_computes_softmax_attention_with_the_expanded_table(
    kernel: Callable[..., Tensor],
) -> None:
    q, k, v = noise(3, 6, 2, 16, 8)
    table = noise(2, 49)
    expected = slow_attention(q, k, v, expand_table(table, 4))
    torch.testing.assert_close(kernel(q, k, v, table, 4), expected, rtol=0, atol=1e-5)


def test_both_kernels_give_a_network_the_same_output(
    small_esc: NetworkConfig, seeded: Callable[..., Network]
) -> None:
    network, x = seeded(replace(small_esc, window=4)), noise(1, 3, 9, 10)
    with torch.inference_mode():
        sdpa = network(x)
        set_attention_kernel(network, "flex")
        flex = network(x)
    kernels = {m.kernel for m in network.modules() if isinstance(m, WindowAttention)}
    assert kernels == {"flex"}
    torch.testing.assert_close(flex, sdpa, rtol=0, atol=1e-5)


def test_an_unknown_kernel_is_refused_with_the_known_ones(small_esc: NetworkConfig) -> None:
    with pytest.raises(UsageError, match=r"'fast'.*sdpa, flex"):
        set_attention_kernel(WindowAttention(8, 4, 2), "fast")


def test_attention_stays_inside_its_window() -> None:
    torch.manual_seed(0)
    attention, x = WindowAttention(8, 4, 2), noise(1, 8, 8, 12)
    changed = x.clone()
    changed[..., 4:8, 4:8] += 1
    with torch.inference_mode():
        moved = (attention(changed) - attention(x)).abs().amax(dim=(0, 1)) > 0
    expected = torch.zeros(8, 12, dtype=torch.bool)
    expected[4:8, 4:8] = True
    assert torch.equal(moved, expected)


def test_windows_at_the_border_see_the_map_reflected() -> None:
    torch.manual_seed(0)
    attention, x = WindowAttention(8, 4, 2), noise(1, 8, 6, 7)
    reflected = torch.cat([x, x[..., 5:6]], dim=-1)
    reflected = torch.cat([reflected, reflected[..., 4:5, :], reflected[..., 3:4, :]], dim=-2)
    with torch.inference_mode():
        expected = attention(reflected)[..., :6, :7]
        torch.testing.assert_close(attention(x), expected, rtol=0, atol=1e-6)


def test_flashbias_adds_the_product_of_its_factors_to_the_scores() -> None:
    torch.manual_seed(0)
    attention, x = FlashBiasAttention(8, 4, 2, rank=5), noise(1, 8, 4, 4)
    with torch.inference_mode():
        attention.flashbias_q.copy_(noise(2, 16, 5))
        attention.flashbias_k.copy_(noise(2, 16, 5).flip(0))
        qkv = attention.to_qkv(x).view(3, 2, 4, 16).transpose(2, 3)  # (3, h, N, d)
        q, k, v = qkv.unbind(0)
        bias = attention.flashbias_q @ attention.flashbias_k.mT
        mixed = slow_attention(q, k, v, bias)  # (h, N, d)
        expected = attention.to_out(mixed.transpose(1, 2).reshape(1, 8, 4, 4))
        torch.testing.assert_close(attention(x), expected, rtol=0, atol=1e-5)
