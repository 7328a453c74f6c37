"""The degradations that make LR patches from HR ones, as values. Imports no torch.

`Real` is the second-order degradation of Real-ESRGAN (Wang et al., 2021), `Photo` a mild one of
one order for photographs.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from esc_cli.errors import UsageError


@dataclass(frozen=True)
class Order:
    """One pass of blur, resize, noise and JPEG.

    `resize` are the probabilities of up, down and keep, `up_to` and `down_to` the ends of the
    factor. `sigma` is in pixels; `noise` the standard deviation of Gaussian noise in 0..255,
    used with probability `gaussian`, else Poisson noise times a factor of `poisson`. `grey` is
    the probability of the same noise in all channels, `jpeg` the range of qualities. Kernels are
    `kernels`, in the order of `degradation_draws.KINDS`, or with probability `sinc` a sinc filter.
    """

    blur: float = 1.0
    sigma: tuple[float, float] = (0.2, 3.0)
    resize: tuple[float, float, float] = (0.2, 0.7, 0.1)
    down_to: float = 0.15
    up_to: float = 1.5
    gaussian: float = 0.5
    noise: tuple[float, float] = (1.0, 30.0)
    poisson: tuple[float, float] = (0.05, 3.0)
    grey: float = 0.4
    jpeg: tuple[float, float] = (30.0, 95.0)
    kernels: tuple[float, float, float, float, float, float] = (0.45, 0.25, 0.12, 0.03, 0.12, 0.03)
    sinc: float = 0.1
    generalised: tuple[float, float] = (0.5, 4.0)
    plateau: tuple[float, float] = (1.0, 2.0)


SECOND = Order(
    blur=0.8,
    sigma=(0.2, 1.5),
    resize=(0.3, 0.4, 0.3),
    down_to=0.3,
    up_to=1.2,
    noise=(1.0, 25.0),
    poisson=(0.05, 2.5),
)


@dataclass(frozen=True)
class Real:
    """Both orders, and the last sinc filter with its probability.

    `kernel` is the side of the largest kernel. A patch is degraded with `context` LR pixels more
    on a side than is trained on, so that its borders are not those of the filters. `sharpen`:
    the pixel and perceptual losses compare with the USM-sharpened HR.
    """

    first: Order = field(default_factory=Order)
    second: Order = SECOND
    final_sinc: float = 0.8
    kernel: int = 21
    context: int = 36
    sharpen: bool = True


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
    grid. `h264` of the pictures are the second frame of a film instead, coded by x264 at a crf from
    its range after a frame that lies up to 2 LR pixels beside it. A patch is degraded with
    `context` LR pixels more on a side than is trained on, so that the grid of blocks begins
    anywhere in it.
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
    h264: float = 0.0
    crf: tuple[float, float] = (16.0, 36.0)
    context: int = 16


_RANGES = {
    "quality": (1.0, 100.0),
    "webp_quality": (1.0, 100.0),
    "jpeg": (1.0, 100.0),
    "crf": (0.0, 51.0),
}
"""What the codecs take; other ranges begin at 0 or more."""
_FACTORS = {"down_to": (0.01, 1.0), "up_to": (1.0, 16.0)}


def check_degradation(settings: Order | Real | Photo, where: str) -> None:
    """Raise UsageError, with the dotted name that begins with `where`, for what nothing can draw.

    A number that is no factor is a probability; two numbers are a range that rises, more
    are shares of which one is above 0.
    """
    for entry in fields(settings):
        name, value = f"{where}.{entry.name}", getattr(settings, entry.name)
        if isinstance(value, Order):
            check_degradation(value, name)
        elif isinstance(value, tuple):
            _check_numbers(name, value, _RANGES.get(entry.name, (0.0, float("inf"))))
        elif isinstance(value, float):
            _check_within(name, (value,), _FACTORS.get(entry.name, (0.0, 1.0)))
        elif not isinstance(value, bool):
            _check_within(name, (value,), (0.0, float("inf")))


def _check_numbers(name: str, values: tuple[float, ...], limits: tuple[float, float]) -> None:
    _check_within(name, values, limits)
    if len(values) == 2 and values[0] > values[1]:
        raise UsageError(f"{name} must rise, and is {_listed(values)}")
    if len(values) > 2 and not sum(values):
        raise UsageError(f"{name} must have a share above 0, and is {_listed(values)}")


def _check_within(name: str, values: tuple[float, ...], limits: tuple[float, float]) -> None:
    low, high = limits
    if not all(low <= value <= high and value != float("inf") for value in values):
        span = f"{low:g} or more" if high == float("inf") else f"in {low:g}..{high:g}"
        raise UsageError(f"{name} must be {span}, and is {_listed(values)}")


def _listed(values: tuple[Any, ...]) -> str:
    return ", ".join(f"{value:g}" for value in values)
