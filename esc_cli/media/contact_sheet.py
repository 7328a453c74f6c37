"""A sheet of details side by side, for `esc compare`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from esc_cli.media.rgb import Pixels

MARGIN, TITLE = 8, 22
BACKGROUND, INK = (255, 255, 255), (20, 20, 20)


@dataclass(frozen=True)
class Panel:
    """A picture with a title."""

    title: str
    pixels: Pixels


def enlarge_nearest(pixels: Pixels, factor: int) -> Pixels:
    """Every pixel as a square of `factor` pixels."""
    return pixels.repeat(factor, axis=0).repeat(factor, axis=1)


def make_sheet(rows: Sequence[Sequence[Panel]]) -> Pixels:
    """(H, W, 3): panels in rows, each under its title."""
    heights = [max(panel.pixels.shape[0] for panel in row) + TITLE + MARGIN for row in rows]
    widths = [sum(panel.pixels.shape[1] + MARGIN for panel in row) for row in rows]
    sheet = Image.new("RGB", (max(widths) + MARGIN, sum(heights) + MARGIN), BACKGROUND)
    top = MARGIN
    for row, height in zip(rows, heights, strict=True):
        _paste_row(sheet, row, top)
        top += height
    return np.asarray(sheet)


def _paste_row(sheet: Image.Image, row: Sequence[Panel], top: int) -> None:
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    left = MARGIN
    for panel in row:
        draw.text((left, top), panel.title, fill=INK, font=font)
        sheet.paste(Image.fromarray(panel.pixels), (left, top + TITLE))
        left += panel.pixels.shape[1] + MARGIN
