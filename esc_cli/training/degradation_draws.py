"""Blur kernels of the second-order degradation: (side, side) float64, summing to 1.

Formulas of Real-ESRGAN (Wang et al., 2021, section 3 and its supplement): Gaussians and their
generalised and plateau-shaped forms (Liu et al., 2020), and the circular low-pass (sinc) filter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray

from esc_cli.training.degradation_settings import Order, Real

Mode = Literal["area", "bilinear", "bicubic"]
MODES: tuple[Mode, ...] = ("area", "bilinear", "bicubic")
SMALLEST_SIDE = 7
"""Sides of kernels are odd, from here to the settings' largest."""


@dataclass(frozen=True)
class OrderDraw:
    """One pass: blur kernel or None, factor and mode of the resize, noise, JPEG quality.

    `strength` is the noise's standard deviation in 0..255, or the factor of Poisson noise.
    """

    blur: Kernel | None
    factor: float
    mode: Mode
    poisson: bool
    strength: float
    grey: bool
    quality: float


@dataclass(frozen=True)
class Draw:
    """Both passes, the last resize and filter and whether JPEG comes before them, and the seed of
    the noise. `corner` is where the trained part begins, (row, column) in LR pixels."""

    first: OrderDraw
    second: OrderDraw
    last_mode: Mode
    last_filter: Kernel
    jpeg_first: bool
    noise_seed: int
    corner: tuple[int, int]


def draw_degradation(draw: np.random.Generator, real: Real) -> Draw:
    """All draws of a patch."""
    return Draw(
        first=_order(draw, real.first, real.kernel),
        second=_order(draw, real.second, real.kernel),
        last_mode=_mode(draw),
        last_filter=_last_filter(draw, real),
        jpeg_first=bool(draw.random() < 0.5),
        noise_seed=int(draw.integers(1 << 62)),
        corner=(int(draw.integers(real.context + 1)), int(draw.integers(real.context + 1))),
    )


def _order(draw: np.random.Generator, order: Order, largest: int) -> OrderDraw:
    blurred = draw.random() < order.blur
    kernel = _kernel(draw, order, largest)
    factor = _factor(draw, order)
    poisson = bool(draw.random() >= order.gaussian)
    return OrderDraw(
        blur=kernel if blurred else None,
        factor=factor,
        mode=_mode(draw),
        poisson=poisson,
        strength=float(draw.uniform(*(order.poisson if poisson else order.noise))),
        grey=bool(draw.random() < order.grey),
        quality=float(draw.uniform(*order.jpeg)),
    )


def _mode(draw: np.random.Generator) -> Mode:
    return MODES[int(draw.integers(len(MODES)))]


def _factor(draw: np.random.Generator, order: Order) -> float:
    up, down, keep = order.resize
    kind = draw.choice(3, p=np.array((up, down, keep)) / (up + down + keep))
    bounds = ((1.0, order.up_to), (order.down_to, 1.0), (1.0, 1.0))
    return float(draw.uniform(*bounds[int(kind)]))


def _side(draw: np.random.Generator, largest: int) -> int:
    smallest = min(SMALLEST_SIDE, largest)
    return smallest + 2 * int(draw.integers((largest - smallest) // 2 + 1))


def _kernel(draw: np.random.Generator, order: Order, largest: int) -> Kernel:
    side = _side(draw, largest)
    if draw.random() < order.sinc:
        lowest = math.pi / 3 if side < 13 else math.pi / 5
        return centred(sinc(side, float(draw.uniform(lowest, math.pi))), largest)
    share = np.array(order.kernels)
    shape, unequal = KINDS[int(draw.choice(len(KINDS), p=share / share.sum()))]
    sigmas = draw.uniform(*order.sigma, size=2)
    angle = float(draw.uniform(-math.pi, math.pi))
    if not unequal:
        sigmas[1] = sigmas[0]
    beta = _beta(draw, order.plateau if shape == "plateau" else order.generalised)
    both = cast("tuple[float, float]", tuple(map(float, sigmas)))
    return centred(bell(side, shape, both, angle, beta), largest)


def _beta(draw: np.random.Generator, bounds: tuple[float, float]) -> float:
    """Half of the draws between the lower end and 1, half between 1 and the upper end."""
    lower = draw.random() < 0.5
    return float(draw.uniform(bounds[0], 1.0) if lower else draw.uniform(1.0, bounds[1]))


def _last_filter(draw: np.random.Generator, real: Real) -> Kernel:
    if draw.random() >= real.final_sinc:
        return pulse(real.kernel)
    side = _side(draw, real.kernel)
    return centred(sinc(side, float(draw.uniform(math.pi / 3, math.pi))), real.kernel)


Kernel = NDArray[np.float64]
Shape = Literal["gaussian", "generalised", "plateau"]

KINDS: tuple[tuple[Shape, bool], ...] = (
    ("gaussian", False),
    ("gaussian", True),
    ("generalised", False),
    ("generalised", True),
    ("plateau", False),
    ("plateau", True),
)
"""Shape, and whether the two axes differ; probabilities in recipes follow this order."""


def _positions(side: int) -> tuple[Kernel, Kernel]:
    """Rows and columns from the centre."""
    axis = np.arange(side, dtype=np.float64) - side // 2
    return axis[:, None], axis[None, :]


def bell(side: int, shape: Shape, sigmas: tuple[float, float], angle: float, beta: float) -> Kernel:
    """A bell of an odd side: `sigmas` along its own axes, which are turned by `angle` radians.

    With q the squared distance in sigmas: exp(-q / 2), exp(-q^beta / 2), or 1 / (1 + q^beta).
    """
    rows, columns = _positions(side)
    along = columns * math.cos(angle) + rows * math.sin(angle)
    across = rows * math.cos(angle) - columns * math.sin(angle)
    squared = (along / sigmas[0]) ** 2 + (across / sigmas[1]) ** 2
    if shape == "plateau":
        kernel = 1 / (1 + squared**beta)
    else:
        kernel = np.exp(-0.5 * squared ** (beta if shape == "generalised" else 1))
    normalised: Kernel = kernel / kernel.sum()
    return normalised


def sinc(side: int, cutoff: float) -> Kernel:
    """The circular low-pass filter with a cut-off in radians, pi at most, on an odd side."""
    rows, columns = _positions(side)
    radius = np.hypot(rows, columns)
    bessel = torch.special.bessel_j1(torch.from_numpy(cutoff * radius)).numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        kernel = cutoff * bessel / (2 * math.pi * radius)
    kernel[side // 2, side // 2] = cutoff**2 / (4 * math.pi)
    normalised: Kernel = kernel / kernel.sum()
    return normalised


def centred(kernel: Kernel, side: int) -> Kernel:
    """The kernel in the middle of zeros, (side, side)."""
    margin = (side - len(kernel)) // 2
    return np.pad(kernel, margin)


def pulse(side: int) -> Kernel:
    """The kernel that changes nothing."""
    return centred(np.ones((1, 1)), side)
