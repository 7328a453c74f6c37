"""A folder with one picture of each kind comes out four times as large, in the same tree."""

from __future__ import annotations

import io
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, ImageSequence, features

WIDTH, HEIGHT = 20, 14
ROWS, COLUMNS = np.mgrid[0:HEIGHT, 0:WIDTH]
GREY = (COLUMNS * 8 + ROWS * 4).astype(np.uint8)
RGB = np.stack([COLUMNS * 12, ROWS * 16, 255 - COLUMNS * 8], axis=2).astype(np.uint8)
ALPHA = (55 + COLUMNS * 10).astype(np.uint8)
DARK = (COLUMNS * 48 + ROWS * 80).astype(np.uint16)  # at most 1952 of 65535


def frames(count=3):
    return [Image.fromarray(np.roll(RGB, shift * 4, axis=1)) for shift in range(count)]


def save_orientation(path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(RGB).save(path, exif=exif, quality=95, dpi=(300, 300))


def save_cmyk(path):
    Image.fromarray(RGB).convert("CMYK").save(path, quality=95)


def save_palette(path):
    image = Image.fromarray(RGB).quantize(16)
    image.save(path, transparency=0)


def save_animation(path, **options):
    first, *others = frames()
    first.save(path, save_all=True, append_images=others, loop=3, **options)


MAKERS = {
    "png/grey8.png": lambda p: Image.fromarray(GREY).save(p),
    "png/rgb8.png": lambda p: Image.fromarray(RGB).save(p),
    "png/rgba8.png": lambda p: Image.fromarray(np.dstack([RGB, ALPHA])).save(p),
    "png/la8.png": lambda p: Image.fromarray(np.dstack([GREY, ALPHA])).save(p),
    "png/palette.png": lambda p: Image.fromarray(RGB).quantize(16).save(p),
    "png/palette_clear.png": save_palette,
    "png/one_bit.png": lambda p: Image.fromarray(GREY).convert("1").save(p),
    "png/grey16.png": lambda p: p.write_bytes(imagecodecs.png_encode(DARK)),
    "png/rgb16.png": lambda p: p.write_bytes(imagecodecs.png_encode(np.dstack([DARK] * 3))),
    "png/deep/er/apng.png": lambda p: save_animation(p, duration=[100, 200, 300]),
    "jpeg/turned.jpg": save_orientation,
    "jpeg/cmyk.jpeg": save_cmyk,
    "jpeg/grey.JPG": lambda p: Image.fromarray(GREY).save(p, quality=95),
    "web/still.webp": lambda p: Image.fromarray(RGB).save(p, lossless=True),
    "web/moving.webp": lambda p: save_animation(p, duration=[100, 200, 300], lossless=True),
    "web/still.gif": lambda p: Image.fromarray(RGB).quantize(32).save(p),
    "web/moving.gif": lambda p: save_animation(p, duration=[100, 200, 300]),
    "tiff/rgb16.tif": lambda p: tifffile.imwrite(p, np.dstack([DARK] * 3), photometric="rgb"),
    "tiff/rgb8.tiff": lambda p: Image.fromarray(RGB).save(p),
    "plain.bmp": lambda p: Image.fromarray(RGB).save(p),
}
if features.check("avif"):
    MAKERS["web/photo.avif"] = lambda p: Image.fromarray(RGB).save(p, quality=95)


def save_heic(path):
    heif = pytest.importorskip("pillow_heif")
    heif.register_heif_opener()
    Image.fromarray(RGB).save(path, format="HEIF", quality=95)


@pytest.fixture(scope="module")
def batch(tmp_path_factory, esc):
    """(the run, the folder of the results)."""
    folder = tmp_path_factory.mktemp("kinds") / "photos"
    for name, make in MAKERS.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        make(path)
    hidden = folder / ".thumbnails" / "small.png"
    hidden.parent.mkdir()
    Image.fromarray(RGB).save(hidden)
    Image.fromarray(RGB).save(folder / ".hidden.png")
    (folder / "notes.txt").write_text("no picture")
    (folder / "empty").mkdir()
    return esc(folder), folder.with_name("photos_x4")


def opened(batch, name):
    image = Image.open(batch[1] / name)
    image.load()
    return image


def decoded(batch, name):
    if name.endswith((".tif", ".tiff")):
        return tifffile.imread(batch[1] / name)
    return imagecodecs.imread(batch[1] / name)


def likeness(result, source):
    """Mean difference of the result, made small again, from its source, in 8-bit levels."""
    small = Image.fromarray(result).resize((source.shape[1], source.shape[0]), Image.Resampling.BOX)
    return np.abs(np.asarray(small, np.float64) - source).mean()


def test_everything_is_done(batch):
    assert batch[0].code == 0, batch[0].err
    assert f"{len(MAKERS)} done, 0 skipped, 0 failed" in batch[0].err


def test_the_tree_is_the_same_and_holds_nothing_else(batch, contents):
    expected = {name.replace("still.gif", "still.png") for name in MAKERS}
    assert set(contents(batch[1])) == expected


def test_what_is_no_picture_is_counted(batch):
    assert batch[0].lines_naming("1 files that are no pictures")


@pytest.mark.parametrize("name", [name for name in MAKERS if name != "jpeg/turned.jpg"])
def test_every_picture_is_four_times_as_large(batch, name):
    image = opened(batch, name.replace("still.gif", "still.png"))
    assert image.size == (4 * WIDTH, 4 * HEIGHT)


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("png/grey8.png", "L"),
        ("png/rgb8.png", "RGB"),
        ("png/rgba8.png", "RGBA"),
        ("png/la8.png", "LA"),
        ("png/palette.png", "RGB"),
        ("png/palette_clear.png", "RGBA"),
        ("png/one_bit.png", "L"),
        ("png/grey16.png", "I;16"),
        ("jpeg/cmyk.jpeg", "RGB"),
        ("jpeg/grey.JPG", "L"),
        ("web/still.webp", "RGB"),
        ("web/still.png", "RGB"),
        ("tiff/rgb8.tiff", "RGB"),
        ("plain.bmp", "RGB"),
    ],
)
def test_the_kind_of_pixels_is_kept(batch, name, mode):
    assert opened(batch, name).mode == mode


@pytest.mark.parametrize(
    ("name", "format_name"),
    [
        ("jpeg/cmyk.jpeg", "JPEG"),
        ("jpeg/grey.JPG", "JPEG"),
        ("web/still.webp", "WEBP"),
        ("web/still.png", "PNG"),
        ("tiff/rgb16.tif", "TIFF"),
        ("plain.bmp", "BMP"),
    ],
)
def test_the_format_is_the_one_that_the_name_says(batch, name, format_name):
    if name == "tiff/rgb16.tif":  # Pillow opens no 16-bit RGB
        assert (batch[1] / name).read_bytes()[:2] in (b"II", b"MM")
        return
    assert opened(batch, name).format == format_name


@pytest.mark.parametrize("name", ["png/grey16.png", "png/rgb16.png", "tiff/rgb16.tif"])
def test_sixteen_bits_stay_sixteen_bits_and_dark_stays_dark(batch, name):
    result = decoded(batch, name)
    assert result.dtype == np.uint16
    assert abs(float(result.mean()) - float(DARK.mean())) < 0.2 * DARK.mean()
    assert result.max() < 3 * DARK.max()


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("png/rgb8.png", RGB),
        ("png/grey8.png", GREY),
        ("plain.bmp", RGB),
        ("tiff/rgb8.tiff", RGB),
        ("web/still.webp", RGB),
        ("jpeg/grey.JPG", GREY),
    ],
)
def test_the_result_looks_like_its_source(batch, name, source):
    assert likeness(np.asarray(opened(batch, name)), source) < 4


def test_cmyk_keeps_its_colours(batch):
    assert likeness(np.asarray(opened(batch, "jpeg/cmyk.jpeg")), RGB) < 8


def test_orientation_is_applied_once_and_its_tag_reset(batch):
    image = opened(batch, "jpeg/turned.jpg")
    assert image.size == (4 * HEIGHT, 4 * WIDTH)
    assert image.getexif().get(0x0112, 1) == 1
    assert likeness(np.asarray(image), np.rot90(RGB, -1)) < 8
    assert image.info["dpi"] == (300, 300)


def test_palette_transparency_survives(batch):
    alpha = np.asarray(opened(batch, "png/palette_clear.png"))[..., 3]
    assert alpha.min() == 0
    assert alpha.max() == 255


@pytest.mark.parametrize("name", ["png/deep/er/apng.png", "web/moving.webp", "web/moving.gif"])
def test_animations_keep_frames_delays_and_loops(batch, name):
    image = Image.open(batch[1] / name)
    delays = []
    for frame in ImageSequence.Iterator(image):
        frame.load()
        delays.append(frame.info["duration"])
    assert delays == [100, 200, 300]
    assert image.info["loop"] == 3
    last = image.convert("RGB")
    assert likeness(np.asarray(last), np.asarray(frames()[-1])) < 10


def test_stdout_names_every_result_and_nothing_else(batch, contents):
    lines = batch[0].out.splitlines()
    assert {str(Path(line).relative_to(batch[1])) for line in lines} == set(contents(batch[1]))


def test_a_colour_profile_and_heic_come_through(tmp_path, esc):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    source = tmp_path / "in"
    source.mkdir()
    Image.fromarray(RGB).save(source / "profile.png", icc_profile=profile)
    save_heic(source / "phone.heic")
    ran = esc(source, "-o", tmp_path / "out", "--format", "png")
    assert ran.code == 0, ran.err
    with Image.open(tmp_path / "out" / "profile.png") as image:
        assert image.info["icc_profile"] == profile
    with Image.open(io.BytesIO((tmp_path / "out" / "phone.png").read_bytes())) as image:
        assert image.size == (4 * WIDTH, 4 * HEIGHT)
        assert likeness(np.asarray(image), RGB) < 8
