"""The degradation of photographs as values: one order, mild. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Photo:
    """What a camera, a scanner and saving did, once each, in this order.

    Every name that ends in nothing else is a probability; ranges are uniform. `blur`: a Gaussian
    with its sigmas, one an axis, in LR pixels. `downsamplers` are the shares of bicubic, box,
    bilinear and Lanczos. `noise`: of a standard deviation in 0..255 at middle grey, drawn from
    `sigma`; `poisson` of it follows the light as shot noise does, `grey` of it is the same in all
    channels, and `correlated` of it spreads over neighbours as a camera's own processing leaves
    it. `jpeg` and `webp`: saved at a quality from their ranges, else not compressed; `chroma` of
    the JPEGs are 4:2:0, the others 4:4:4; `twice` of them were saved before, on another block
    grid. A patch is degraded with `context` LR pixels more on a side than is trained on, so that
    the grid of blocks begins anywhere in it.
    """

    blur: float = 0.3
    blur_sigma: tuple[float, float] = (0.2, 1.0)
    downsamplers: tuple[float, float, float, float] = (0.55, 0.15, 0.15, 0.15)
    noise: float = 0.5
    sigma: tuple[float, float] = (0.0, 18.0)
    poisson: float = 0.3
    grey: float = 0.3
    correlated: float = 0.3
    jpeg: float = 0.7
    quality: tuple[float, float] = (28.0, 98.0)
    chroma: float = 0.75
    twice: float = 0.12
    webp: float = 0.06
    webp_quality: tuple[float, float] = (40.0, 95.0)
    context: int = 16
