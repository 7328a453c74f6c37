"""Valid small pictures of every format that is read, and archives of them, drawn at random.

`SEEDS` is the table: a format, its suffix, and the makers of its variants. A format that is added
to the product gets an entry here.
"""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from tests.campaign.seeds_floats import EXR, FITS, FLOAT_TIFF, HDR, JXL, RAW
from tests.campaign.seeds_png import MAKERS as PNG
from tests.campaign.seeds_tiff import MAKERS as TIFF

Maker = Callable[[Random], bytes]
_WHEN = (2026, 1, 2, 3, 4, 6)


@dataclass(frozen=True)
class Seeds:
    """The variants of one format. `refused`: known and not read, so that no variant is done."""

    suffix: str
    makers: tuple[Maker, ...]
    refused: bool = False


def pixels(rng: Random, channels: int = 3, dtype: type = np.uint8) -> NDArray[Any]:
    """(H, W, C): a gradient with a little noise, sides 5 to 24."""
    width, height = rng.randint(5, 24), rng.randint(5, 24)
    rows, columns = np.mgrid[0:height, 0:width]
    top = np.iinfo(dtype).max
    planes = [rows * rng.randint(1, 9) + columns * rng.randint(1, 9) for _ in range(channels)]
    noise = np.random.default_rng(rng.getrandbits(32)).integers(0, 8, (height, width, channels))
    return ((np.stack(planes, axis=2) + noise) * (top // 512)).astype(dtype)


def image(rng: Random, mode: str) -> Image.Image:
    """A picture of a mode of Pillow."""
    if mode == "RGBA":
        return Image.fromarray(pixels(rng, 4))
    if mode == "LA":
        return Image.fromarray(pixels(rng, 2))
    return Image.fromarray(pixels(rng)).convert(mode)


def saved(mode: str, format_name: str, rng: Random, **options: Any) -> bytes:
    """What Pillow writes of a drawn picture; an option that can be called is given `rng`."""
    target = io.BytesIO()
    given = {name: v(rng) if callable(v) else v for name, v in options.items()}
    image(rng, mode).save(target, format_name, **given)
    return target.getvalue()


def moving(mode: str, format_name: str, rng: Random, **options: Any) -> bytes:
    """An animation, or a file of several pictures."""
    first = image(rng, mode)
    others = [first.rotate(90 * n).resize(first.size) for n in range(1, rng.randint(2, 4))]
    target = io.BytesIO()
    first.save(target, format_name, save_all=True, append_images=others, **options)
    return target.getvalue()


def moving_avif(mode: str, rng: Random) -> bytes:
    """An animation without the time of day, which its encoder puts into three boxes."""
    content = bytearray(moving(mode, "AVIF", rng))
    for name in (b"mvhd", b"tkhd", b"mdhd"):
        start = content.find(name)
        while start >= 0:
            times = 16 if content[start + 4] else 8  # created and changed
            content[start + 8 : start + 8 + times] = bytes(times)
            start = content.find(name, start + 4)
    return bytes(content)


def exif(rng: Random) -> bytes:
    """EXIF with an orientation, a text and a directory of its own."""
    tags = Image.Exif()
    tags[0x0112] = rng.randint(1, 8)
    tags[0x010E] = "drawn"
    tags.get_ifd(0x8769)[0x9003] = "2026:01:02 03:04:05"
    return tags.tobytes()


def profile(_: Random) -> bytes:
    """An ICC profile."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def bit_fields(rng: Random) -> bytes:
    """A BMP of 16 bits with masks of its own."""
    width, height = rng.randint(5, 24), rng.randint(5, 24)
    row = width * 2 + -(width * 2) % 4
    masks = rng.choice([(0xF00, 0xF0, 0xF, 0xF000), (0xF800, 0x7E0, 0x1F, 0)])
    head = struct.pack("<IiiHHI", 56, width, height, 1, 16, 3) + bytes(20)
    head += struct.pack("<4I", *masks)
    start = 14 + len(head)
    return (
        b"BM"
        + struct.pack("<IHHI", start + row * height, 0, 0, start)
        + head
        + rng.randbytes(row * height)
    )


def heif(mode: str, rng: Random, **options: Any) -> bytes:
    """A HEIC picture. Not bit for bit the same with every version of its encoder."""
    import pillow_heif

    pillow_heif.register_heif_opener()
    return saved(mode, "HEIF", rng, **options)


def book(rng: Random, change: Callable[[bytes], bytes] = bytes) -> bytes:
    """A CBZ of pictures and a text, stored or compressed, with folders.

    change: what befalls a picture before it is packed.
    """
    target = io.BytesIO()
    with zipfile.ZipFile(
        target, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    ) as file:
        file.comment = rng.randbytes(rng.choice((0, 0, 20)))
        for number in range(rng.randint(1, 3)):
            form = rng.choice(("PNG", "JPEG", "WEBP"))
            name = f"{rng.choice(('', 'a/', 'ä/'))}{number}.{form.lower()}"
            file.writestr(zipfile.ZipInfo(name, _WHEN), change(saved("RGB", form, rng)))
        file.writestr(zipfile.ZipInfo("ComicInfo.xml", _WHEN), b"<ComicInfo/>")
    return target.getvalue()


def pnm(rng: Random) -> bytes:
    """A PPM, which is not read."""
    plane = pixels(rng)
    return b"P6 %d %d 255\n" % (plane.shape[1], plane.shape[0]) + plane.tobytes()


def _each(modes: str, format_name: str, **options: Any) -> tuple[Maker, ...]:
    return tuple(
        lambda rng, mode=mode: saved(mode, format_name, rng, **options) for mode in modes.split()
    )


def _one(make: Callable[..., bytes], mode: str, format_name: str, **options: Any) -> Maker:
    return partial(_call, make, mode, format_name, options)


def _call(
    make: Callable[..., bytes], mode: str, format_name: str, options: dict[str, Any], rng: Random
) -> bytes:
    return make(mode, format_name, rng, **options)


_JPEG = (
    *_each("RGB L CMYK", "JPEG"),
    *_each("RGB L", "JPEG", progressive=True),
    _one(saved, "RGB", "JPEG", subsampling="4:2:0", quality=40),
    _one(saved, "RGB", "JPEG", restart_marker_blocks=1),
    _one(saved, "RGB", "JPEG", exif=exif, icc_profile=profile, comment=b"drawn"),
    _one(moving, "RGB", "MPO"),
)
_WEBP = (
    *_each("RGB RGBA", "WEBP"),
    *_each("RGB RGBA", "WEBP", lossless=True),
    _one(saved, "RGB", "WEBP", exif=exif, icc_profile=profile),
    _one(moving, "RGB", "WEBP"),
    _one(moving, "RGBA", "WEBP", lossless=True),
)
_GIF = (
    *_each("P L 1", "GIF"),
    _one(saved, "P", "GIF", interlace=0, transparency=0, comment=b"drawn"),
    _one(moving, "P", "GIF", duration=40, loop=0),
    _one(moving, "RGBA", "GIF", duration=40, disposal=2),
)
_AVIF = (
    *_each("RGB RGBA L", "AVIF"),
    _one(saved, "RGB", "AVIF", exif=exif),
    partial(moving_avif, "RGB"),
)
_REFUSED = (*_each("RGB", "JPEG2000"), *_each("RGB", "ICO"), *_each("RGBA", "DDS"), pnm)

SEEDS: Mapping[str, Seeds] = {
    "PNG": Seeds(".png", PNG),
    "JPEG": Seeds(".jpg", _JPEG),
    "WebP": Seeds(".webp", _WEBP),
    "GIF": Seeds(".gif", _GIF),
    "BMP": Seeds(".bmp", (*_each("1 L P RGB RGBA", "BMP"), bit_fields)),
    "TIFF": Seeds(".tif", TIFF),
    "AVIF": Seeds(".avif", _AVIF),
    "HEIC": Seeds(".heic", (partial(heif, "RGB"), partial(heif, "RGBA"), partial(heif, "L"))),
    "TGA": Seeds(
        ".tga", (*_each("RGB RGBA L P", "TGA"), *_each("RGB P", "TGA", compression="tga_rle"))
    ),
    "PCX": Seeds(".pcx", _each("RGB L P 1", "PCX")),
    "JPEG XL": Seeds(".jxl", JXL),
    "OpenEXR": Seeds(".exr", EXR),
    "HDR": Seeds(".hdr", HDR),
    "FITS": Seeds(".fits", FITS),
    "float TIFF": Seeds(".tif", FLOAT_TIFF),
    "raw": Seeds(".dng", RAW),
    "CBZ": Seeds(".cbz", (book,)),
    "not read": Seeds(".jp2", _REFUSED, refused=True),
}
