"""The geometric ensemble, the two large convolutions, and LayerNorm, against their definitions."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from esc_cli.model.layers import (
    LayerNorm,
    dynamic_large_conv,
    factored_large_conv,
    geometric_ensemble,
)
from esc_cli.model.patches import Patch, cut


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def test_a_13x13_kernel_has_28_distinct_taps_after_the_geometric_ensemble() -> None:
    ensembled = geometric_ensemble(noise(2, 3, 13, 13))
    for kernel in ensembled.flatten(0, 1):
        assert len(kernel.flatten().mul(1e9).round().unique()) == 28


def test_the_geometric_ensemble_is_the_mean_over_flips_and_quarter_turns() -> None:
    kernel = noise(2, 3, 13, 13)
    turned = [kernel.rot90(k, (-2, -1)) for k in range(4)]
    mean = torch.stack([*turned, *(t.flip(-1) for t in turned)]).mean(dim=0)
    torch.testing.assert_close(geometric_ensemble(kernel), mean, rtol=0, atol=1e-12)


def whole(x: Tensor) -> Patch:
    return cut(x.shape[-2], x.shape[-1], 1, None)[0]


def test_the_shared_kernel_and_the_dynamic_one_add_up() -> None:
    x, large, dynamic = noise(3, 4, 9, 14), noise(4, 4, 13, 13), noise(3, 4, 3, 3)
    for count in (1, 3):  # one image and a batch take different ways
        own = [
            F.conv2d(image[None], kernels[:, None], padding=1, groups=4)
            for image, kernels in zip(x[:count], dynamic[:count], strict=True)
        ]
        expected = F.conv2d(x[:count], large, padding=6) + torch.cat(own)
        got = dynamic_large_conv(large, dynamic[:count])(x[:count], whole(x))
        torch.testing.assert_close(got, expected, rtol=0, atol=1e-10)


def test_the_factored_kernel_mixes_channels_first_and_has_the_dynamic_one_at_its_centre() -> None:
    x, channel, spatial = noise(3, 4, 9, 14), noise(4, 4, 1, 1), noise(4, 1, 13, 13)
    dynamic = noise(3, 4, 3, 3)
    mixed = F.conv2d(x, channel)
    own = [
        F.conv2d(image[None], kernels[:, None], padding=1, groups=4)
        for image, kernels in zip(mixed, dynamic, strict=True)
    ]
    expected = F.conv2d(mixed, spatial, padding=6, groups=4) + torch.cat(own)
    got = factored_large_conv(channel, spatial, dynamic)(x, whole(x))
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-10)


def test_layer_norm_normalises_the_channels_of_each_pixel() -> None:
    x = noise(2, 16, 3, 5) * 7 + 3
    norm = LayerNorm(16).double()
    with torch.no_grad():
        norm.weight.copy_(torch.arange(16) + 1)
        norm.bias.copy_(torch.arange(16))
    mean, variance = x.mean(dim=1, keepdim=True), x.var(dim=1, keepdim=True, correction=0)
    shape = (1, 16, 1, 1)
    expected = (x - mean) / (variance + 1e-6).sqrt() * norm.weight.view(shape)
    torch.testing.assert_close(norm(x), expected + norm.bias.view(shape), rtol=0, atol=1e-10)
