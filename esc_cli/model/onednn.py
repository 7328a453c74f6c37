"""Products by oneDNN, for processors.

Left alone, torch hands float32 matrix products to MKL, and with a single thread 1x1 convolutions
too. MKL keeps to 256-bit instructions on processors of other makers than its own; oneDNN takes
what the processor has.
"""

from __future__ import annotations

import platform
from functools import lru_cache
from typing import Final

import torch
from torch import Tensor, nn

ARCHITECTURES: Final = ("x86_64", "AMD64")
"""Where this was measured; elsewhere torch has other libraries below it."""


@lru_cache(maxsize=1)
def available() -> bool:
    """Whether this torch has the operations, and they do what is expected of them here.

    They are those that torch.compile puts in, which torch does not document: so they are tried.
    """
    if platform.machine() not in ARCHITECTURES or not torch.backends.mkldnn.is_available():
        return False
    x, weight = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0], [5.0, 6.0], [7.0, 8.0]])
    try:
        found = product_plus(x, weight, torch.ones(1, 3)), product(x, weight)
    except (AttributeError, RuntimeError):
        return False
    expected = torch.tensor([[11.0, 17.0, 23.0]])
    return torch.equal(found[0], expected + 1) and torch.equal(found[1], expected)


def suits(parameter: Tensor) -> bool:
    """Whether products with this parameter are quicker here: float32, on such a processor."""
    return parameter.device.type == "cpu" and parameter.dtype == torch.float32 and available()


def active() -> bool:
    """Whether calls go to oneDNN now: torch.compile chooses its own libraries."""
    return not torch.compiler.is_compiling()


def product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x (..., K), weight (N, K), bias (N) -> x weight^T + bias, (..., N).

    A weight in strides is copied first: oneDNN would take a thousand times as long.
    """
    weight = weight.contiguous()
    out: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return out


def product_plus(x: Tensor, weight: Tensor, summand: Tensor) -> Tensor:
    """x (M, K), weight (N, K), summand (M, N) -> x weight^T + summand, in one go.

    As to strides, see `product`.
    """
    weight = weight.contiguous()
    linear = torch.ops.mkldnn._linear_pointwise.binary
    out: Tensor = linear(x, summand, weight, None, "add")
    return out


class Prepared:
    """A layer that goes by oneDNN once prepared for a processor that it suits."""

    weight: Tensor
    direct = False

    def prepare(self) -> None:
        """Choose the library for inference."""
        self.direct = suits(self.weight)


class PointwiseConv(Prepared, nn.Conv2d):
    """A 1x1 convolution."""

    def __init__(self, cin: int, cout: int):
        super().__init__(cin, cout, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, cin, H, W) -> (B, cout, H, W)."""
        if not (self.direct and active()):
            return super().forward(x)
        return torch.mkldnn_convolution(x, self.weight, self.bias, (0, 0), (1, 1), (1, 1), 1)


class Linear(Prepared, nn.Linear):
    """A linear layer."""

    def forward(self, x: Tensor) -> Tensor:
        """(..., cin) -> (..., cout)."""
        if not (self.direct and active()):
            return super().forward(x)
        return product(x, self.weight, self.bias)
