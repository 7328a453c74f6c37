"""Products by oneDNN are the products, and prepared networks use them."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from esc_cli.engine.prepare import ready
from esc_cli.model import Network, onednn
from esc_cli.model.config import NetworkConfig
from esc_cli.model.onednn import Linear, PointwiseConv, product, product_plus

needs_onednn = pytest.mark.skipif(not onednn.available(), reason="needs oneDNN on x86-64")


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def assert_close(got: Tensor, exact: Tensor) -> None:
    torch.testing.assert_close(got.double(), exact, rtol=0, atol=1e-6 * float(exact.abs().max()))


@needs_onednn
@pytest.mark.parametrize(("rows", "inner", "columns"), [(1, 1, 1), (7, 16, 33), (640, 16, 1024)])
def test_a_product_is_that_of_the_transposed_weight(rows: int, inner: int, columns: int) -> None:
    x, weight, bias = noise(rows, inner), noise(columns, inner), noise(columns)
    exact = x.double() @ weight.double().T
    assert_close(product(x, weight), exact)
    assert_close(product(x, weight, bias), exact + bias.double())
    summand = noise(rows, columns)
    assert_close(product_plus(x, weight, summand), exact + summand.double())


@needs_onednn
def test_weights_in_strides_take_no_slow_way() -> None:
    """Unmended, this takes half a second instead of half a millisecond."""
    x, weight = noise(1024, 16), noise(1024, 3, 16)[:, 1]
    product_plus(x, noise(1024, 16), torch.zeros(1024, 1024))  # whatever comes once
    start = time.process_time()
    got = product_plus(x, weight, torch.zeros(1024, 1024)), product(x, weight)
    assert time.process_time() - start < 0.25
    exact = x.double() @ weight.double().T
    for result in got:
        assert_close(result, exact)


@needs_onednn
@pytest.mark.parametrize("last", [True, False])
def test_a_prepared_pointwise_convolution_is_the_convolution(last: bool) -> None:
    layer, x = PointwiseConv(6, 10).requires_grad_(False), noise(2, 6, 5, 9)
    x = x.contiguous(memory_format=torch.channels_last) if last else x
    assert layer.bias is not None
    exact = F.conv2d(x.double(), layer.weight.double(), layer.bias.double())
    assert_close(layer(x), exact)
    layer.prepare()
    assert layer.direct
    assert_close(layer(x), exact)


@needs_onednn
def test_a_prepared_linear_layer_is_the_linear_layer() -> None:
    layer, x = Linear(6, 10).requires_grad_(False), noise(2, 5, 6)
    exact = F.linear(x.double(), layer.weight.double(), layer.bias.double())
    layer.prepare()
    assert layer.direct
    assert_close(layer(x), exact)


def left_to_others(network: Network, x: Tensor) -> int:
    """1x1 convolutions of a map that oneDNN does not do."""
    with torch.inference_mode(), torch.profiler.profile(record_shapes=True) as profile:
        network(x)
    shapes = [
        event.input_shapes
        for event in profile.events()
        if event.name == "aten::_slow_conv2d_forward"
    ]
    return sum(shape[1][-1] == 1 and shape[0][-1] > 1 for shape in shapes)


@needs_onednn
def test_no_pointwise_convolution_is_left_to_another_library_with_one_thread(
    small_esc: NetworkConfig, seeded: Callable[..., Network]
) -> None:
    network, x, threads = seeded(small_esc), noise(1, 3, 40, 40), torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        assert left_to_others(network, x) > 0
        assert left_to_others(ready(network, torch.device("cpu"), torch.float32), x) == 0
    finally:
        torch.set_num_threads(threads)


def test_half_precision_and_other_devices_are_left_alone() -> None:
    assert not onednn.suits(torch.zeros(1, dtype=torch.bfloat16))
    assert not onednn.suits(torch.zeros(1, device="meta"))
