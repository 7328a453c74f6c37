"""What rides on frames: HDR10 metadata is kept where the encoder takes it, the rest is named."""

from __future__ import annotations

import av
import pytest
from clips import Clip

from esc_cli.media.video.side_data import Mastering, joined
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.events import Item, Remark
from esc_cli.tasks.upscale.options import Target, UpscaleOptions, VideoOptions
from esc_cli.tasks.upscale.run import upscale

P3 = Mastering(
    (0.68, 0.32), (0.265, 0.69), (0.15, 0.06), (0.3127, 0.329), luminance=(1000.0, 0.005)
)
HDR = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
X265 = f"log-level=none:frame-threads=1:bframes=0:master-display={HDR}:max-cll=1000,400"
CAPTIONS = bytes.fromhex("b50031") + b"GA94" + bytes.fromhex("0341fffc8080ff")  # ATSC A/53 part 4


def hdr_clip(path):
    return Clip(
        frames=4, pix_fmt="yuv420p10le", codec="libx265", options={"x265-params": X265},
        matrix=9, primaries=9, transfer=16, full_range=1,
    ).write(path)  # fmt: skip


def captioned(source, target, first=0, content=CAPTIONS, unit_head=b"\x06"):
    """The same H.264 packets with a message, of closed captions, before each, from one on."""
    message = unit_head + b"\x04" + bytes([len(content)]) + content + b"\x80"
    return with_unit(source, target, message, first)


def with_unit(source, target, message, first=0, last=False):
    """The same packets of H.264 or HEVC with one more NAL unit each, from one on."""
    unit = len(message).to_bytes(4, "big") + message
    with av.open(str(source)) as one, av.open(str(target), "w") as other:
        copy = other.add_stream_from_template(one.streams.video[0], opaque=True)
        packets = [packet for packet in one.demux(one.streams.video[0]) if packet.size]
        for number, packet in enumerate(packets):
            before, after = (b"", unit) if last else (unit * (number >= first), b"")
            made = av.Packet(before + bytes(packet) + after)
            made.pts, made.dts, made.time_base = packet.pts, packet.dts, packet.time_base
            made.is_keyframe, made.stream = packet.is_keyframe, copy
            other.mux(made)
    return target


def run(clip, **options):
    """(remarks before the work, the item, what lies on the first frame of the result)."""
    events = list(upscale(UpscaleOptions((str(clip),), video=VideoOptions(**options)), Stop()))
    item = next(event for event in events if isinstance(event, Item))
    assert item.status == "done", item.reason
    kinds = [type(event) for event in events if isinstance(event, (Item, Remark))]
    assert kinds[-1] is Item
    with av.open(str(item.output)) as container:
        frame = next(container.decode(video=0))
        blocks = {block.type.name: bytes(block) for block in frame.side_data}
    return [event.text for event in events if isinstance(event, Remark)], item, blocks


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
def test_mastering_display_and_light_levels_are_kept(tmp_path, codec, suffix):
    clip = hdr_clip(tmp_path / f"clip{suffix}")
    with av.open(str(clip)) as container:
        frame = next(container.decode(video=0))
        wanted = {block.type.name: bytes(block) for block in frame.side_data}
    remarks, item, found = run(clip, codec=codec)
    assert (remarks, item.notes) == ([], ())
    assert found["CONTENT_LIGHT_LEVEL"] == wanted["CONTENT_LIGHT_LEVEL"]
    key = "MASTERING_DISPLAY_METADATA"
    assert len(found[key]) == len(wanted[key])
    if codec != "av1":  # which has finer steps; the check against the source compares them
        assert found[key] == wanted[key]


def test_what_an_encoder_is_not_given_is_named_before_the_work(tmp_path):
    remarks, _, found = run(hdr_clip(tmp_path / "clip.mkv"), codec="ffv1")
    lost = "the mastering display, the light levels"
    assert remarks == [f"will be lost, as ffv1 is not given it: {lost}"]
    assert "MASTERING_DISPLAY_METADATA" not in found


def test_closed_captions_are_named_before_the_work(tmp_path):
    plain = Clip(frames=4).write(tmp_path / "in" / "plain.mkv")
    remarks, item, found = run(captioned(plain, tmp_path / "clip.mkv"))
    assert remarks == ["will be lost, as libx264 is not given it: closed captions"]
    assert item.notes == tuple(remarks)  # in the report as well
    assert "A53_CC" not in found


def test_hdr10_plus_is_named_before_the_work_and_in_the_report(tmp_path):
    plain = Clip(
        frames=4,
        codec="libx265",
        options={"x265-params": "log-level=none:frame-threads=1:bframes=0"},
    )
    bits = f"01{1000:027b}0" + f"{50_000:017b}" * 3 + f"{20_000:017b}" + "0" * 17
    settings = int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")
    content = bytes.fromhex("b5003c00010401") + settings  # SMPTE ST 2094-40, version 1
    plain = plain.write(tmp_path / "in" / "plain.mkv")
    source = captioned(plain, tmp_path / "clip.mkv", content=content, unit_head=b"\x4e\1")
    remarks, item, found = run(source, codec="hevc")
    assert remarks == ["will be lost, as libx265 is not given it: HDR10+"]
    assert item.notes == tuple(remarks)
    assert "DYNAMIC_HDR_PLUS" not in found


def test_dolby_vision_is_named_before_the_work_and_in_the_report(tmp_path):
    """Its settings are in a NAL unit of a type that HEVC leaves free (62), the last of a frame."""
    plain = Clip(
        frames=4,
        codec="libx265",
        options={"x265-params": "log-level=none:frame-threads=1:bframes=0"},
    )
    plain = plain.write(tmp_path / "in" / "plain.mkv")
    source = with_unit(plain, tmp_path / "clip.mkv", b"\x7c\1" + bytes(range(25, 60)), last=True)
    remarks, item, _ = run(source, codec="hevc")
    assert remarks == ["will be lost, as libx265 is not given it: Dolby Vision"]
    assert item.notes == tuple(remarks)


def test_closed_captions_that_begin_later_are_named_at_the_end(tmp_path):
    plain = Clip(frames=4).write(tmp_path / "in" / "plain.mkv")
    remarks, item, _ = run(captioned(plain, tmp_path / "clip.mkv", first=2))
    assert remarks == []
    assert item.notes == ("lost: closed captions",)


def test_encoders_get_the_mastering_display_in_their_own_steps():
    assert P3.text("libx265") == HDR
    assert P3.text("libsvtav1").endswith("WP(0.31270,0.32900)L(1000.00000,0.00500)")


def test_lists_of_parameters_follow_each_other_and_other_options_replace():
    options = [("crf", "1"), ("x264-params", "a=1"), ("crf", "2"), ("x264-params", "b=2")]
    assert joined(options) == {"crf": "2", "x264-params": "a=1:b=2"}


def test_what_will_be_lost_is_in_the_report_as_well(tmp_path):
    clip = Clip(4, (64, 48), "yuv420p12le", "ffv1", {}).write(tmp_path / "deep.mkv")
    options = UpscaleOptions((str(clip),), target=Target(1))
    *_, item, summary = upscale(options, Stop())
    assert summary.exit_code == 0, item.reason
    assert "12 bits become 10" in item.notes
