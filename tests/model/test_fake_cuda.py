"""Every family on a CUDA device that is not there: devices, types, shapes, and no waiting."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from fake_cuda import CUDA, Waits, fake_cuda, faked

from esc_cli.engine.prepare import ready
from esc_cli.model import attention, from_config
from esc_cli.model.config import FLEX, SDPA, NetworkConfig
from esc_cli.model.network import Working

pytestmark = [
    pytest.mark.filterwarnings("ignore:Accessing the data pointer of FakeTensor"),
    pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile"),
]
TYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
HOST = torch.device("cpu")
RECTANGLES = "maps on the host, in patches that are no strips"
"""What is not dense in host memory is copied there at once: pictures wider than 2^14 pixels."""
WAYS = [
    ("whole", torch.float16, 1, Working()),
    ("a batch", torch.bfloat16, 2, Working()),
    ("patches", torch.float16, 1, Working(384)),
    ("patches of a batch", torch.float32, 2, Working(384)),
    ("maps on the host", torch.float16, 1, Working(384, HOST)),
    (RECTANGLES, torch.bfloat16, 1, Working(128, HOST)),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "dtype", "batch", "working"), WAYS)
def test_no_forward_mixes_devices_or_types_or_waits(
    small: NetworkConfig,
    name: str,
    dtype: torch.dtype,
    batch: int,
    working: Working,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if working.store is not None and small.head == "dysample":
        pytest.skip("DySample looks values up in the whole map, which stays on the device")
    made, scale = from_config(replace(small, conv_blocks=1)), small.scale or 1.5
    with fake_cuda(monkeypatch):
        network = ready(faked(made), CUDA, dtype)
        network.working = working
        x = torch.rand(batch, 3, 40, 12, device=CUDA, dtype=dtype)
        size = () if small.scale else ((60, 18),)
        with Waits() as waits, torch.inference_mode():
            out = network(x, *size)
    assert out.shape == (batch, 3, 40 * scale, 12 * scale)
    assert (out.device, out.dtype) == (CUDA, dtype)
    assert not waits.found or name == RECTANGLES


@pytest.mark.slow
@pytest.mark.parametrize("kernel", [SDPA.name, FLEX.name])
@pytest.mark.parametrize("dtype", TYPES.values(), ids=TYPES)
def test_a_table_is_looked_up_on_its_device(
    kernel: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    eager = attention._flex(False)
    monkeypatch.setattr(attention, "_flex", lambda _compiled: eager)
    with fake_cuda(monkeypatch):
        q, k, v = (torch.empty(3, 2, 256, 16, device=CUDA, dtype=dtype) for _ in range(3))
        table = torch.empty(2, 31**2, device=CUDA)
        out = attention.KERNELS[kernel](q, k, v, table, 16)
    assert (out.shape, out.device, out.dtype) == (q.shape, CUDA, dtype)


def test_mixed_devices_are_refused_and_waits_are_counted(
    small_esc: NetworkConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = from_config(small_esc)
    with fake_cuda(monkeypatch):
        network = ready(faked(made), CUDA, torch.float32)
        with pytest.raises(RuntimeError, match="device"):
            network(torch.rand(1, 3, 16, 16))
        with Waits() as waits:
            torch.rand(3, device=CUDA).cpu()
            torch.tensor([1.0, 2.0], device=CUDA)
    assert waits.found.total() == 2
