"""What a page shows of a picture: small files of the whole, and a detail where methods differ."""

from __future__ import annotations

import torch
from torch import Tensor

from esc_cli.evaluation.metrics import imresize
from esc_cli.evaluation.protocol import most_different, rounded
from esc_cli.evaluation.results import HR, Crop, Visual
from esc_cli.media.rgb import Pixels, encode_rgb

CROP_SIDE = 64
LONGEST_SIDE = 1600
WHOLE_QUALITY = 92
AMPLIFIED = 4
"""Differences are shown this many times as strong."""


def make_visual(
    dataset: str, scale: int, image: str, hr: Tensor | None, results: dict[str, Tensor]
) -> Visual:
    """The pictures of one image: (3, H, W) uint8 by method, and the reference if there is one."""
    pictures = dict(results) if hr is None else {**results, HR: hr}
    some = next(iter(pictures.values()))
    height, width = some.shape[-2:]
    side = min(CROP_SIDE, height, width)
    top, left = most_different(list(pictures.values()), side)
    crops = {name: p[:, top : top + side, left : left + side] for name, p in pictures.items()}
    against = crops.get(HR)
    differing = {} if against is None else {n: _difference(c, against) for n, c in crops.items()}
    differing.pop(HR, None)
    return Visual(
        dataset,
        scale,
        image,
        (width, height),
        {name: _whole(picture) for name, picture in pictures.items()},
        Crop(
            (left, top, left + side, top + side),
            {name: encode_rgb(_pixels(crop)) for name, crop in crops.items()},
            {name: encode_rgb(_pixels(crop)) for name, crop in differing.items()},
        ),
    )


def _difference(crop: Tensor, reference: Tensor) -> Tensor:
    spread = (crop.int() - reference.int()).abs() * AMPLIFIED
    return spread.clamp(0, 255).to(torch.uint8)


def _whole(picture: Tensor) -> bytes:
    return encode_rgb(_pixels(_fitted(picture)), "WEBP", WHOLE_QUALITY)


def _fitted(picture: Tensor) -> Tensor:
    """A picture no larger than a page needs."""
    shrink = min(1.0, LONGEST_SIDE / max(picture.shape[-2:]))
    if shrink == 1:
        return picture
    height, width = (max(1, round(side * shrink)) for side in picture.shape[-2:])
    return rounded(imresize(picture.float() / 255, (height, width)))


def _pixels(picture: Tensor) -> Pixels:
    pixels: Pixels = picture.permute(1, 2, 0).contiguous().numpy()
    return pixels
