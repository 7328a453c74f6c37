"""One decoded picture through the network: grey, alpha, 16 bit, animations, any size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from esc_cli.media.picture import Frame, Picture
from esc_cli.media.resize import resize_lanczos
from esc_cli.media.xmp import scaled
from esc_cli.tasks.upscale.tone_curve import ToneCurve
from esc_cli.tasks.upscale.transparency import (
    FloatPixels,
    constant,
    enlarged_apart,
    enlarged_opacity,
)

if TYPE_CHECKING:
    from esc_cli.engine.upscaler import Upscaler

ALPHA_FLOOR = 1 / 1024
"""Opacity below which a pixel has no colour: a quarter of an 8-bit level."""


@dataclass(frozen=True)
class Pass:
    """What the engine said of a pass through the network; see `engine.upscaler.Upscaled`."""

    tile: int
    precision: str
    notes: tuple[str, ...]


@dataclass
class PictureUpscaler:
    """Enlarges pictures to `size` (width, height), through `upscaler` if there is one.

    After a run, `passes` holds what the engine said of each pass through the network.
    """

    upscaler: Upscaler | None
    size: tuple[int, int]
    check: Callable[[], None]
    passes: list[Pass] = field(default_factory=list)

    def run(self, picture: Picture) -> Picture:
        """The enlarged picture: same channels, bits, delays and metadata, its numbers scaled.

        Its frames may lie in memory as planes; `encode` takes them as they are. Raises the
        engine's errors, and what `check` raises.
        """
        own = self
        if picture.header.bits == 32 and self.upscaler is not None:
            own = replace(self, upscaler=self.upscaler.exact())  # 16 bits do not keep the range
        return self._result(picture, tuple(own._frame(frame) for frame in picture.frames))

    def run_together(self, pictures: Sequence[Picture]) -> list[Picture]:
        """The same for RGB stills of one size, whose results have it as they are, in one pass.

        Sums are rounded in another order than one by one. Raises what `run` raises.
        """
        self.check()
        stack = self._integers(np.stack([picture.frames[0] for picture in pictures]))
        return [
            self._result(picture, (frame,)) for picture, frame in zip(pictures, stack, strict=True)
        ]

    def _result(self, picture: Picture, frames: tuple[Frame, ...]) -> Picture:
        before = picture.header
        header = replace(before, width=self.size[0], height=self.size[1])
        xmp = scaled(picture.metadata.xmp, (before.width, before.height), self.size)
        metadata = replace(picture.metadata, xmp=xmp)
        return replace(picture, header=header, frames=frames, metadata=metadata)

    def _frame(self, frame: Frame) -> Frame:
        self.check()
        if frame.dtype == np.float32:
            return self._floating(frame)
        if frame.shape[2] == 3 and self._is_exact(frame):
            exact: Frame = self._integers(frame[np.newaxis])[0]
            return exact
        levels = np.float32(np.iinfo(frame.dtype).max)
        pixels: FloatPixels = frame.astype(np.float32) / levels
        result = self._with_alpha(pixels) if frame.shape[2] in (2, 4) else self._enlarged(pixels)
        return _quantised(result, frame.dtype)

    def _floating(self, frame: Frame) -> Frame:
        """Colour by way of a curve that is turned back after, and opacity, each by itself."""
        colour, alpha = frame, None
        if frame.shape[2] in (2, 4):
            colour, alpha = frame[..., :-1], frame[..., -1:]
        curve = ToneCurve.of(colour)
        result = curve.light(self._enlarged(curve.bent(colour)))
        result[constant((colour == 0).all(axis=2, keepdims=True), self.size)[..., 0]] = 0
        if alpha is None:
            return result
        opacity = enlarged_opacity(alpha, self.size, self._enlarged)
        joined: Frame = np.concatenate([result, opacity.values], axis=-1)
        return joined

    def _is_exact(self, frame: Frame) -> bool:
        """Whether the network's result has the wanted size as it is."""
        if self.upscaler is None:
            return False
        scale = self.upscaler.config.scale
        height, width = frame.shape[:2]
        return self.upscaler.config.any_scale or (width * scale, height * scale) == self.size

    def _integers(self, frames: NDArray[Any]) -> NDArray[Any]:
        """RGB without detours: rounded tile by tile, so that no float copy of the result exists."""
        import torch

        return self._pass(frames, torch.uint8 if frames.dtype == np.uint8 else torch.uint16)

    def _with_alpha(self, pixels: FloatPixels) -> FloatPixels:
        """Colour and opacity; what is hidden has the colour 0."""
        done = enlarged_apart(pixels[..., :-1], pixels[..., -1:], self.size, self._enlarged)
        colour = np.where(done.opacity > ALPHA_FLOOR, done.colour, 0)
        return np.concatenate([colour, done.opacity], axis=-1)

    def _enlarged(self, pixels: FloatPixels) -> FloatPixels:
        """(H, W, 1 or 3) -> the same channels at `size`; grey goes through as equal R, G, B."""
        if self.upscaler is None:
            return resize_lanczos(pixels, self.size)
        import torch

        rgb = np.broadcast_to(pixels, (*pixels.shape[:2], 3))
        (result,) = self._pass(rgb[np.newaxis], torch.float32)
        if pixels.shape[2] == 1:
            result = result.mean(axis=-1, keepdims=True, dtype=np.float32)
        return resize_lanczos(result, self.size)

    def _pass(self, rgb: NDArray[Any], dtype: Any) -> NDArray[Any]:
        """(B, H, W, 3) once through the network -> (B, height, width, 3), a view of planes."""
        import torch

        if self.upscaler is None:
            raise ValueError("a pass needs a network")
        # Of a single pixel this may be a view that cannot be written, which torch warns of.
        planes = np.require(rgb.transpose(0, 3, 1, 2), requirements=["C", "W"])
        image = torch.from_numpy(planes)
        size = self.size[::-1] if self.upscaler.config.any_scale else None
        done = self.upscaler.upscale(image, size=size, dtype=dtype, check=self.check)
        self.passes.append(Pass(done.tile, done.precision, done.notes))
        frames: NDArray[Any] = done.image.permute(0, 2, 3, 1).numpy()
        return frames


def _quantised(pixels: FloatPixels, dtype: np.dtype[Any]) -> Frame:
    levels = np.iinfo(dtype).max
    rounded: Frame = np.rint(pixels.clip(0, 1) * levels).astype(dtype)
    return rounded
