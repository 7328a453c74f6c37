"""Three kinds of moving pictures, drawn: flat animation, film with grain, screen text."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Size = tuple[int, int]
SHOT = 90
"""Frames between two cuts of the animation and of the film, and between two pages of text."""


def animation(size: Size, count: int) -> Iterator[np.ndarray]:
    """Flat shapes with outlines, a new drawing for every second frame: (H, W, 3) uint8."""
    width, height = size
    for number in range(count):
        draw_random = np.random.default_rng(number // SHOT)
        step = number % SHOT // 2
        image = Image.new("RGB", size, tuple(draw_random.integers(90, 220, 3).tolist()))
        draw = ImageDraw.Draw(image)
        for index in range(14):
            x, y, side, speed = draw_random.uniform(0, 1, 4)
            colour = tuple(draw_random.integers(20, 240, 3).tolist())
            moved = (x * width + (step * (speed - 0.5) * width / 60 if index > 9 else 0)) % width
            radius = (0.05 + 0.15 * side) * height
            box = (moved - radius, y * height - radius, moved + radius, y * height + radius)
            shape = draw.ellipse if index % 2 else draw.rectangle
            shape(box, fill=colour, outline=(10, 10, 10), width=max(1, height // 180))
        yield np.asarray(image)


def film(size: Size, count: int) -> Iterator[np.ndarray]:
    """Smooth shapes and textures that pan, with grain that is new in every frame."""
    width, height = size
    grain = np.random.default_rng(1)
    for number in range(count):
        if number % SHOT == 0:
            scene = _scene(np.random.default_rng(number), width + SHOT, height + SHOT)
        step = number % SHOT
        part = scene[step // 2 : step // 2 + height, step : step + width]
        noise = grain.normal(0, 5, (height, width, 1))
        yield (part + noise).clip(0, 255).astype(np.uint8)


def _scene(random: np.random.Generator, width: int, height: int) -> np.ndarray:
    """Noise whose spectrum falls with the frequency, as that of photographs does."""
    rows, columns = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    falling = 1 / np.maximum(np.hypot(rows, columns), 1 / max(width, height)) ** 1.3
    planes = []
    for _ in range(3):
        white = np.fft.rfft2(random.normal(0, 1, (height, width)))
        plane = np.fft.irfft2(white * falling, (height, width))
        planes.append(plane / plane.std())
    luma = planes[0][..., None] * 40
    return 120 + luma + np.stack(planes, axis=2) * 8


def text(size: Size, count: int) -> Iterator[np.ndarray]:
    """Dark words on a white page that grow letter by letter, with a cursor; then the next page."""
    width, height = size
    font = ImageFont.load_default(max(10, height // 40))
    line = int(font.size * 1.4)
    for number in range(count):
        random = np.random.default_rng(number // SHOT)
        letters = random.choice(
            list("etaoin shrdlu cmfwyp"), (height // line - 2, width // font.size * 2)
        )
        image = Image.new("RGB", size, (250, 250, 250))
        draw = ImageDraw.Draw(image)
        typed = number % SHOT // 3
        for row, words in enumerate(letters):
            shown = (
                words
                if row < len(letters) // 2
                else words[:typed]
                if row == len(letters) // 2
                else ""
            )
            draw.text((line, line * (row + 1)), "".join(shown), (20, 20, 30), font)
        if number // 15 % 2:
            draw.rectangle(
                (line, height - line, line + font.size, height - line // 2), (20, 20, 30)
            )
        yield np.asarray(image)


KINDS: dict[str, Callable[[Size, int], Iterator[np.ndarray]]] = {
    "flat animation": animation,
    "film with grain": film,
    "screen text": text,
}
