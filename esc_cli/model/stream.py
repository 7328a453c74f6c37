"""A device's queue of work, as far as the host has to know of it: copies, pinned memory, waits.

The one place that asks CUDA for streams, events and pinned memory. A copy that was asked for is
done behind all work asked for before it, and before all that is asked for afterwards; the host
itself may touch its end of the copy only after a wait for a mark behind it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

HOST = torch.device("cpu")


class Mark(Protocol):
    """A place in a queue."""

    def wait(self) -> None:
        """Hold the host until all that was asked for before the mark is done."""


class Stream(Protocol):
    """A device's queue. `apart`: whether its memory is another than the host's."""

    apart: bool

    def host_buffer(
        self,
        shape: tuple[int, ...],
        dtype: torch.dtype,
        memory_format: torch.memory_format = torch.contiguous_format,
    ) -> Tensor:
        """Host memory, not filled, that copies reach without waiting."""

    def download(self, source: Tensor, target: Tensor) -> None:
        """Copy into host memory. The host must not read `target` before a mark behind it."""

    def upload(self, source: Tensor) -> Tensor:
        """A copy on the device. The host must not write to `source` before a mark behind it.

        What is neither pinned nor dense is read at once, so that it may be written to again.
        """

    def mark(self) -> Mark:
        """The place behind all that was asked for."""


class Immediate:
    """The queue of a device that does everything when it is asked for it."""

    apart = False

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def host_buffer(
        self,
        shape: tuple[int, ...],
        dtype: torch.dtype,
        memory_format: torch.memory_format = torch.contiguous_format,
    ) -> Tensor:
        """Host memory, not filled."""
        return torch.empty(shape, dtype=dtype, memory_format=memory_format)

    def download(self, source: Tensor, target: Tensor) -> None:
        """Copy into host memory."""
        target.copy_(source)

    def upload(self, source: Tensor) -> Tensor:
        """A copy on the device; on a CPU the tensor itself."""
        return source.to(self.device)

    def mark(self) -> Mark:
        """The place behind all that was asked for, which is done."""
        return _Done()


class _Done:
    def wait(self) -> None:
        """Everything is done."""


class CudaStream:
    """The current stream of a CUDA device."""

    apart = True

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def host_buffer(
        self,
        shape: tuple[int, ...],
        dtype: torch.dtype,
        memory_format: torch.memory_format = torch.contiguous_format,
    ) -> Tensor:
        """Pinned memory; torch gives it to nobody else before the copies from and to it ended."""
        return torch.empty(shape, dtype=dtype, memory_format=memory_format, pin_memory=True)

    def download(self, source: Tensor, target: Tensor) -> None:
        """Copy into pinned memory without waiting."""
        target.copy_(source, non_blocking=True)

    def upload(self, source: Tensor) -> Tensor:
        """A copy on the device, without waiting where the source is pinned."""
        return source.to(self.device, non_blocking=True)

    def mark(self) -> Mark:
        """An event."""
        event = torch.cuda.Event()
        event.record(torch.cuda.current_stream(self.device))
        return _Recorded(event)


class _Recorded:
    def __init__(self, event: torch.cuda.Event) -> None:
        self._event = event

    def wait(self) -> None:
        """Wait for the event."""
        self._event.synchronize()


STREAMS: dict[str, Callable[[torch.device], Stream]] = {"cuda": CudaStream}
"""The queue of each type of device; others do everything at once."""


def stream_of(device: torch.device) -> Stream:
    """The queue of a device."""
    return STREAMS.get(device.type, Immediate)(device)


def pinned(source: Tensor, stream: Stream) -> Tensor:
    """A host tensor as it can be uploaded without waiting: where need be, a copy of it."""
    if not stream.apart:
        return source
    buffer = stream.host_buffer(tuple(source.shape), source.dtype)
    return buffer.copy_(source)
