"""What every network promises of its inputs: any size, any batch, any layout, untouched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from esc_cli.model import Network
from esc_cli.model.config import NetworkConfig
from esc_cli.model.lte import ESCLTE
from esc_cli.model.padding import smallest_side

Seeded = Callable[..., Network]
SIZES = [(1, 1), (1, 40), (17, 16), (3, 2), (33, 31)]
LTE_SCALE = 2.5


def picture(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(1))


def out_size(config: NetworkConfig, height: int, width: int) -> tuple[int, int]:
    scale = LTE_SCALE if config.any_scale else config.scale
    return round(height * scale), round(width * scale)


def run(network: Network, x: Tensor) -> Tensor:
    with torch.inference_mode():
        if isinstance(network, ESCLTE):
            return network(x, out_size(network.config, *x.shape[-2:]))
        return network(x)


@pytest.mark.parametrize("window", [8, 16, 32])
def test_any_size_of_input_gives_its_size_of_output(
    small: NetworkConfig, window: int, seeded: Seeded
) -> None:
    network = seeded(replace(small, window=window))
    for size in SIZES:
        output = run(network, picture(1, 3, *size))
        assert output.shape == (1, 3, *out_size(small, *size))
        assert output.isfinite().all()


def test_a_picture_smaller_than_half_a_window_is_continued_by_its_last_row_and_column(
    small: NetworkConfig, seeded: Seeded
) -> None:
    network, x = seeded(small), picture(1, 3, 3, 2)
    side = smallest_side(small)
    assert side > 3
    rows, columns = torch.arange(side).clamp(max=2), torch.arange(side).clamp(max=1)
    continued = run(network, x[..., rows, :][..., columns])
    height, width = out_size(small, 3, 2)
    if not small.any_scale:  # ESC-LTE places its points in the small picture
        torch.testing.assert_close(run(network, x), continued[..., :height, :width])
    zeros = torch.nn.functional.pad(x, (0, side - 2, 0, side - 3))
    assert not torch.allclose(run(network, x), run(network, zeros)[..., :height, :width])


def test_a_batch_gives_each_image_the_result_it_would_get_alone(
    small: NetworkConfig, seeded: Seeded
) -> None:
    network = seeded(small)
    brightness = torch.tensor([0.1, 0.5, 1.0])[:, None, None, None]
    batch = picture(3, 3, 13, 18) * brightness  # so that their dynamic kernels differ
    together = run(network, batch)
    for index in range(3):
        alone = run(network, batch[index : index + 1])[0]
        torch.testing.assert_close(together[index], alone, rtol=0, atol=1e-5)


def test_only_the_dynamic_kernels_carry_a_distant_change(
    small: NetworkConfig, seeded: Seeded
) -> None:
    network = seeded(small)
    one = picture(1, 3, 8, 112)
    other = one.clone()
    other[..., 96:] = 1
    columns = out_size(small, 1, 8)[1]  # beyond the reach of all windows and kernels
    assert not torch.equal(run(network, one)[..., :columns], run(network, other)[..., :columns])
    for name, parameter in network.named_parameters():
        if ".plk." in name:  # the predictors, of which nothing is left but zero kernels
            parameter.requires_grad_(False).zero_()
    assert torch.equal(run(network, one)[..., :columns], run(network, other)[..., :columns])


def test_a_network_never_changes_its_input(small: NetworkConfig, seeded: Seeded) -> None:
    for size in SIZES:
        given = picture(2, 3, *size)
        kept = given.clone()
        run(seeded(small), given)
        assert torch.equal(given, kept)


def test_the_memory_format_of_the_input_does_not_matter(
    small: NetworkConfig, seeded: Seeded
) -> None:
    network, x = seeded(small), picture(2, 3, 11, 19)
    channels_last = x.contiguous(memory_format=torch.channels_last)
    turned = x.mT.contiguous().mT  # the same values, columns first in memory
    expected = run(network, x)
    for other in (channels_last, turned):
        assert other.stride() != x.stride()
        torch.testing.assert_close(run(network, other), expected, rtol=0, atol=1e-5)


def test_esc_lte_answers_in_chunks_what_it_answers_at_once(
    small_lte: NetworkConfig, seeded: Seeded, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, x = seeded(small_lte), picture(1, 3, 9, 14)
    at_once = run(network, x)
    monkeypatch.setattr("esc_cli.model.lte.CHUNK_POINTS", 7)
    torch.testing.assert_close(run(network, x), at_once, rtol=0, atol=1e-5)
