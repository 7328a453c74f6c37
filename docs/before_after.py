"""Makes docs/before_after.png: a sample enlarged by bicubic interpolation and by esc.

Run from the repository's root: python docs/before_after.py
"""

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

import esc_cli
from esc_cli.media.decode import decode
from esc_cli.tasks.upscale.picture import PictureUpscaler

SCALE = 4
CROPS = {"city.png": (55, 10, 135, 70), "starfish.jpg": (0, 30, 80, 90)}


def pair(name: str, box: tuple[int, int, int, int]) -> Image.Image:
    """Bicubic on the left, esc on the right."""
    path = Path("docs/samples") / name
    upscaler = esc_cli.Upscaler(esc_cli.load_model(scale=SCALE))
    picture = decode(path, max_pixels=10**8)
    size = (picture.header.width * SCALE, picture.header.height * SCALE)
    result = PictureUpscaler(upscaler, size, lambda: None).run(picture)
    after = Image.fromarray(result.frames[0])
    before = Image.open(path).resize(size, Image.Resampling.BICUBIC)
    large = tuple(side * SCALE for side in box)
    halves = [image.crop(large) for image in (before, after)]
    both = Image.new("RGB", (2 * halves[0].width + 4, halves[0].height), "white")
    both.paste(halves[0], (0, 0))
    both.paste(halves[1], (halves[0].width + 4, 0))
    return both


rows = [pair(name, box) for name, box in CROPS.items()]
sheet = Image.new("RGB", (rows[0].width, sum(row.height for row in rows) + 28), "white")
draw = ImageDraw.Draw(sheet)
font = ImageFont.load_default(16)
draw.text((8, 4), "bicubic", fill="black", font=font)
draw.text((sheet.width // 2 + 10, 4), "esc", fill="black", font=font)
top = 26
for row in rows:
    sheet.paste(row, (0, top))
    top += row.height + 2
sheet.save("docs/before_after.png", optimize=True)
