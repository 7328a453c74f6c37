"""CUDA without a GPU: tensors that have a device, a type and a shape, and no values.

torch's FakeTensorMode refuses operations that mix devices or types as a GPU would. `Waits` counts
what would hold the host until the device has caught up.
"""

from __future__ import annotations

import contextlib
import copy
from collections import Counter
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from esc_cli.model import attention, stream

CUDA = torch.device("cuda", 0)
SCALARS = ("_local_scalar_dense", "nonzero", "equal.default", "is_nonzero")


class FakeStream(stream.Immediate):
    """The queue of a device that is not there; copies through it are not counted as waits."""

    apart = True

    def download(self, source: Tensor, target: Tensor) -> None:
        assert source.device == self.device
        assert target.device.type == "cpu"
        assert (source.shape, source.dtype) == (target.shape, target.dtype)

    def upload(self, source: Tensor) -> Tensor:
        like = torch.empty_like(source, device=self.device)
        return source if source.device == self.device else like


class Waits(TorchDispatchMode):
    """Counts operations that wait for a CUDA device, by their names."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        given = {t.device.type for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)}
        made = {t.device.type for t in tree_leaves(out) if isinstance(t, Tensor)}
        name = str(func)
        scalar = "cuda" in given and any(part in name for part in SCALARS)
        copied = "cuda" in given | made and "cpu" in given | made and "copy" in name
        if scalar or copied:
            self.found[name] += 1
        return out


def _moved(module: nn.Module, *args: Any, **kwargs: Any) -> nn.Module:
    """As nn.Module.to, with new parameters: torch cannot put a fake tensor in another's place."""
    for part in module.modules():
        for name, old in part._parameters.items():
            if old is not None:
                part._parameters[name] = nn.Parameter(_to(old.detach(), args, kwargs), False)
        for name, buffer in part._buffers.items():
            if buffer is not None:
                part._buffers[name] = _to(buffer, args, kwargs)
    return module


def _to(values: Tensor, args: Any, kwargs: Any) -> Tensor:
    if "memory_format" in kwargs and values.dim() != 4:
        kwargs = {}
    if not values.is_floating_point():
        args = [a for a in args if not isinstance(a, torch.dtype)]
    return values.to(*args, **kwargs)


def faked(network: nn.Module) -> nn.Module:
    """A copy of a network whose parameters have no values, on the CPU; inside `fake_cuda`."""
    with torch.utils._python_dispatch._disable_current_modes():
        own = copy.deepcopy(network)
    for part in own.modules():
        for table in (part._parameters, part._buffers):
            for name, old in table.items():
                if old is not None:
                    empty = torch.empty(old.shape, dtype=old.dtype)
                    needs = old.requires_grad
                    is_weight = isinstance(old, nn.Parameter)
                    table[name] = nn.Parameter(empty, needs) if is_weight else empty
    return own


@contextlib.contextmanager
def fake_cuda(monkeypatch: Any) -> Iterator[FakeTensorMode]:
    """Inside, tensors on "cuda" can be made and used."""
    monkeypatch.setattr(nn.Module, "to", _moved)
    monkeypatch.setitem(stream.STREAMS, "cuda", FakeStream)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _device: (80 << 30, 80 << 30))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _device: 0)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _device: 0)
    attention.relative_index.cache_clear()
    try:
        mode = FakeTensorMode()
        mode.__deepcopy__ = lambda _memo: mode  # not copied with the tensors of a network
        with mode:
            yield mode
    finally:
        attention.relative_index.cache_clear()
