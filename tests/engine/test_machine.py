"""Cores, memory, devices and precisions of the machine."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from esc_cli import Upscaler
from esc_cli.engine import memory
from esc_cli.engine.memory import bytes_per_pixel, pixels_that_fit
from esc_cli.engine.options import EngineOptions
from esc_cli.engine.precision import attempts, choose_device, choose_precision
from esc_cli.engine.threads import available_cores
from esc_cli.errors import DeviceError, EscError, UsageError
from esc_cli.model import Network
from esc_cli.model.config import VARIANTS

CPU = torch.device("cpu")
with_affinity = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="this system has no affinity masks"
)


@with_affinity
def test_there_are_no_more_cores_than_the_affinity_mask_has() -> None:
    assert 1 <= available_cores() <= len(os.sched_getaffinity(0))


@pytest.mark.slow
@with_affinity
def test_a_process_bound_to_one_core_uses_one_thread() -> None:
    code = (
        "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])\n"
        "from esc_cli.engine.threads import available_cores; print(available_cores())\n"
        "import torch; torch.set_num_threads(4)\n"
        "from esc_cli import Upscaler, load_model\n"
        "from esc_cli.engine.options import EngineOptions\n"
        "Upscaler(load_model(), EngineOptions(device='cpu'))(torch.zeros(3, 2, 2))\n"
        "print(torch.get_num_threads())"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["1", "1"]


@pytest.mark.parametrize(
    ("quota", "cores"), [("100000 100000", 1), ("150000 100000", 1), ("50000 100000", 1)]
)
@pytest.mark.parametrize("level", [0, 1])
def test_the_quota_of_a_control_group_limits_the_cores(
    cgroup: Path, quota: str, cores: int, level: int
) -> None:
    (cgroup / "cpu.max").write_text("max 100000\n")
    ([cgroup, *cgroup.parents][level] / "cpu.max").write_text(quota)
    assert available_cores() == cores


def test_a_control_group_without_a_quota_limits_nothing(cgroup: Path) -> None:
    free = available_cores()
    (cgroup / "cpu.max").write_text("max 100000\n")
    assert available_cores() == free


def test_the_memory_of_a_control_group_limits_the_free_memory(cgroup: Path) -> None:
    (cgroup / "memory.max").write_text("5000000\n")
    (cgroup / "memory.current").write_text("3000000\n")
    (cgroup / "memory.stat").write_text("anon 1\ninactive_file 500000\n")
    assert memory.free_bytes(CPU) == 2_500_000
    (cgroup / "memory.max").write_text("max\n")
    assert memory.free_bytes(CPU) > 2_500_000


@pytest.mark.parametrize("variant", VARIANTS)
def test_some_pixels_of_every_variant_fit(variant: str) -> None:
    assert pixels_that_fit(VARIANTS[variant], CPU, 4) > 0


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_pixel_needs_more_of_a_wider_network_a_larger_scale_and_a_longer_number(
    variant: str,
) -> None:
    config = VARIANTS[variant]
    needed = bytes_per_pixel(config, 4)
    assert bytes_per_pixel(replace(config, dim=2 * config.dim), 4) > needed
    assert bytes_per_pixel(config, 2) < needed
    if not config.any_scale:
        assert bytes_per_pixel(replace(config, scale=2), 4) < needed


def test_less_memory_fits_fewer_pixels(cgroup: Path) -> None:
    (cgroup / "memory.current").write_text("0")
    (cgroup / "memory.stat").write_text("")
    fitting = []
    for megabytes in (1, 100, 200, 400):
        (cgroup / "memory.max").write_text(str(megabytes * 10**6))
        fitting.append(pixels_that_fit(VARIANTS["esc-tiny"], CPU, 4))
    assert fitting == sorted(fitting)
    assert fitting[0] == 0 < fitting[1] < fitting[2] < fitting[3]


@pytest.mark.parametrize(
    ("wish", "error"),
    [("cuda:99", DeviceError)]
    + [
        (word, UsageError)
        for word in ("tpu", "meta", "", "cuda:x", "cuda:", "cuda:99999", "cuda:07", "CPU")
    ],
)
def test_what_is_no_device_is_wrong_usage_and_an_absent_one_is_not(
    wish: str, error: type[EscError], small_network: Network
) -> None:
    with pytest.raises(error) as caught:
        choose_device(wish)
    assert wish in caught.value.what
    assert "cpu" in caught.value.advice
    with pytest.raises(error):
        Upscaler(small_network, EngineOptions(device=wish))(torch.zeros(3, 4, 4))


def test_auto_is_a_device_of_this_machine() -> None:
    best = "mps" if torch.backends.mps.is_available() else "cpu"
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else best)


def test_the_cpu_computes_in_fp32_unless_told_otherwise() -> None:
    assert choose_precision("auto", CPU) == "fp32"
    assert choose_precision("bf16", CPU) == "bf16"
    assert attempts("fp16") == ("fp16", "bf16", "fp32")


@pytest.mark.parametrize(
    ("can", "expected"),
    [({}, "fp32"), ({"avx512_bf16": True}, "bf16"), ({"amx_bf16": True}, "bf16")],
)
def test_fast_is_bf16_on_processors_that_have_it_in_hardware(
    monkeypatch: pytest.MonkeyPatch, can: dict[str, bool], expected: str, small_network: Network
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: can, raising=False)
    assert choose_precision("fast", CPU) == expected
    assert choose_precision("auto", CPU) == "fp32"
    options = EngineOptions(device="cpu", precision="fast")
    assert Upscaler(small_network, options).upscale(torch.zeros(3, 9, 9)).precision == expected


def test_an_unknown_precision_is_refused_with_the_known_ones() -> None:
    with pytest.raises(DeviceError, match=r"'fp8' \(auto, fast, fp32, fp16, bf16\)"):
        choose_precision("fp8", CPU)
