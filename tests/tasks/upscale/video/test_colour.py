"""Colours are those of the source: matrix, range and bits, there and back."""

from __future__ import annotations

import av
import numpy as np
import pytest
import torch
from clips import Clip, frames_of, look, samples_of
from video_runs import result_of

from esc_cli.errors import UnsupportedError
from esc_cli.media.video.colour_tags import ColourTags, levels, resolved_matrix
from esc_cli.media.video.pixel_formats import closest, planar
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.options import Target, UpscaleOptions, VideoOptions
from esc_cli.tasks.upscale.run import upscale
from esc_cli.tasks.upscale.video import colour
from esc_cli.tasks.upscale.video.colour import ColourSpace

SPACES = {  # (pixel format, matrix, range)
    "BT.601": ("yuv420p", 6, 1),
    "BT.709 limited": ("yuv420p", 1, 1),
    "BT.709 full": ("yuv420p", 1, 2),
    "BT.2020 10 bit": ("yuv420p10le", 9, 1),
    "unspecified": ("yuv420p", 2, 0),
    "BT.709 4:2:2": ("yuv422p", 1, 1),
    "BT.709 4:4:4": ("yuv444p", 1, 1),
}
SAMPLES = ((100, 90, 160), (180, 140, 110), (60, 120, 130), (225, 128, 128), (20, 128, 128))


def outcome(source, scale):
    options = UpscaleOptions(
        (str(source),), target=Target(scale), video=VideoOptions(codec="ffv1"), name=f"x{scale}"
    )
    *_, item, summary = upscale(options, Stop())
    assert summary.exit_code == 0, item.reason
    return item.output


@pytest.mark.slow
@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("scale", [1, 2])
def test_a_constant_colour_stays_within_one_level(tmp_path, space, scale):
    pix_fmt, matrix, full_range = SPACES[space]
    deep = 4 if "10" in pix_fmt else 1
    for number, samples in enumerate(SAMPLES):
        wanted = tuple(sample * deep + (deep > 1) for sample in samples)
        clip = Clip(2, (32, 24), pix_fmt, "ffv1", {}, colour=wanted, matrix=matrix)
        clip.full_range = full_range
        result = outcome(clip.write(tmp_path / f"{number}" / "clip.mkv"), scale)
        seen = look(result)
        assert seen.pix_fmt == pix_fmt
        assert seen.tags[:2] == (matrix, full_range)
        for planes in frames_of(result):
            for plane, sample in zip(planes, wanted, strict=True):
                # Away from the border, where the network's zero padding shows.
                centre = plane[6:-6, 6:-6] if scale > 1 else plane
                tolerance = 1 if scale == 1 else 2 * deep
                assert np.abs(centre.astype(int) - sample).max() <= tolerance


@pytest.mark.parametrize("space", SPACES)
def test_a_picture_that_is_not_enlarged_stays_within_one_level_of_its_luma(tmp_path, space):
    pix_fmt, matrix, full_range = SPACES[space]
    clip = Clip(2, (64, 48), pix_fmt, "ffv1", {}, matrix=matrix, full_range=full_range)
    source = clip.write(tmp_path / "clip.mkv")
    before, after = frames_of(source), frames_of(outcome(source, 1))
    for one, other in zip(before, after, strict=True):
        inside = _inside_rgb(one, pix_fmt, matrix, full_range)
        difference = np.abs(one[0].astype(int) - other[0].astype(int))[inside]
        assert difference.max() <= 1


def _inside_rgb(planes, pix_fmt, matrix, full_range):
    """Where the colour, with its chroma spread, is one that RGB can hold."""
    layout = planar(pix_fmt)
    tags = ColourTags(matrix, full_range)
    numbers = levels(resolved_matrix(tags, 64, 48), full_range == 2, layout.bits)
    rgb = ColourSpace(layout, numbers).to_rgb([tuple(planes)], torch.device("cpu"))[0]
    return ((rgb > 0) & (rgb < 1)).all(dim=0).numpy()


@pytest.mark.parametrize("matrix", [1, 6, 9])
@pytest.mark.parametrize("full_range", [False, True])
def test_the_conversion_is_that_of_swscale(matrix, full_range):
    """Against FFmpeg's own conversion of 4:4:4, which rounds to 8 bits on its way."""
    random = np.random.default_rng(matrix)
    y = random.integers(60, 190, (16, 16), np.uint8)
    cb, cr = random.integers(110, 146, (2, 16, 16), np.uint8)
    frame = av.VideoFrame.from_ndarray(np.stack((y, cb, cr)), "yuv444p")
    converted = frame.reformat(
        format="rgb24",
        src_colorspace={1: "ITU709", 6: "ITU601", 9: "BT2020"}[matrix],
        src_color_range=2 if full_range else 1,
        dst_color_range=2,
        interpolation="BITEXACT",
    ).to_ndarray()
    space = ColourSpace(planar("yuv444p"), levels(matrix, full_range, 8))
    rgb = space.to_rgb([(y, cb, cr)], torch.device("cpu"))[0] * 255
    assert np.abs(rgb.permute(1, 2, 0).numpy() - converted).max() <= 1.5


@pytest.mark.parametrize(
    "name", ["yuv411p", "yuv420p", "yuv422p", "yuv440p", "yuv444p", "gray", "gbrp"]
)
@pytest.mark.parametrize("bits", [8, 10, 16])
@pytest.mark.parametrize("size", [(7, 5), (8, 6), (1, 1)])
def test_there_and_back_changes_no_constant_frame(name, bits, size):
    layout = planar(name if bits == 8 else f"{name}{bits}le")
    numbers = None if layout.kind == "rgb" else levels(1, False, layout.bits)
    space = ColourSpace(layout, numbers)
    dtype = np.uint8 if bits == 8 else np.uint16
    frame = tuple(
        np.full(shape, (100 + 20 * index) << (bits - 8), dtype)
        for index, shape in enumerate(layout.plane_sizes(*size))
    )
    (back,) = space.to_planes(space.to_rgb([frame], torch.device("cpu")))
    for one, other in zip(frame, back, strict=True):
        assert one.shape == other.shape
        assert np.abs(one.astype(int) - other).max() <= 1


def test_chroma_stays_in_its_place_when_enlarged():
    """A ramp of chroma, sited left, enlarged as RGB, must be the finer ramp, sited left."""
    layout = planar("yuv420p10le")
    space = ColourSpace(layout, levels(1, False, 10))
    columns = np.arange(16)
    luma = np.full((16, 32), 500, np.uint16)
    cb = np.broadcast_to(400 + 8 * columns, (8, 16)).astype(np.uint16)
    rgb = space.to_rgb([(luma, cb, np.full_like(cb, 512))], torch.device("cpu"))
    width = 64
    at = (torch.arange(width) + 0.5) / 2 - 0.5  # the columns of the result in those of the source
    low = at.floor().clamp(0, 31).long()
    high = (low + 1).clamp(max=31)
    part = (at - low).clamp(0, 1)
    fine = rgb[..., low] * (1 - part) + rgb[..., high] * part
    (planes,) = space.to_planes(fine.repeat_interleave(2, dim=2))
    # Chroma sample k lies on luma column 2k, which is column k - 0.25 of the source's luma.
    expected = 400 + 8 * (np.arange(32) * 2 * 0.5 - 0.25) / 2
    assert np.abs(planes[1][4, 4:-4] - expected[4:-4]).max() <= 1


def test_chroma_of_4_1_1_is_read_between_every_fourth_column_and_written_there():
    """A ramp of chroma, of which sample k lies on luma column 4k, is a straight line between."""
    space = ColourSpace(planar("yuv411p"), levels(6, False, 8))
    luma, cb = (
        np.full((4, 32), 120, np.uint8),
        np.broadcast_to(np.arange(100, 148, 6, dtype=np.uint8), (4, 8)),
    )
    rgb = space.to_rgb([(luma, cb, np.full_like(cb, 128))], torch.device("cpu"))
    blue = rgb[0, 2, 0, :28]
    assert torch.allclose(blue[1:] - blue[:-1], (blue[1] - blue[0]).expand(27), atol=1e-5)
    (planes,) = space.to_planes(rgb)
    assert np.abs(planes[1][:, 1:-1].astype(int) - cb[:, 1:-1]).max() <= 1


def test_the_size_decides_where_the_matrix_is_not_stated(tmp_path):
    assert resolved_matrix(ColourTags(), 720, 576) == 6
    assert resolved_matrix(ColourTags(), 1280, 720) == 1
    assert resolved_matrix(ColourTags(matrix=9), 64, 64) == 9
    source = Clip(2, (700, 16), "yuv420p", options={"preset": "ultrafast"}).write(
        tmp_path / "c.mkv"
    )
    assert look(source).tags[0] == 2
    # As HD, players would take another matrix than the one that the source has.
    assert look(outcome(source, 2)).tags[0] == 6


def test_other_colour_models_are_refused_by_name():
    with pytest.raises(UnsupportedError, match="number 14"):
        levels(14, False, 10)
    with pytest.raises(UnsupportedError, match="gbrp10msble"):
        planar("gbrp10msble")


def test_the_closest_pixel_format_keeps_bits_first_and_then_chroma():
    known = ["yuv420p", "yuvj420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "gray"]
    for source, expected in (
        ("yuv420p", "yuv420p"),
        ("nv12", "yuv420p"),
        ("p010le", "yuv420p10le"),
        ("yuv422p12le", "yuv422p10le"),
        ("gbrp", "yuv444p"),
        ("gray", "gray"),
    ):
        assert closest(planar(source), known).name == expected
    assert closest(planar("yuv420p"), ["pal8"]) is None


RGB_SOURCES = {"qtrle": ("rgb24", "mov"), "ffv1": ("bgr0", "mkv"), "png": ("rgb24", "mov")}
QUARTERS = np.array([[(220, 30, 40), (30, 200, 60)], [(40, 50, 210), (200, 200, 30)]], np.uint8)


def shown(path):
    """The colours of the quarters of the first frame, by FFmpeg's scaler, which heeds the tags."""
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
    tags = int(frame.colorspace), int(frame.color_range)
    graph = av.filter.Graph()
    source = graph.add(
        "buffer",
        video_size=f"{frame.width}x{frame.height}",
        pix_fmt=frame.format.name,
        time_base="1/30",
        colorspace=str(tags[0]),
        range=str(tags[1]),
    )
    graph.link_nodes(source, graph.add("format", "rgb24"), graph.add("buffersink")).configure()
    graph.push(frame)
    rgb = graph.pull().to_ndarray(format="rgb24")
    rows, columns = (slice(side // 4, None, side // 2) for side in rgb.shape[:2])
    return rgb[rows, columns], tags, frame.format.is_rgb


@pytest.mark.parametrize("codec", RGB_SOURCES)
@pytest.mark.parametrize("result", ["h264", "hevc", "av1", "ffv1", "prores"])
def test_rgb_keeps_its_colours_in_every_codec_and_says_the_matrix_that_it_got(
    tmp_path, codec, result
):
    pix_fmt, suffix = RGB_SOURCES[codec]
    source = tmp_path / f"source.{suffix}"
    picture = QUARTERS.repeat(24, 0).repeat(32, 1)
    with av.open(str(source), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pix_fmt
        for _ in range(2):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format=pix_fmt)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    made = result_of(
        source, scale=1, output=str(tmp_path / "result.mkv"), video=VideoOptions(codec=result)
    )
    colours, (matrix, full_range), is_rgb = shown(made)
    assert np.abs(colours.astype(int) - QUARTERS).max() <= 3
    assert is_rgb == (result in {"hevc", "ffv1"})
    assert (matrix, full_range) == ((0, 2) if is_rgb else (6, 1))


@pytest.mark.slow
@pytest.mark.parametrize("pix_fmt", ["gray", "gray16le"])
@pytest.mark.parametrize(("stated", "low", "high"), [(0, 0, 255), (2, 0, 255), (1, 16, 235)])
@pytest.mark.parametrize("result", ["h264", "av1", "ffv1", "prores"])
def test_grey_of_which_no_range_is_stated_has_all_levels(
    tmp_path, pix_fmt, stated, low, high, result
):
    """FFmpeg shows it so; as limited range its darkest and brightest levels would be cut off."""
    quarters = np.array([[low, 90], [170, high]], np.uint8)
    source = tmp_path / "source.mkv"
    with av.open(str(source), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, pix_fmt
        stream.codec_context.color_range = stated
        for _ in range(2):
            frame = av.VideoFrame.from_ndarray(quarters.repeat(32, 0).repeat(32, 1), "gray")
            frame = frame.reformat(format=pix_fmt)
            frame.color_range = stated
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    made = result_of(
        source, scale=1, output=str(tmp_path / "result.mkv"), video=VideoOptions(codec=result)
    )
    wanted = (quarters.astype(float) - low) * 255 / (high - low)
    found = levels_shown(made)
    assert np.abs(found - wanted).max() <= 3


def levels_shown(path):
    """The grey of the quarters of the first frame, 0 to 255, by the range that the file states."""
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
    top = 2 ** frame.format.components[0].bits - 1
    luma = samples_of(frame)[0][16::32, 16::32].astype(float) * 255 / top
    is_full = frame.color_range == 2 or frame.format.name.startswith("yuvj")
    return luma if is_full else (luma - 16) * 255 / 219


@pytest.mark.parametrize("verify", [True, False])
def test_colours_that_were_mistaken_on_the_way_do_not_pass(tmp_path, monkeypatch, verify):
    """As if red and blue had been taken for each other."""
    own = ColourSpace.to_rgb

    def swapped(self, frames, device):
        return own(self, frames, device).flip(1)

    monkeypatch.setattr(ColourSpace, "to_rgb", swapped)
    clip = Clip(3, (64, 48), "yuv444p", "ffv1", {}, colour=(81, 90, 240), matrix=6)
    source = clip.write(tmp_path / "clip.mkv")
    wish = VideoOptions(codec="ffv1", verify=verify)
    *_, item, _ = upscale(UpscaleOptions((str(source),), target=Target(2), video=wish), Stop())
    assert item.status == ("failed" if verify else "done")
    assert ("the written video differs from its source" in (item.reason or "")) == verify
    assert [path.name for path in tmp_path.glob("clip_x*")] == ["clip_x2.mkv"] * (not verify)


@pytest.mark.parametrize("name", ["yuv411p", "yuv420p", "yuv422p10le", "yuv440p", "gray", "gbrp"])
@pytest.mark.parametrize("size", [(31, 37), (16, 2), (3, 40)])
def test_bands_of_rows_give_what_the_whole_frame_gives(monkeypatch, name, size):
    layout, random = planar(name), np.random.default_rng(0)
    space = ColourSpace(layout, None if layout.kind == "rgb" else levels(1, False, layout.bits))
    dtype = np.uint8 if layout.bits == 8 else np.uint16
    frames = [
        tuple(
            random.integers(0, 2**layout.bits, s).astype(dtype) for s in layout.plane_sizes(*size)
        )
        for _ in range(2)
    ]
    found = []
    for pixels in (1, 200, 1 << 30):
        monkeypatch.setattr(colour, "BAND_PIXELS", pixels)
        rgb = space.to_rgb(frames, torch.device("cpu"))
        found.append((rgb, space.to_planes(rgb)))
    for rgb, planes in found[:-1]:
        assert torch.equal(rgb, found[-1][0])
        for one, other in zip(planes, found[-1][1], strict=True):
            assert all(map(np.array_equal, one, other))
