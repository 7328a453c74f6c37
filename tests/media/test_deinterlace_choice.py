"""Interlaced and telecined videos are recognised and become the frames that were there before."""

from __future__ import annotations

from fractions import Fraction
from itertools import chain, islice, pairwise

import av
import numpy as np
import pytest
from interlaced_clips import NTSC, Woven, interlaced, progressive, psnr, scene, telecined

from esc_cli.errors import UnsupportedError
from esc_cli.media.video.deinterlace_choice import AS_CALLED, Fields, Measured, decided
from esc_cli.media.video.interlacing import fields_of, with_fields
from esc_cli.media.video.probe import probe_video
from esc_cli.media.video.reader import Part, Reader

AT = scene()
LOSSLESS = {"codec": "ffv1", "options": {"level": "3"}}


def looked_at(path, wish="auto", doubled=False):
    facts = probe_video(path, 1 << 30)
    return with_fields(facts, fields_of(path, facts, wish, doubled=doubled))


def frames_of(path, part=None, **wish):
    """(the frames that are shown, what was done about the fields)."""
    facts = looked_at(path, **wish)
    reader = Reader(path, facts, part or Part())
    frames = list(reader.frames())
    assert not reader.damage
    assert list(reader.pts) == [frame.pts for frame in frames]
    return frames, facts


def times_of(frames, facts):
    return [frame.pts * facts.time_base for frame in frames]


def worst(frames, moments, shift=0):
    """The lowest PSNR of the luma against pictures of known moments, without the first and last."""
    found = [psnr(f.planes[0] >> shift, AT(t)) for f, t in zip(frames, moments, strict=True)]
    return min(found[2:-2])


CLIPS = {
    "dvd.mpg": Woven("mpeg2video", rate=NTSC, options={"b": "6M"}),
    "avchd.mkv": Woven(options={"crf": "10", "x264-params": "tff=1"}),
    "avchd.mts": Woven(options={"crf": "10", "x264-params": "tff=1"}),
    "broadcast.ts": Woven("mpeg2video", options={"b": "6M"}),
    "prores.mov": Woven("prores_ks", "yuv422p10le", options={}),
    "plain.mkv": Woven(pix_fmt="yuv422p", called_interlaced=False, **LOSSLESS),
}


@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.parametrize("top_first", [True, False])
def test_interlaced_frames_become_those_of_their_first_moment(tmp_path, name, top_first):
    path = CLIPS[name].write(tmp_path / name, interlaced(AT, 40, top_first))
    frames, facts = frames_of(path)
    assert facts.fields.method == "all"
    assert facts.fields.order == ("tff" if top_first else "bff")  # whatever the file calls it
    assert facts.rate == CLIPS[name].rate
    assert worst(frames, range(40), facts.layout.bits - 8) > 33


@pytest.mark.parametrize("name", CLIPS)
def test_each_field_can_become_a_frame_half_way_between_two(tmp_path, name):
    path = CLIPS[name].write(tmp_path / name, interlaced(AT, 40))
    frames, facts = frames_of(path, doubled=True)
    assert facts.rate == 2 * CLIPS[name].rate
    assert worst(frames, [n / 2 for n in range(80)], facts.layout.bits - 8) > 33
    times = times_of(frames, facts)
    single = frames_of(path)
    assert times[::2] == times_of(*single)
    assert all(abs(b - a - 1 / facts.rate) < Fraction(1, 900) for a, b in pairwise(times))
    assert all(0 < frame.duration <= 2 / facts.rate / facts.time_base for frame in frames)


TELECINED = {
    "dvd.mpg": Woven("mpeg2video", rate=NTSC, options={"b": "6M"}),
    "tape.avi": Woven("ffv1", "yuv411p", NTSC, called_interlaced=False, options={"level": "3"}),
}


@pytest.mark.slow
def test_the_verdict_on_narrow_rows_is_the_same_each_time(tmp_path):
    """idet reads behind rows that are shorter than what it takes at once."""
    path = TELECINED["tape.avi"].write(tmp_path / "tape.avi", telecined(AT, 40))
    assert {frames_of(path)[1].fields for _ in range(30)} == {frames_of(path)[1].fields}


@pytest.mark.parametrize("name", TELECINED)
@pytest.mark.parametrize("count", [100, 98])
def test_telecined_film_is_brought_back_to_24_frames_evenly(tmp_path, name, count):
    path = TELECINED[name].write(tmp_path / name, telecined(AT, count))
    frames, facts = frames_of(path)
    assert facts.fields.method == "telecine"
    assert "telecined film" in facts.fields.found
    assert facts.rate == Fraction(24000, 1001)
    assert len(frames) == facts.fields.count(count) == 4 * (count // 5) + count % 5
    whole = frames[: 4 * (count // 5)]
    assert worst(whole, range(len(whole)), facts.layout.bits - 8) > 38
    times = times_of(whole, facts)
    assert all(abs(b - a - 1 / facts.rate) < Fraction(1, 900) for a, b in pairwise(times))
    with av.open(str(path)) as container:
        first = next(container.decode(video=0))
        assert times[0] == first.pts * first.time_base


def test_film_of_more_than_8_bits_keeps_them_and_is_deinterlaced(tmp_path):
    clip = Woven("prores_ks", "yuv422p10le", rate=NTSC, options={})
    path = clip.write(tmp_path / "deep.mov", telecined(AT, 60))
    facts = looked_at(path)
    assert facts.fields.method == "all"
    assert facts.layout.bits == 10
    with pytest.raises(UnsupportedError, match="yuv422p10le cannot be matched"):
        looked_at(path, wish="telecine")


def test_progressive_content_that_is_called_interlaced_is_left_alone(tmp_path):
    clip = Woven(options={"crf": "10", "x264-params": "tff=1"})
    path = clip.write(tmp_path / "clip.mkv", progressive(AT, 40))
    frames, facts = frames_of(path)
    assert facts.interlaced
    assert facts.fields.method == "none"
    assert "left alone" in facts.fields.found
    with av.open(str(path)) as container:
        for frame, own in zip(frames, container.decode(video=0), strict=True):
            assert own.interlaced_frame
            assert np.array_equal(frame.planes[0], own.to_ndarray()[:96])


def test_progressive_videos_are_read_as_they_are_with_nothing_to_tell(tmp_path):
    path = Woven(called_interlaced=False).write(tmp_path / "clip.mkv", progressive(AT, 40))
    facts = looked_at(path)
    assert facts.fields == AS_CALLED
    assert not facts.fields.found


def test_what_begins_progressive_and_goes_on_interlaced_is_measured_at_several_places(tmp_path):
    clip = Woven(called_interlaced=False, options={"crf": "10", "g": "10"})
    pictures = chain(progressive(AT, 120), islice(interlaced(AT, 400), 120, 400))
    fields = looked_at(clip.write(tmp_path / "clip.mkv", pictures)).fields
    assert fields.changes_all
    assert "of 155 frames measured combed" in fields.found


def joined(folder, *parts):
    """Raw streams of MPEG-2 as one video."""
    (folder / "film.m2v").write_bytes(b"".join(part.read_bytes() for part in parts))
    path = folder / "film.mkv"
    with av.open(str(folder / "film.m2v")) as one, av.open(str(path), "w") as other:
        copy = other.add_stream_from_template(one.streams.video[0])
        for number, packet in enumerate(p for p in one.demux() if p.size):
            packet.pts = packet.dts = 40 * number
            packet.time_base, packet.stream = Fraction(1, 1000), copy
            other.mux(packet)
    return path


def test_frames_that_are_combed_are_deinterlaced_where_only_others_are_called_so(tmp_path):
    """As H.264 calls them of which some are coded by fields."""
    whole = Woven("mpeg2video", options={"b": "6M", "g": "1"}, called_interlaced=False)
    by_fields = Woven("mpeg2video", options={"b": "6M", "g": "1"})
    parts = [
        clip.write(tmp_path / f"{first}.m2v", islice(interlaced(AT, 60), first, last), "mpeg2video")
        for clip, first, last in ((whole, 0, 20), (by_fields, 20, 35), (whole, 35, 60))
    ]
    frames, facts = frames_of(joined(tmp_path, *parts))
    assert facts.fields.method == "all"
    assert worst(frames, range(60)) > 33


@pytest.mark.parametrize("doubled", [False, True])
def test_stray_interlaced_frames_of_a_film_are_deinterlaced_and_nothing_else(tmp_path, doubled):
    """MPEG-2 says of each picture whether it is interlaced, so two streams can be one film."""
    calm = Woven("mpeg2video", options={"b": "6M", "g": "1"}, called_interlaced=False)
    lively = Woven("mpeg2video", options={"b": "6M", "g": "1"})
    path = joined(
        tmp_path,
        calm.write(tmp_path / "a.m2v", progressive(AT, 600), "mpeg2video"),
        lively.write(tmp_path / "b.m2v", interlaced(AT, 4, False), "mpeg2video"),
        calm.write(tmp_path / "c.m2v", progressive(AT, 60), "mpeg2video"),
    )
    frames, facts = frames_of(path, doubled=doubled)
    assert facts.fields.method == "flagged"
    with av.open(str(path)) as container:
        own = list(container.decode(video=0))
    stray = [frame.pts for frame in own if frame.interlaced_frame]
    assert len(stray) == 4
    by_time = {frame.pts * facts.time_base: frame for frame in frames}
    assert len(frames) == len(own) + 4 * doubled
    for frame in own:
        same = np.array_equal(
            by_time[frame.pts * frame.time_base].planes[0], frame.to_ndarray()[:96]
        )
        assert same != (frame.pts in stray)
    first = by_time[stray[1] * Fraction(1, 1000)]
    assert psnr(first.planes[0], AT(1)) > 33


def test_a_part_begins_with_the_frames_that_the_whole_has_there(tmp_path):
    clip = Woven(options={"crf": "10", "g": "10", "x264-params": "tff=1"})
    path = clip.write(tmp_path / "clip.mkv", interlaced(AT, 60))
    whole, facts = frames_of(path)
    part, _ = frames_of(path, part=Part(start=1.0, duration=0.5))
    wanted = [f for f in whole if 1 <= f.pts * facts.time_base < Fraction(3, 2)]
    assert [f.pts for f in part] == [f.pts for f in wanted]
    assert all(one.same_pixels(other) for one, other in zip(part, wanted, strict=True))


def test_a_leap_in_time_is_not_filled(tmp_path):
    path = tmp_path / "leap.mkv"
    clip = Woven(called_interlaced=False, rate=NTSC, **LOSSLESS)
    clip.write(tmp_path / "even.mkv", telecined(AT, 100))
    with av.open(str(tmp_path / "even.mkv")) as one, av.open(str(path), "w") as other:
        copy = other.add_stream_from_template(one.streams.video[0])
        for number, packet in enumerate(p for p in one.demux() if p.size):
            packet.pts = packet.dts = packet.pts + 5000 * (number >= 52)
            packet.stream = copy
            other.mux(packet)
    frames, facts = frames_of(path)
    assert facts.fields.method == "telecine"
    gaps = [b - a for a, b in pairwise(times_of(frames, facts))]
    assert max(gaps) > Fraction(49, 10)
    assert sorted(gaps)[-2] < Fraction(6, 100)
    assert times_of(frames, facts)[-1] < Fraction(9)


def test_off_leaves_the_fields_woven(tmp_path):
    path = CLIPS["plain.mkv"].write(tmp_path / "clip.mkv", interlaced(AT, 20))
    frames, _ = frames_of(path, wish="off")
    wanted = list(interlaced(AT, 20))
    assert all(np.array_equal(f.planes[0], w) for f, w in zip(frames, wanted, strict=True))


def test_bwdif_can_be_asked_for_where_nothing_is_measured(tmp_path):
    still = chain.from_iterable([AT(0)] for _ in range(20))
    path = Woven(called_interlaced=False).write(tmp_path / "still.mkv", still)
    assert looked_at(path).fields == AS_CALLED
    assert looked_at(path, wish="bwdif").fields.method == "all"
    assert looked_at(path, wish="telecine").fields.method == "telecine"


def test_frames_come_out_while_others_still_go_in(tmp_path):
    path = CLIPS["plain.mkv"].write(tmp_path / "clip.mkv", interlaced(AT, 60))
    reader = Reader(path, looked_at(path))
    list(islice(reader.frames(), 3))
    assert reader._packets < 40  # decoder and filters hold a few frames, not the film


@pytest.mark.parametrize(
    ("measured", "method"),
    [
        (Measured(frames=150, flagged=150, progressive=5, tff=100), "all"),
        (Measured(frames=150, flagged=150, progressive=60, tff=20), "all"),
        (Measured(frames=150, flagged=0, progressive=80, tff=60), "combed"),
        (Measured(frames=150, flagged=0, progressive=100, tff=40), "flagged"),  # fine lines
        (Measured(frames=150, flagged=70, progressive=80, tff=60), "flagged"),
        (Measured(frames=150, flagged=70, progressive=60, tff=80), "flagged"),
        (Measured(frames=150, flagged=45, progressive=30, tff=110), "all"),
        (Measured(frames=9, flagged=3, tff=9), "all"),
        (Measured(frames=150, flagged=45, progressive=30, tff=60, bff=50), "flagged"),
        (Measured(frames=150, flagged=150, progressive=148, tff=2), "none"),
        (Measured(frames=150, flagged=150), "all"),
        (Measured(frames=150, tff=60, bff=50), "flagged"),
        (Measured(frames=8, progressive=1, bff=5), "flagged"),
        (Measured(frames=155, bff=120, carried=116), "flagged"),  # a still beginning
        (Measured(frames=150, progressive=140, tff=5), "flagged"),
        (Measured(frames=150, tff=60, progressive=90, repeated=60, cured=1.0), "telecine"),
        (Measured(frames=150, tff=150, repeated=60, cured=0.2), "all"),
    ],
)
def test_what_is_done_follows_from_what_was_measured(measured, method):
    assert decided(measured, "auto", doubled=False, rate=NTSC).method == method


def test_film_is_looked_for_only_at_30_frames_per_second():
    measured = Measured(frames=150, tff=60, progressive=90, repeated=60, cured=1.0)
    assert decided(measured, "auto", doubled=False, rate=Fraction(25)).method != "telecine"
    assert Fields("telecine", doubled=True).time_units == 4
