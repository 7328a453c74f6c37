"""Videos in a batch: what is made of them, what is skipped, what is refused."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from clips import ROTATE_90, Clip, look
from PIL import Image
from video_runs import check_kept, failure_of, result_of, run

from esc_cli.errors import UsageError
from esc_cli.tasks.upscale.options import Target, VideoOptions


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
        options={"x265-params": "log-level=none:frame-threads=1"},
    ),
    "444.mkv": Clip(pix_fmt="yuv444p", codec="ffv1", options={}),
    "odd.mkv": Clip(size=(33, 25), codec="ffv1", options={}),
    "dot.mkv": Clip(size=(1, 1), codec="ffv1", options={}, pix_fmt="yuv444p"),
}  # fmt: skip


@pytest.mark.slow
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
    clip = Clip(pix_fmt="gray", codec="ffv1", options={}, full_range=1)
    source = clip.write(tmp_path / "clip.mkv")
    check_kept(source, result_of(source, video=VideoOptions(codec="ffv1")))


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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
