"""Videos in a batch: what is kept, what is skipped, what is told."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest
from clips import ROTATE_90, Clip, look, remuxed
from PIL import Image

from esc_cli.errors import UsageError
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.events import Item
from esc_cli.tasks.upscale.options import Target, UpscaleOptions, VideoOptions
from esc_cli.tasks.upscale.run import upscale


def run(*inputs, scale=None, video=None, **options):
    """(the items of a batch, its summary)."""
    options = {"target": Target(scale), "video": video or VideoOptions()} | options
    *events, summary = upscale(UpscaleOptions(tuple(str(i) for i in inputs), **options), Stop())
    return [event for event in events if isinstance(event, Item)], summary


def result_of(*inputs, **options):
    """The output of a batch of one."""
    (item,), summary = run(*inputs, **options)
    assert item.status == "done", item.reason
    assert summary.exit_code == 0
    return item.output


def failure_of(*inputs, **options):
    """The reason why a batch of one failed."""
    (item,), summary = run(*inputs, **options)
    assert item.status == "failed"
    assert summary.exit_code == 1
    return item.reason


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """A clip with everything that Matroska can hold."""
    clip = Clip(
        frames=12,
        audio=("eng", "ger"),
        subtitle="subrip",
        chapters=True,
        attachment=True,
        cover=True,
        sar=Fraction(4, 3),
        rotation=ROTATE_90,
        matrix=1,
        primaries=1,
        transfer=1,
        full_range=1,
        seeds=[0, 1, 2, 2, 2, 5, 6, 7, 8, 9, 9, 11],
    )
    return clip.write(tmp_path_factory.mktemp("full") / "clip.mkv")


def check_kept(source, result, scale=2):
    """Everything but pixels and codec is as it was."""
    before, after = look(source), look(result)
    assert after.size == (before.size[0] * scale, before.size[1] * scale)
    for name in ("pts_s", "pix_fmt", "sar", "rotation", "payloads", "chapters", "attachments"):
        assert getattr(after, name) == getattr(before, name), name
    assert after.tags == before.tags
    kinds = [[(s[0], s[2], s[3]) for s in seen.streams] for seen in (before, after)]
    assert kinds[0] == kinds[1]
    assert after.metadata.get("title") == before.metadata.get("title")
    return before, after


def test_a_video_keeps_everything_but_its_size(full):
    (item,), _ = run(full)
    assert item.output == full.with_name("clip_x2.mkv")
    before, _ = check_kept(full, item.output)
    assert len(before.payloads) == 5
    assert len(before.chapters) == 2
    assert before.attachments
    repeats = sum(a == b for a, b in zip(before.hashes, before.hashes[1:], strict=False))
    assert (item.frames, item.repeated_frames) == (12, repeats)
    assert repeats == 3
    assert (item.input_size, item.output_size) == ((32, 24), (64, 48))
    assert not [path for path in full.parent.iterdir() if "segments" in path.name]
    (again,), _ = run(full)
    assert again.status == "skipped"


def test_repeated_frames_get_bit_identical_results(tmp_path):
    """Lossless in and out, so that equal results stay equal."""
    clip = Clip(frames=8, seeds=[0, 0, 0, 3, 3, 5, 6, 6], codec="ffv1", options={})
    hashes = look(
        result_of(clip.write(tmp_path / "clip.mkv"), video=VideoOptions(codec="ffv1"))
    ).hashes
    assert hashes[0] == hashes[1] == hashes[2]
    assert hashes[3] == hashes[4]
    assert hashes[6] == hashes[7]
    assert len(set(hashes)) == 4


CLIPS = {
    "constant.mp4": Clip(audio=("eng", "ger"), subtitle="mov_text", chapters=True),
    "cover.mp4": Clip(audio=("eng",), cover=True),
    "variable.mp4": Clip(frames=6, pts=[0, 40, 90, 91, 300, 700], time_base=Fraction(1, 1000)),
    "late.mp4": Clip(pts=[n + 15 for n in range(10)], audio=("eng",)),
    "late.mkv": Clip(pts=[n + 15 for n in range(10)], audio=("eng",)),
    "fine.mp4": Clip(pts=[n * 1001 + 7 for n in range(10)], time_base=Fraction(1, 30000)),
    "turned.mov": Clip(rotation=ROTATE_90, sar=Fraction(4, 3), audio=("eng",)),
    "timecode.mov": Clip(timecode="01:00:00:00", audio=("eng",)),
    "reordered.mp4": Clip(frames=14, options={"bf": "3", "b_strategy": "0"}, audio=("eng",)),
    "full.mkv": Clip(full_range=2, matrix=1, primaries=1, transfer=1),
    "limited.mkv": Clip(full_range=1, matrix=1, primaries=1, transfer=1),
    "hdr.mkv": Clip(
        pix_fmt="yuv420p10le", matrix=9, primaries=9, transfer=16, full_range=1, codec="libx265",
        options={"x265-params": "log-level=none"},
    ),
    "444.mkv": Clip(pix_fmt="yuv444p", codec="ffv1", options={}),
    "odd.mkv": Clip(size=(33, 25), codec="ffv1", options={}),
    "dot.mkv": Clip(size=(1, 1), codec="ffv1", options={}, pix_fmt="yuv444p"),
}  # fmt: skip


def test_a_folder_of_pictures_and_videos_of_all_kinds(tmp_path):
    for name, clip in CLIPS.items():
        clip.write(tmp_path / "in" / name)
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "in" / "picture.png")
    items, summary = run(tmp_path / "in", scale=2)
    assert [item.reason for item in items if item.status != "done"] == []
    assert summary.done == len(items) == len(CLIPS) + 1
    for name in CLIPS:
        check_kept(tmp_path / "in" / name, tmp_path / "in_x2" / name)
    with Image.open(tmp_path / "in_x2" / "picture.png") as picture:
        assert picture.size == (16, 16)
    assert look(tmp_path / "in_x2" / "hdr.mkv").pix_fmt == "yuv420p10le"
    _, again = run(tmp_path / "in", scale=2)
    assert (again.done, again.skipped) == (0, len(CLIPS) + 1)


def test_grey_stays_grey(tmp_path):
    """H.264's decoder shows grey as 4:2:0 with neutral chroma, FFV1's as grey."""
    source = Clip(pix_fmt="gray", codec="ffv1", options={}).write(tmp_path / "clip.mkv")
    check_kept(source, result_of(source, video=VideoOptions(codec="ffv1")))


def test_what_the_container_of_the_input_cannot_hold_goes_to_mkv(tmp_path):
    clip = Clip(codec="libsvtav1", options={}, size=(64, 64), audio=("eng",), audio_codec="libopus")
    source = clip.write(tmp_path / "clip.webm")
    result = result_of(source)
    assert result.name == "clip_x2.mkv"
    check_kept(source, result)
    result = result_of(source, video=VideoOptions(codec="av1"))
    assert result.name == "clip_x2.webm"
    check_kept(source, result)


def test_a_stream_that_is_to_be_kept_and_cannot_be_is_named_before_work(full, tmp_path):
    keep = VideoOptions(streams="keep")
    reason = failure_of(full, output=str(tmp_path / "out.mp4"), video=keep)
    assert "mp4 cannot hold stream 3 (subtitle, srt, fre)" in reason
    assert "mkv can" in reason
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("codec", "container", "found"),
    [
        ("hevc", "mp4", "hevc"),
        ("av1", "mp4", "libdav1d"),
        ("ffv1", "mkv", "ffv1"),
        ("prores", "mov", "prores"),
    ],
)
def test_the_codec_and_container_that_were_asked_for(tmp_path, codec, container, found):
    source = Clip(size=(64, 64), frames=5).write(tmp_path / "clip.mp4")
    result = result_of(source, video=VideoOptions(codec=codec), format=container)
    assert result == tmp_path / f"clip_x2.{container}"
    assert look(result).codec == found


def test_quality_and_preset_and_pixel_format_reach_the_encoder(tmp_path):
    source = Clip(frames=5, size=(64, 48)).write(tmp_path / "clip.mkv")
    fine = result_of(source, name="fine").stat().st_size
    coarse = result_of(source, video=VideoOptions(crf=45, preset="ultrafast"), name="coarse")
    assert coarse.stat().st_size < fine / 2
    ten = result_of(source, video=VideoOptions(pix_fmt="yuv444p10le"), name="ten")
    assert look(ten).pix_fmt == "yuv444p10le"
    assert "does not take" in failure_of(source, video=VideoOptions(pix_fmt="pal8"), name="x")
    assert "libx264 refuses" in failure_of(source, video=VideoOptions(preset="hasty"), name="x")
    for wrong in (
        {"codec": "h266"},
        {"codec": "ffv1", "crf": 3},
        {"codec": "prores", "preset": "6"},
    ):
        with pytest.raises(UsageError):
            run(source, video=VideoOptions(**wrong))
    with pytest.raises(UsageError):
        run(source, video=VideoOptions(codec="prores"), format="mp4")


def test_a_part_for_a_try_begins_at_zero_and_takes_its_sound_along(tmp_path):
    source = Clip(frames=40, audio=("eng",), chapters=True).write(tmp_path / "clip.mkv")
    part = look(result_of(source, video=VideoOptions(start=1.0, frames=10)))
    all_of_it = look(source)
    assert part.pts_s == [time - 1 for time in all_of_it.pts_s[10:20]]
    assert part.chapters == [(0, 1, "One")]
    assert part.streams == all_of_it.streams
    assert len(look(result_of(source, video=VideoOptions(start=1.5, duration=0.5))).pts_s) == 5
    first = look(result_of(source, video=VideoOptions(frames=30)))
    assert first.pts_s == all_of_it.pts_s[:30]
    assert first.chapters == [(0, 2, "One"), (2, 3, "Two")]
    assert len(look(result_of(source)).pts_s) == 40


def test_other_sizes_than_the_network_gives(tmp_path):
    source = Clip(frames=3, size=(64, 48)).write(tmp_path / "clip.mkv")
    assert look(result_of(source, scale=1.5)).size == (96, 72)
    assert look(result_of(source, scale=1)).size == (64, 48)
    turned = Clip(frames=3, size=(64, 48), rotation=ROTATE_90).write(tmp_path / "turned.mp4")
    result = result_of(turned, target=Target(width=96))  # as shown it is 48 wide
    assert look(result).size == (128, 96)


def test_names_and_existing_files_are_treated_as_for_pictures(tmp_path):
    source = Clip(frames=3).write(tmp_path / "clip.mkv")
    named = result_of(source, name="{stem}-{width}")
    assert named.name == "clip-64.mkv"
    assert "exists already" in failure_of(source, name="{stem}-{width}", existing="error")
    foreign = tmp_path / "clip_x2.mkv"
    foreign.write_bytes(b"not ours")
    assert "no record" in failure_of(source)
    assert foreign.read_bytes() == b"not ours"
    assert look(result_of(source, existing="overwrite")).size == (64, 48)
    with pytest.raises(UsageError):
        run(source, output=str(source))


def test_the_result_does_not_hang_on_where_it_was_cut(tmp_path):
    """Segments begin with key frames, so sizes differ, but no frame is lost at a border."""
    clip = Clip(frames=11, seeds=[0] * 6 + [7] * 5, codec="ffv1", options={})
    source = clip.write(tmp_path / "clip.mkv")
    lossless = VideoOptions(codec="ffv1")
    one = look(result_of(source, video=lossless, name="one"))
    for frames in (1, 2, 5, 11):
        cut = replace(lossless, segment_frames=frames)
        assert look(result_of(source, video=cut, name=f"cut{frames}")) == one


def test_a_dry_run_measures_a_few_frames_and_writes_nothing(tmp_path):
    source = Clip(frames=50, size=(64, 48)).write(tmp_path / "clip.mkv")
    (item,), summary = run(source, dry_run=True)
    assert (item.status, item.frames, summary.exit_code) == ("planned", 50, 0)
    (note,) = item.notes
    match = re.fullmatch(r"about 50 frames at ([\d.]+) s each, \d+ s in all, ([\d.]+) MB", note)
    assert match, note
    assert float(match[1]) > 0
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize("shift_s", [0.35, -1.5])
def test_an_edit_list_that_cuts_or_delays_the_beginning(tmp_path, shift_s):
    """The clip's one key frame lies before the cut: it is decoded, and not shown."""
    clip = Clip(frames=20, options={"bf": "2", "b_strategy": "0"}, audio=("eng",))
    plain = clip.write(tmp_path / "plain.mp4")
    source = remuxed(plain, tmp_path / "clip.mp4", shift_s)
    before, after = check_kept(source, result_of(source))
    assert len(before.pts_s) == (16 if shift_s > 0 else 20)
    assert before.pts_s[0] == (0 if shift_s > 0 else Fraction(3, 2))
    assert len(after.hashes) == len(before.hashes)


def test_where_a_container_has_no_times_below_zero_all_streams_move_alike(tmp_path):
    """In MP4 the sound begins before 0, with what its decoder needs to start."""
    source = Clip(frames=10, audio=("eng",)).write(tmp_path / "clip.mp4")
    (item,), _ = run(source, format="mkv")
    assert item.status == "done", item.reason
    assert item.notes == ("matroska has no times below 0: all is 0.021 s later",)
    before, after = look(source), look(item.output)
    delay = Fraction(21, 1000)
    assert after.pts_s == [time + delay for time in before.pts_s]
    assert after.payloads == before.payloads
    with av.open(str(source)) as one, av.open(str(item.output)) as other:
        times = [
            [float(p.pts * p.time_base) for p in container.demux(audio=0) if p.size]
            for container in (one, other)
        ]
    assert times[0][0] < 0
    assert np.allclose(np.array(times[1]) - float(delay), times[0], atol=0.0006)


@pytest.mark.parametrize(
    ("name", "clip"),
    [
        ("clip.ts", Clip(pts=[9000 * n for n in range(10)], time_base=Fraction(1, 90000))),
        ("clip.flv", Clip(audio=("eng",))),
        ("clip.mpg", Clip(codec="mpeg2video", options={}, time_base=Fraction(1, 25))),
        ("clip.avi", Clip(codec="mpeg4", options={})),
    ],
)
def test_containers_that_are_only_read_become_mkv(tmp_path, name, clip):
    source = clip.write(tmp_path / name)
    result = result_of(source)
    assert result.name == "clip_x2.mkv"
    before, after = look(source), look(result)
    # The clock of a broadcast goes on; nobody's recording begins at ten in the morning.
    zero = before.pts_s[0] if name in ("clip.ts", "clip.mpg") else 0
    off = [abs(one - zero - other) for one, other in zip(before.pts_s, after.pts_s, strict=True)]
    assert max(off) <= Fraction(1, 2000)


def test_from_one_container_to_another(tmp_path):
    """MP4's muxer sets flags that the source does not have, and that is no difference."""
    clip = Clip(audio=("eng", "ger"), chapters=True, cover=True)
    for name, other in (("a.mkv", "mp4"), ("b.mp4", "mkv"), ("c.mov", "mkv"), ("d.mkv", "mov")):
        source = replace(clip, cover="mov" not in (other, name[2:])).write(tmp_path / name)
        before, after = look(source), look(result_of(source, format=other))
        languages = [[s[2] or "und" for s in seen.streams] for seen in (before, after)]
        assert languages[0] == languages[1]
        assert after.payloads == before.payloads
        assert after.chapters == before.chapters


def test_tags_of_a_telephone_are_kept(tmp_path):
    tags = {"com.apple.quicktime.make": "A telephone", "title": "A clip"}
    source = tmp_path / "clip.mov"
    with av.open(
        str(source), "w", container_options={"movflags": "use_metadata_tags"}
    ) as container:
        Clip(frames=3, metadata=tags)._fill(container)
    assert tags.items() <= look(source).metadata.items()
    assert tags.items() <= look(result_of(source)).metadata.items()


def titles(path):
    with av.open(str(path)) as container:
        return [s.metadata.get("title") or s.metadata.get("name") for s in container.streams]


@pytest.mark.parametrize("source", ["clip.mp4", "clip.mov", "clip.mkv"])
@pytest.mark.parametrize("result", ["result.mp4", "result.mov", "result.mkv"])
@pytest.mark.parametrize("metadata", [{}, {"com.apple.quicktime.make": "A telephone"}])
def test_tracks_keep_their_titles_in_every_container(tmp_path, source, result, metadata):
    clip = Clip(frames=3, audio=("eng", "ger"), titles=True, metadata=metadata)
    path = clip.write(tmp_path / source)
    named = ["Pictures", "Sound in eng", "Sound in ger"]
    assert titles(path) == named
    assert titles(result_of(path, output=str(tmp_path / result))) == named


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mov", "clip.mkv"])
@pytest.mark.parametrize("verify", [True, False])
def test_a_track_without_anything_in_the_part_is_named(tmp_path, name, verify):
    clip = Clip(frames=40, audio=("eng",), sound_s=0.9)
    path = clip.write(tmp_path / name)
    (item,), _ = run(path, video=VideoOptions(start=2.2, frames=5, verify=verify))
    assert item.status == "done", item.reason
    assert len(look(item.output).pts_s) == 5
    assert any("(audio, aac, eng) has nothing here" in note for note in item.notes)
    (whole,), _ = run(path, output=str(tmp_path / f"whole_{name}"))
    assert not any("has nothing" in note for note in whole.notes)


def test_the_input_under_another_name_is_refused_before_any_work(tmp_path):
    path = Clip(frames=3).write(tmp_path / "clip.mkv")
    hard = tmp_path / "hard.mkv"
    hard.hardlink_to(path)
    before = path.read_bytes()
    reason = failure_of(path, output=str(hard), existing="overwrite")
    assert "the input by another name" in reason
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir() if "segments" in p.name) == []


def test_a_part_without_frames_fails_and_leaves_nothing(tmp_path):
    path = Clip(frames=3).write(tmp_path / "clip.mkv")
    assert "no frame lies in the part" in failure_of(path, video=VideoOptions(start=99.0))
    assert not [p.name for p in tmp_path.iterdir() if "segments" in p.name]
