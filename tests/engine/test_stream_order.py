"""Copies between a device and the host: nothing is read before it came, or overwritten too soon."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from esc_cli import Upscaler
from esc_cli.engine.options import EngineOptions
from esc_cli.engine.prepare import ready
from esc_cli.model import Network, stream

MakePicture = Callable[[int, int], Tensor]
CPU = torch.device("cpu")
STRIPS = 48 * 32
"""Pixels of a patch that is as wide as the picture of the test."""


class Late(stream.Immediate):
    """A queue that does nothing before it must, on a CPU that plays a device with own memory.

    A download is done when a mark behind it is waited for, or when the queue comes to an upload;
    until then the host's buffer holds no numbers. Uploads look for buffers that changed in between.
    """

    apart = True
    log: list[str]
    pending: list[tuple[Tensor, Tensor]]
    buffers: dict[int, int]

    @classmethod
    def fresh(cls) -> type[Late]:
        """A class of its own for a test, as all queues of a device are one."""
        return type("LateHere", (cls,), {"log": [], "pending": [], "buffers": {}})

    def host_buffer(self, shape, dtype, memory_format=torch.contiguous_format):
        self.log.append("buffer")
        made = torch.empty(shape, dtype=dtype, memory_format=memory_format)
        return made.fill_(float("nan") if dtype.is_floating_point else 77)

    def download(self, source: Tensor, target: Tensor) -> None:
        self.log.append("download")
        assert source.is_contiguous() == target.is_contiguous() or source.dim() == 4
        target.fill_(float("nan") if target.is_floating_point() else 77)
        self.pending.append((source.clone(), target))

    def upload(self, source: Tensor) -> Tensor:
        self.log.append("upload")
        self._flush()
        return source.clone(memory_format=torch.preserve_format)

    def mark(self) -> stream.Mark:
        self.log.append("mark")
        return _LateMark(self, len(self.pending))

    def _flush(self, count: int | None = None) -> None:
        for source, target in self.pending[:count]:
            target.copy_(source)
        del self.pending[:count]


class _LateMark:
    def __init__(self, queue: Late, behind: int) -> None:
        self._queue, self._last = queue, queue.pending[behind - 1] if behind else None

    def wait(self) -> None:
        self._queue.log.append("wait")
        for number, copy in enumerate(self._queue.pending):
            if copy is self._last:
                self._queue._flush(number + 1)
                return


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> type[Late]:
    """The CPU's queue, late."""
    queue = Late.fresh()
    monkeypatch.setitem(stream.STREAMS, "cpu", queue)
    return queue


@pytest.mark.parametrize("pixels", [STRIPS, 512])
def test_maps_on_the_host_are_read_after_they_came(
    small_network: Network,
    picture: MakePicture,
    pixels: int,
    late: type[Late],
) -> None:
    x = picture(100, 48)[None]
    network = ready(small_network, CPU, torch.float32)
    network.working = replace(network.working, pixels=None)
    whole = network(x)
    network.working = replace(network.working, pixels=pixels, store=CPU)
    torch.testing.assert_close(network(x), whole, atol=1e-5, rtol=0)
    assert "upload" in late.log
    assert ("download" in late.log) == (pixels == STRIPS)
    assert "wait" not in late.log, "the host itself reads no map"


@pytest.mark.slow
@pytest.mark.parametrize("self_ensemble", [False, True])
def test_results_are_stored_behind_their_marks_while_the_next_part_is_computed(
    small_network: Network,
    picture: MakePicture,
    monkeypatch: pytest.MonkeyPatch,
    self_ensemble: bool,
) -> None:
    image = picture(64, 48)
    upscaler = Upscaler(
        small_network, EngineOptions(device="cpu", tile=32, self_ensemble=self_ensemble)
    )
    expected = upscaler(image)
    queue = Late.fresh()
    monkeypatch.setitem(stream.STREAMS, "cpu", queue)
    monkeypatch.setattr("esc_cli.engine.transfer.written_at_once", lambda *_: False)
    assert torch.equal(upscaler(image), expected)
    steps = [step for step in queue.log if step in {"download", "mark", "wait"}]
    assert steps.count("download") == steps.count("mark") == steps.count("wait") > 2
    assert queue.pending == []
    _each_wait_is_behind_its_mark(steps)


def _each_wait_is_behind_its_mark(steps: list[str]) -> None:
    under_way = 0
    for step in steps:
        under_way += {"download": 0, "mark": 1, "wait": -1}[step]
        assert 0 <= under_way <= 2, "at most one part waits while the next is copied"
    assert under_way == 0
