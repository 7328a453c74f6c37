"""Makes docs/before_after.png: samples enlarged by bicubic interpolation and by esc, no options.

Run from the repository's root: python docs/before_after.py
"""

import io
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.options import UpscaleOptions
from esc_cli.tasks.upscale.pipe import upscale_bytes

SCALE = 4
CROPS = {
    "starfish.jpg": (0, 30, 80, 90),
    "farmhouse-compressed.jpg": (40, 50, 120, 110),
    "farmhouse-scan.png": (40, 50, 120, 110),
}


def pair(name: str, box: tuple[int, int, int, int]) -> Image.Image:
    """Bicubic on the left, esc on the right."""
    path = Path("docs/samples") / name
    content = upscale_bytes(path.read_bytes(), UpscaleOptions(("-",), format="png"), Stop())
    after = Image.open(io.BytesIO(content)).convert("RGB")
    before = Image.open(path).resize(after.size, Image.Resampling.BICUBIC)
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
