"""Videos in a batch: what is kept, what is skipped, what is told."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest
from clips import ROTATE_90, Clip, look


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
    assert [s[0::2] + s[3:] for s in after.streams] == [s[0::2] + s[3:] for s in before.streams]
    assert after.metadata.get("title") == before.metadata.get("title")
    return before, after


def test_a_video_keeps_everything_but_its_size(full, esc):
    report = full.with_name("report.jsonl")
    ran = esc(full, "--report", report)
    assert ran.code == 0, ran.err
    assert ran.out == f"{full.with_name('clip_x2.mkv')}\n"
    before, _ = check_kept(full, full.with_name("clip_x2.mkv"))
    assert len(before.payloads) == 5
    assert len(before.chapters) == 2
    assert before.attachments
    repeats = sum(a == b for a, b in zip(before.hashes, before.hashes[1:], strict=False))
    item = json.loads(report.read_text())
    assert item["frames"] == 12
    assert item["repeated_frames"] == repeats == 3
    assert item["input_size"] == [32, 24]
    assert item["output_size"] == [64, 48]
    assert not [path for path in full.parent.iterdir() if "segments" in path.name]
    again = esc(full)
    assert "0 done, 1 skipped" in again.err


def test_repeated_frames_get_bit_identical_results(tmp_path, esc):
    """Lossless in and out, so that equal results stay equal."""
    clip = Clip(frames=8, seeds=[0, 0, 0, 3, 3, 5, 6, 6], codec="ffv1", options={})
    source = clip.write(tmp_path / "clip.mkv")
    assert esc(source, "--codec", "ffv1").code == 0
    hashes = look(tmp_path / "clip_x2.mkv").hashes
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
    "reordered.mp4": Clip(frames=14, options={"bf": "3", "b_strategy": "0"}, audio=("eng",)),
    "full.mkv": Clip(full_range=2, matrix=1, primaries=1, transfer=1),
    "hdr.mkv": Clip(
        pix_fmt="yuv420p10le", matrix=9, primaries=9, transfer=16, full_range=1, codec="libx265",
        options={"x265-params": "log-level=none"},
    ),
    "444.mkv": Clip(pix_fmt="yuv444p", codec="ffv1", options={}),
    "grey.mkv": Clip(pix_fmt="gray", codec="ffv1", options={}),
}  # fmt: skip


def test_a_folder_of_pictures_and_videos_of_all_kinds(tmp_path, esc, draw, size):
    for name, clip in CLIPS.items():
        clip.write(tmp_path / "in" / name)
    draw(tmp_path / "in" / "picture.png")
    ran = esc("in", "-s", "2", cwd=tmp_path)
    assert ran.code == 0, ran.err
    assert f"{len(CLIPS) + 1} done, 0 skipped, 0 failed" in ran.err
    for name in CLIPS:
        check_kept(tmp_path / "in" / name, tmp_path / "in_x2" / name)
    assert size(tmp_path / "in_x2" / "picture.png") == (24, 18)
    again = esc("in", "-s", "2", cwd=tmp_path)
    assert f"0 done, {len(CLIPS) + 1} skipped" in again.err
    assert look(tmp_path / "in_x2" / "hdr.mkv").pix_fmt == "yuv420p10le"


def test_what_the_container_of_the_input_cannot_hold_goes_to_mkv(tmp_path, esc):
    Clip(codec="libsvtav1", options={}, size=(64, 64), audio=("eng",), audio_codec="libopus").write(
        tmp_path / "clip.webm"
    )
    assert esc("clip.webm", cwd=tmp_path).out == "clip_x2.mkv\n"
    check_kept(tmp_path / "clip.webm", tmp_path / "clip_x2.mkv")
    assert esc("clip.webm", "--codec", "av1", cwd=tmp_path).out == "clip_x2.webm\n"
    check_kept(tmp_path / "clip.webm", tmp_path / "clip_x2.webm")


def test_a_stream_that_the_container_cannot_hold_is_named_before_work(full, esc, tmp_path):
    ran = esc(full, "-o", tmp_path / "out.mp4")
    assert ran.code == 1
    (line,) = ran.lines_naming("failed:")
    assert "mp4 cannot hold stream 3 (subtitle, srt, fre)" in line
    assert "mkv can" in line
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
def test_the_codec_and_container_that_were_asked_for(tmp_path, esc, codec, container, found):
    source = Clip(size=(64, 64), frames=5).write(tmp_path / "clip.mp4")
    ran = esc(source, "--codec", codec, "--format", container)
    assert ran.code == 0, ran.err
    assert look(tmp_path / f"clip_x2.{container}").codec == found


def test_a_part_for_a_try_begins_at_zero_and_takes_its_sound_along(tmp_path, esc):
    source = Clip(frames=40, audio=("eng",), chapters=True).write(tmp_path / "clip.mkv")
    ran = esc(source, "--start", "1.0", "--frames", "10")
    assert ran.code == 0, ran.err
    part, all_of_it = look(tmp_path / "clip_x2.mkv"), look(source)
    assert part.pts_s == [time - 1 for time in all_of_it.pts_s[10:20]]
    assert part.chapters == [(0, 1, "One")]
    assert part.streams == all_of_it.streams
    ran = esc(source, "--start", "1.5", "--duration", "0.5")
    assert ran.code == 0, ran.err
    assert len(look(tmp_path / "clip_x2.mkv").pts_s) == 5
    assert esc(source).code == 0
    assert len(look(tmp_path / "clip_x2.mkv").pts_s) == 40


def test_other_sizes_than_the_network_gives(tmp_path, esc):
    source = Clip(frames=3, size=(64, 48)).write(tmp_path / "clip.mkv")
    for options, expected in ((("-s", "1.5"), (96, 72)), (("-s", "1"), (64, 48))):
        assert (
            esc(source, *options, "-o", tmp_path / "out.mkv", "--existing", "overwrite").code == 0
        )
        assert look(tmp_path / "out.mkv").size == expected
    turned = Clip(frames=3, size=(64, 48), rotation=ROTATE_90).write(tmp_path / "turned.mp4")
    assert esc(turned, "--width", "96").code == 0  # as shown it is 48 wide
    assert look(tmp_path / "turned_w96.mp4").size == (128, 96)


def test_names_and_existing_files_are_treated_as_for_pictures(tmp_path, esc):
    source = Clip(frames=3).write(tmp_path / "clip.mkv")
    assert esc(source, "--name", "{stem}-{width}").out == f"{tmp_path / 'clip-64.mkv'}\n"
    assert esc(source, "--name", "{stem}-{width}", "--existing", "error").code == 1
    foreign = tmp_path / "clip_x2.mkv"
    foreign.write_bytes(b"not ours")
    ran = esc(source)
    assert ran.code == 1
    assert foreign.read_bytes() == b"not ours"
    assert esc(source, "--existing", "overwrite").code == 0
    assert look(foreign).size == (64, 48)
    assert esc(source, "-o", source).code == 2
