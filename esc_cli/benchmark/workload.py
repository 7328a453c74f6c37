"""What is timed: one network, in one precision, with one attention kernel, at one size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from esc_cli.benchmark.macs import forward
from esc_cli.checkpoints.loading import load_checkpoint
from esc_cli.checkpoints.store import Checkpoint
from esc_cli.engine.precision import DTYPES, Precision
from esc_cli.engine.prepare import ready
from esc_cli.model import Network, from_config
from esc_cli.model.attention import WindowAttention, set_attention_kernel
from esc_cli.model.config import ATTENTION_KERNELS, FLASHBIAS, FLASHBIAS_RANK, RIB, NetworkConfig
from esc_cli.model.convert import to_flashbias


@dataclass(frozen=True)
class Workload:
    """One configuration; sizes are (height, width).

    checkpoint: None for fresh parameters, which take the same time. attention: "auto" for what
    the network uses by itself, or a kernel's name; "flashbias" turns its tables into factors of
    rank 48.
    """

    config: NetworkConfig
    checkpoint: Checkpoint | None
    device: str
    precision: Precision
    attention: str
    compiled: bool
    batch: int
    in_size: tuple[int, int]
    out_size: tuple[int, int]

    @property
    def as_run(self) -> NetworkConfig:
        """The configuration once the attention is chosen."""
        has_factors = self.config.flashbias_rank is not None or self.config.rib is not None
        if self.attention != FLASHBIAS or has_factors:
            return self.config
        return replace(self.config, flashbias_rank=FLASHBIAS_RANK)


def make_network(workload: Workload) -> Network:
    """The network of a workload: on its way to a device, in float32, for inference."""
    if workload.checkpoint is None:
        network = from_config(workload.as_run)
    else:
        network = _converted(load_checkpoint(workload.checkpoint), workload.as_run)
    return _with_kernel(network, workload).eval().requires_grad_(False)


def _with_kernel(network: Network, workload: Workload) -> Network:
    if workload.attention in ATTENTION_KERNELS:
        set_attention_kernel(network, workload.attention)
    return network


def _converted(network: Network, config: NetworkConfig) -> Network:
    if network.config.flashbias_rank == config.flashbias_rank:
        return network
    rank = config.flashbias_rank or FLASHBIAS_RANK
    converted = from_config(replace(network.config, flashbias_rank=rank))
    converted.load_state_dict(to_flashbias(network.state_dict(), network.config.window, rank))
    return converted


def attention_name(network: Network) -> str:
    """The name of what computes a network's attention: a kernel, flashbias, or rib."""
    if network.config.rib is not None:
        return RIB
    if network.config.flashbias_rank is not None:
        return FLASHBIAS
    kernels = {m.kernel for m in network.modules() if isinstance(m, WindowAttention)}
    return "+".join(sorted(kernels))


def planned_attention(workload: Workload) -> str:
    """The `attention_name` that a workload will have."""
    with torch.device("meta"):
        return attention_name(_with_kernel(from_config(workload.as_run), workload))


def make_step(workload: Workload, device: torch.device) -> tuple[Callable[[], Tensor], str]:
    """A forward pass over random pictures in [0, 1] that are on the device; its attention."""
    dtype = DTYPES[workload.precision]
    network = ready(make_network(workload), device, dtype)
    call: Any = torch.compile(network) if workload.compiled else network
    x = torch.rand(workload.batch, 3, *workload.in_size).to(device, dtype)
    if workload.config.any_scale:
        return lambda: call(x, workload.out_size), attention_name(network)
    return lambda: forward(call, x, workload.out_size), attention_name(network)
