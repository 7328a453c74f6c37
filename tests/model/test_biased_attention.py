"""Attention with a bias that is known beforehand equals its definition, whichever way it goes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from esc_cli.model import biased_attention, onednn
from esc_cli.model.attention import FlashBiasAttention, WindowAttention
from esc_cli.model.biased_attention import FEWEST_TOKENS, BiasedAttention, masked_attention
from esc_cli.model.network import prepare

HEADS, TOKENS, DEPTH = 2, FEWEST_TOKENS, 8
needs_onednn = pytest.mark.skipif(not onednn.available(), reason="needs oneDNN on x86-64")


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def asked(windows: int, rows: int = TOKENS) -> list[Tensor]:
    """q, k, v; q of the first rows alone."""
    q, k, v = noise(3, windows, HEADS, TOKENS, DEPTH).unbind()
    return [q[..., :rows, :], k, v]


def slowly(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
    q, k, v, bias = (x.double() for x in (q, k, v, bias))
    scores = q @ k.mT / DEPTH**0.5 + bias[:, : q.shape[-2]]
    return scores.softmax(dim=-1) @ v


def assert_close(got: Tensor, exact: Tensor) -> None:
    torch.testing.assert_close(got.double(), exact, rtol=0, atol=2e-6 * float(exact.abs().max()))


@pytest.fixture
def fused(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows when torch's fused kernel is asked; it answers as ever."""
    calls: list[int] = []

    def noted(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
        calls.append(len(q))
        return masked_attention(q, k, v, bias)

    monkeypatch.setattr(biased_attention, "masked_attention", noted)
    return calls


@needs_onednn
@pytest.mark.parametrize(("windows", "rows"), [(1, TOKENS), (3, TOKENS), (2, 320), (1, 1)])
def test_large_windows_go_by_single_products(windows: int, rows: int, fused: list[int]) -> None:
    bias, tensors = noise(HEADS, TOKENS, TOKENS), asked(windows, rows)
    assert_close(BiasedAttention(bias)(*tensors), slowly(*tensors, bias))
    assert not fused


@needs_onednn
def test_scores_may_be_as_large_as_the_bound_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Powers from 2^-79 to 2^79, and rows that hold the small ones alone."""
    sizes = []
    monkeypatch.setattr(
        biased_attention, "_powers", lambda s, small: sizes.append(small) or s.exp2_()
    )
    _, k, v = asked(1)
    q, bias = (
        torch.zeros_like(k),
        torch.full((HEADS, TOKENS, TOKENS), -79.0 / biased_attention.LOG2_E),
    )
    bias[:, ::2] *= torch.linspace(-1, 1, TOKENS)
    got = BiasedAttention(bias)(q, k, v)
    torch.testing.assert_close(got.double(), slowly(q, k, v, bias), rtol=0, atol=2e-6)
    assert sizes == [True] * HEADS


@needs_onednn
@pytest.mark.parametrize("where", ["queries", "bias"])
@pytest.mark.parametrize("sign", [1, -1])
def test_scores_that_could_leave_the_range_of_powers_are_right(
    where: str, sign: int, fused: list[int]
) -> None:
    bias, (q, k, v) = noise(HEADS, TOKENS, TOKENS), asked(1)
    if where == "queries":
        q = q * 200 * sign
    else:
        bias = bias * 40 + sign * 300
    got = BiasedAttention(bias)(q, k, v)
    torch.testing.assert_close(got.double(), slowly(q, k, v, bias), rtol=0, atol=2e-4)
    assert not fused


@needs_onednn
def test_what_is_not_a_number_stays_so() -> None:
    bias, (q, k, v) = noise(HEADS, TOKENS, TOKENS), asked(1)
    q[0, 1, 5, 2] = float("nan")
    got = BiasedAttention(bias)(q, k, v)
    assert got[0, 1, 5].isnan().all()
    assert not got[0, 0].isnan().any()


def test_small_windows_and_half_precision_go_to_the_fused_kernel(fused: list[int]) -> None:
    q, k, v = noise(3, 2, HEADS, 64, DEPTH).unbind()
    bias = noise(HEADS, 64, 64)
    assert_close(BiasedAttention(bias)(q, k, v), slowly(q, k, v, bias))
    halves = [x.bfloat16() for x in (*asked(1), noise(HEADS, TOKENS, TOKENS))]
    *tensors, bias = halves
    got = BiasedAttention(bias)(*tensors)
    torch.testing.assert_close(got.double(), slowly(*tensors, bias), rtol=0, atol=0.05)
    assert fused == [2, 1]


@needs_onednn
def test_torch_compile_can_follow_what_was_prepared() -> None:
    attention, x = WindowAttention(8, 32, 2).requires_grad_(False), noise(1, 8, 32, 32)
    expected = attention(x)
    prepare(attention)
    compiled = torch.compile(attention, backend="aot_eager", fullgraph=True)
    with torch.inference_mode():
        torch.testing.assert_close(compiled(x), expected, rtol=0, atol=1e-5)


def test_flashbias_multiplied_out_gives_the_same() -> None:
    torch.manual_seed(0)
    attention, x = FlashBiasAttention(8, 8, 2, rank=5).requires_grad_(False), noise(1, 8, 11, 20)
    attention.flashbias_q.copy_(noise(2, 64, 5))
    attention.flashbias_k.copy_(noise(2, 64, 5).flip(0))
    expected = attention(x)
    attention.prepare()
    assert attention.biased is not None
    torch.testing.assert_close(attention(x), expected, rtol=0, atol=1e-5)
