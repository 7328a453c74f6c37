"""Networks that replay their work for sizes that come again: CUDA graphs.

Small pictures and frames of videos cost a GPU little beside the launching of some hundred kernels.
A graph launches them at once. It is recorded for one size at a time, on the third picture of that
size in a row, because recording costs time and the memory of a second pass.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from esc_cli.model import Network
from esc_cli.model.network import Part

Replay = Callable[[Tensor], Tensor]
"""Pictures (B, 3, H, W) of the recorded size -> their result, valid until the next call."""
Record = Callable[[Network, Tensor], Replay]

RECORD_AT = 3
"""Which picture of a size in a row is recorded: the first ones also tune and compile kernels."""


def record_on_cuda(network: Network, x: Tensor) -> Replay:
    """Record a forward pass on CUDA. Raises RuntimeError where that is impossible."""
    given = x.clone(memory_format=torch.channels_last)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result: Tensor = network(given)

    def replay(pictures: Tensor) -> Tensor:
        given.copy_(pictures)
        graph.replay()
        return result

    return replay


@dataclass
class Repeated:
    """Forward passes of one network; replayed where the same size comes again and again.

    Pictures of several patches, or with maps in host memory, always go through the network.
    """

    network: Network
    record: Record = record_on_cuda
    _size: torch.Size | None = None
    _seen: int = 0
    _replay: Replay | None = field(default=None, repr=False)

    def parts(self, x: Tensor) -> Iterator[Part]:
        """The parts that the network gives; a replayed one is valid until the next call."""
        if not self._is_single(x):
            return self.network.parts(x)
        if x.shape != self._size:
            self.forget()
            self._size = x.shape
        self._seen += 1
        if self._replay is None and self._seen >= RECORD_AT:
            self._replay = self.record(self.network, x)
        if self._replay is None:
            return self.network.parts(x)
        self.network.working.check()
        out = self._replay(x)
        return iter([Part(slice(0, out.shape[-2]), slice(0, out.shape[-1]), out)])

    def _is_single(self, x: Tensor) -> bool:
        size = (math.ceil(side / self.network.config.unshuffle) for side in x.shape[-2:])
        return self.network.working.store is None and len(self.network.patches(*size)) == 1

    def forget(self) -> None:
        """Drop what was recorded, with its memory."""
        self._size, self._seen, self._replay = None, 0, None
