"""The large convolution in the frequency domain is the convolution."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from esc_cli.model.layers import dynamic_large_conv, geometric_ensemble, spectral_large_conv
from esc_cli.model.patches import cut
from esc_cli.model.spectral import TILE, SpectralKernel

needs_mkl = pytest.mark.skipif(not torch.backends.mkl.is_available(), reason="needs MKL")


def noise(*shape: int) -> Tensor:
    torch.manual_seed(sum(shape))
    return torch.randn(shape)


def symmetric(channels: int) -> Tensor:
    return geometric_ensemble(noise(channels, channels, 13, 13))


def assert_close(got: Tensor, exact: Tensor) -> None:
    torch.testing.assert_close(got.double(), exact, rtol=0, atol=2e-6 * float(exact.abs().max()))


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("size", [(1, 1), (7, 150), (36, 52), (37, 53), (100, 21)])
def test_any_size_is_convolved_as_directly(size: tuple[int, int], batch: int) -> None:
    x, kernel = noise(batch, 4, *size), symmetric(4)
    got = SpectralKernel(kernel)(x, (6, 6, 6, 6))
    assert_close(got, F.conv2d(x.double(), kernel.double(), padding=6))


@pytest.mark.parametrize("padding", [(0, 6, 0, 6), (6, 0, 3, 0), (0, 0, 0, 0)])
def test_margins_that_exist_are_not_padded(padding: tuple[int, int, int, int]) -> None:
    x, kernel = noise(1, 8, 50, 90), symmetric(8)
    exact = F.conv2d(F.pad(x.double(), padding), kernel.double())
    assert_close(SpectralKernel(kernel)(x, padding), exact)


@pytest.mark.parametrize("batch", [1, 3])
def test_patches_with_dynamic_kernels_give_the_convolution_of_the_whole_map(batch: int) -> None:
    x, kernel, dynamic = noise(batch, 4, 70, 90), symmetric(4), noise(batch, 4, 3, 3)
    (all_of_it,) = cut(70, 90, 32, None)
    exact = dynamic_large_conv(kernel.double(), dynamic.double())(x.double(), all_of_it)
    convolve = spectral_large_conv(SpectralKernel(kernel), dynamic)
    for patch in [all_of_it, *cut(70, 90, 32, 1)]:
        assert_close(convolve(patch.read(x, 6), patch), patch.read(exact))


def test_a_strip_of_windows_with_its_margins_fits_a_tile() -> None:
    assert TILE[0] >= 32 + 13 - 1


@needs_mkl
def test_it_serves_where_it_was_measured_to_be_quicker() -> None:
    assert SpectralKernel.suits(symmetric(4))
    assert not SpectralKernel.suits(symmetric(4).bfloat16())
    assert not SpectralKernel.suits(symmetric(4).to("meta"))
