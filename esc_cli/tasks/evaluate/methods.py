"""The methods that an evaluation compares: interpolations, networks, finished results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from esc_cli.checkpoints.config_from_file import peek_config
from esc_cli.checkpoints.fetch import SILENT_SUPPLY, Supply
from esc_cli.checkpoints.releases import release_of_file
from esc_cli.checkpoints.store import Checkpoint, find, missing_scale
from esc_cli.engine.options import EngineOptions
from esc_cli.errors import DeviceMemoryError, UnsupportedError, UsageError, WeightsError
from esc_cli.evaluation import protocol
from esc_cli.media.resize import resize_lanczos
from esc_cli.media.rgb import read_rgb
from esc_cli.model.config import NetworkConfig, variant_name
from esc_cli.tasks.models import Choice, Models

INTERPOLATIONS = ("bicubic", "lanczos")

Enlarge = Callable[[str, Tensor, tuple[int, int]], tuple[Tensor, tuple[str, ...]]]
"""(picture's name, LR (3, h, w) uint8, (height, width)) -> SR (3, height, width) uint8 and notes
on what memory or precision forced."""


@dataclass(frozen=True)
class Method:
    """A way to make results. `identity` changes whenever its results may change."""

    name: str
    identity: str
    enlarge: Enlarge
    variant: str = ""


@dataclass
class Methods:
    """Makes methods by name at a scale; networks are loaded once."""

    engine: EngineOptions
    max_pixels: int
    check: Callable[[], None]
    supply: Supply = SILENT_SUPPLY
    _models: dict[str | None, Models] = field(default_factory=dict)

    def interpolation_or_network(self, name: str, scale: int) -> Method:
        """The method called `name`: bicubic, lanczos, a variant, or a checkpoint's path."""
        if name in INTERPOLATIONS:
            return Method(name, name, _bicubic if name == "bicubic" else _lanczos)
        return self.network(name, scale)

    def network(self, name: str | None, scale: int) -> Method:
        """The network called `name` (None: the bundled default).

        Raises WeightsError when it does not upscale by exactly this scale, SetupError when it
        cannot be fetched.
        """
        checkpoint = find(name, scale)
        config = peek_config(checkpoint)
        if not config.any_scale and config.scale != scale:
            if name is None or checkpoint.scale is not None:
                raise missing_scale(name, scale)
            raise WeightsError(
                f"upscales by {config.scale}, and {scale} is asked for", checkpoint.path
            )
        models = self._models.setdefault(name, Models(name, self.engine, self.supply))
        choice = models.fetch(models.choose(scale))
        models.prepare(choice)
        enlarge = self._through(models, choice)
        identity, printed = self._identity(choice), published_name(checkpoint, config)
        return Method(checkpoint.model, identity, enlarge, printed)

    def _identity(self, choice: Choice) -> str:
        engine = self.engine
        tiles = f"{engine.tile}-{engine.overlap}-{engine.self_ensemble}"
        return f"{choice.sha256}-{engine.precision}-{engine.device}-{tiles}"

    def _through(self, models: Models, choice: Choice) -> Enlarge:
        def enlarge(
            _name: str, lr: Tensor, size: tuple[int, int]
        ) -> tuple[Tensor, tuple[str, ...]]:
            upscaler = models.upscaler(choice)
            own = size if upscaler.config.any_scale else None
            done = upscaler.upscale(lr, size=own, dtype=torch.uint8, check=self.check)
            if done.notes and self.engine.tile is not None:
                # A whole picture was asked for, and tiles give other numbers.
                advice = "free memory, or let --tile auto decide"
                raise DeviceMemoryError("; ".join(done.notes), advice=advice)
            return done.image, done.notes

        return enlarge


def published_name(checkpoint: Checkpoint, config: NetworkConfig) -> str:
    """The name under which the paper's figures for these weights stand.

    Weights that the authors published are known as such by their release, or by the name of their
    file if it holds that network; others count as the paper's by their shape.
    """
    release = checkpoint.release or release_of_file(checkpoint.path.name)
    if release is not None and release.config == config:
        return release.model
    return figure_name(config)


def figure_name(config: NetworkConfig) -> str:
    """The name under which the paper's figures for a network of this shape stand."""
    name = variant_name(config)
    return name if config.flashbias_rank is None else f"{name}@flashbias"


def finished(folder: Path, files: dict[str, Path], max_pixels: int, scale: int) -> Method:
    """Results that somebody made already, read from files by the pictures' names."""

    def enlarge(name: str, _lr: Tensor, size: tuple[int, int]) -> tuple[Tensor, tuple[str, ...]]:
        pixels = read_rgb(files[name], max_pixels)
        if pixels.shape[:2] != size:
            found = f"{pixels.shape[1]} x {pixels.shape[0]}"
            what = f"is {found}, expected {size[1]} x {size[0]}"
            raise UnsupportedError(what + _crop(pixels.shape[:2], size, scale), files[name])
        return to_tensor(pixels), ()

    name = folder.resolve().name
    if name in INTERPOLATIONS:
        raise UsageError(f"a folder of results cannot be called {name}", folder)
    states = [(path.stat().st_size, path.stat().st_mtime_ns) for path in files.values()]
    return Method(name, f"{folder.resolve()}-{states}", enlarge)


def _crop(found: tuple[int, ...], size: tuple[int, int], scale: int) -> str:
    """What may have happened when a result is a few pixels off."""
    if any(abs(one - other) >= scale for one, other in zip(found, size, strict=True)):
        return ""
    return f": HR is cropped to a multiple of {scale} first, and LR is made from that"


def to_tensor(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Tensor:
    """(H, W, 3) -> (3, H, W), a copy."""
    return torch.from_numpy(np.array(pixels.transpose(2, 0, 1), order="C"))


def _bicubic(_name: str, lr: Tensor, size: tuple[int, int]) -> tuple[Tensor, tuple[str, ...]]:
    return protocol.bicubic(lr, size), ()


def _lanczos(_name: str, lr: Tensor, size: tuple[int, int]) -> tuple[Tensor, tuple[str, ...]]:
    pixels = (lr.permute(1, 2, 0).float() / 255).numpy()
    large = resize_lanczos(pixels, (size[1], size[0]))
    return protocol.rounded(torch.from_numpy(large).permute(2, 0, 1)), ()
