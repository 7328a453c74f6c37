"""Timing and memory on the CPU."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from esc_cli.benchmark.speed import Repeats, measure, measure_here
from esc_cli.benchmark.workload import Workload, make_network, make_step
from esc_cli.checkpoints.store import find
from esc_cli.model.config import variant_config

TINY = Workload(
    config=variant_config("esc-tiny", 4),
    checkpoint=find("esc-tiny", 4),
    device="cpu",
    precision="fp32",
    attention="auto",
    compiled=False,
    batch=1,
    in_size=(32, 48),
    out_size=(128, 192),
)


def go_on() -> None:
    """Nobody asks for a stop."""


def test_each_timed_run_is_kept_and_warm_up_runs_are_not() -> None:
    speed = measure_here(TINY, Repeats(2, 5), go_on)
    assert len(speed.wall_ms) == len(speed.cpu_ms) == 5
    assert min(speed.wall_ms) > 0
    assert speed.percentile_ms(10) <= speed.median_ms <= speed.percentile_ms(90)


@pytest.mark.slow
def test_the_peak_memory_is_that_of_the_workload_and_not_of_the_caller() -> None:
    ballast = torch.ones(1 << 27)  # 512 MiB that the measuring process must not inherit
    large = replace(TINY, in_size=(256, 256), out_size=(1024, 1024))
    small = measure(TINY, Repeats(0, 1), go_on)
    most = measure(large, Repeats(0, 1), go_on)
    assert float(ballast[0]) == 1
    for speed in (small, most):
        assert speed.peak_bytes is not None
        assert speed.idle_bytes is not None
        assert speed.idle_bytes <= speed.peak_bytes < speed.idle_bytes + ballast.nbytes
    result_bytes = 3 * 1024 * 1024 * 4
    assert most.peak_bytes - most.idle_bytes > small.peak_bytes - small.idle_bytes + result_bytes


@pytest.mark.slow
@pytest.mark.parametrize(
    ("asked", "named"),
    [("auto", "sdpa"), ("sdpa", "sdpa"), ("flex", "flex"), ("flashbias", "flashbias")],
)
def test_every_attention_computes_the_same_picture(asked: str, named: str) -> None:
    torch.manual_seed(0)
    expected = make_network(TINY)(picture := torch.rand(1, 3, 32, 48))
    workload = replace(TINY, attention=asked)
    _, name = make_step(workload, torch.device("cpu"))
    assert name == named
    apart = (make_network(workload)(picture) - expected).abs()
    assert float(apart.mean()) < (0.01 if asked == "flashbias" else 1e-5)


@pytest.mark.slow
def test_fresh_parameters_serve_where_there_are_no_weights() -> None:
    fresh = replace(TINY, config=variant_config("esc-lte"), checkpoint=None)
    step, _ = make_step(fresh, torch.device("cpu"))
    with torch.inference_mode():
        assert step().shape == (1, 3, 128, 192)
