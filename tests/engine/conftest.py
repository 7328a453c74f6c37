"""Small networks, pictures, and a network that runs out of memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from esc_cli import load_model
from esc_cli.engine import threads
from esc_cli.model import Network, from_config
from esc_cli.model.config import VARIANTS
from esc_cli.model.esc import ESC
from esc_cli.model.network import Part

SMALL = replace(
    VARIANTS["esc"],
    dim=8,
    pdim=4,
    n_blocks=1,
    conv_blocks=1,
    window=8,
    heads=2,
    hidden=10,
    proj_hidden=12,
    scale=2,
    lte_hidden=16,
    mlp_hidden=(16,),
)

MakePicture = Callable[..., Tensor]


@pytest.fixture
def picture() -> MakePicture:
    """(3, H, W) in [0, 1]: soft waves, a disc with a hard edge, fine stripes and some noise."""

    def make(height: int, width: int) -> Tensor:
        y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        waves = torch.stack([torch.sin(x / 9 + y / 31), torch.cos(y / 7), torch.sin((x - y) / 15)])
        disc = ((y - height / 2) ** 2 + (x - width / 3) ** 2 < (height / 4) ** 2).float()
        stripes = ((x + 2 * y) % 5 < 2) * (x > 2 * width / 3)
        noise = torch.rand(3, height, width, generator=torch.Generator().manual_seed(5))
        return (0.5 + 0.25 * waves + 0.2 * disc - 0.2 * stripes + 0.05 * noise).clamp(0, 1)

    return make


@pytest.fixture
def small_network() -> Network:
    """A small classic ESC, x2, window 8, with seeded parameters."""
    torch.manual_seed(0)
    return from_config(SMALL).eval()


@pytest.fixture
def small_lte() -> Network:
    """A small ESC-LTE, window 8, with seeded parameters."""
    torch.manual_seed(0)
    return from_config(replace(SMALL, family="esc-lte", scale=0)).eval()


@pytest.fixture(scope="session")
def tiny_x4() -> Network:
    """The bundled esc-tiny x4."""
    return load_model("esc-tiny", 4)


class NarrowESC(ESC):
    """A real network on a device with room for `limit` pixels; `seen` lists what it was given.

    Both belong to the class, so that they outlive the copies that an Upscaler makes.
    """

    limit = 0
    seen: list[tuple[int, int]] = []  # noqa: RUF012
    error: type[Exception] = torch.OutOfMemoryError
    message = "CUDA out of memory. Tried to allocate 2.00 GiB"

    def parts(self, x: Tensor) -> Iterator[Part]:
        """Upscale what fits; run out of memory on anything larger."""
        type(self).seen.append((x.shape[-2], x.shape[-1]))
        if x.shape[0] * x.shape[-2] * x.shape[-1] > self.limit:
            raise self.error(self.message)
        return super().parts(x)


@pytest.fixture
def narrow(small_network: Network) -> Callable[..., NarrowESC]:
    """Make the small network with a limit of pixels, and the error that it raises above."""

    def make(limit: int, error: Exception | None = None) -> NarrowESC:
        attributes: dict[str, object] = {"limit": limit, "seen": []}
        if error is not None:
            attributes |= {"error": type(error), "message": str(error)}
        kind: type[NarrowESC] = type("NarrowHere", (NarrowESC,), attributes)
        network = kind(SMALL)
        network.load_state_dict(small_network.state_dict())
        return network.eval()

    return make


@pytest.fixture
def cgroup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of this process's control group /a/b in a file system of its own."""
    own = tmp_path / "own"
    own.write_text("0::/a/b\n")
    monkeypatch.setattr(threads, "_OWN_CGROUP", own)
    monkeypatch.setattr(threads, "_CGROUP_V2", tmp_path / "fs")
    folder = tmp_path / "fs" / "a" / "b"
    folder.mkdir(parents=True)
    return folder
