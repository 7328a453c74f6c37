"""Tags, languages, titles and dispositions are kept, or named before the work."""

from __future__ import annotations

import shutil

import av
import pytest
from clips import ROTATE_90, Clip, look
from video_runs import done, tracks

from esc_cli.media.video.languages import language_in, same_language
from esc_cli.media.video.quicktime_keys import add_keys
from esc_cli.media.video.tracks import lost_tags, title_of

WORKFLOW = '{"nodes": [1, 2], "name": "größer"}'


def copied(source, target, change):
    """The same packets in another file, after `change` of the new streams."""
    with av.open(str(source)) as one, av.open(str(target), "w") as other:
        other.metadata.update(one.metadata)
        copies = {s.index: other.add_stream_from_template(s, opaque=True) for s in one.streams}
        change(list(copies.values()))
        for packet in one.demux():
            if packet.size:
                packet.stream = copies[packet.stream_index]
                other.mux(packet)
    return target


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "mov"])
def test_languages_are_kept_as_the_container_spells_them(tmp_path, suffix):
    source = Clip(frames=3, audio=("ENG", "fr-CA", "de", "swe", "Klingon")).write(
        tmp_path / "clip.mkv"
    )
    result, notes = done(source, suffix)
    expected = {
        "mkv": ["ENG", "fr-CA", "de", "swe", "Klingon"],
        "mp4": ["eng", "fra", "deu", "swe", "und"],
        "mov": ["eng", "fra", "ger", "sve", None],
    }[suffix]
    assert [language for language, _ in tracks(result)[1:]] == expected
    lost = f"{suffix} has no place for the language Klingon of stream 5"
    assert (lost in notes) == (suffix != "mkv")


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_a_language_that_is_a_mere_tag_of_matroska_is_kept(tmp_path, suffix):
    clip = Clip(frames=3, audio=("und",)).write(tmp_path / "in" / "clip.mkv")

    def change(streams):
        streams[1].metadata["XANGUAGE"] = "FRE"

    source = copied(clip, tmp_path / "clip.mkv", change)
    source.write_bytes(source.read_bytes().replace(b"XANGUAGE", b"LANGUAGE"))
    result, notes = done(source, suffix)
    assert same_language(tracks(result)[1][0], "fra")
    assert notes == ()


def test_tags_of_a_language_are_alike_however_they_are_spelled():
    for one, other in (("ENG", "eng"), ("en-US", "eng"), ("ger", "deu"), ("swe", "sve"), ("", None),
                       ("und", None), ("zh_Hans", "chi")):  # fmt: skip
        assert same_language(one, other), (one, other)
    assert not same_language("eng", "fra")
    assert not same_language("eng", None)
    assert language_in("mp4", "und") is None


@pytest.mark.parametrize(("suffix", "lost"), [("mkv", ()), ("mp4", ()), ("mov", ("dub, comment",))])
def test_dispositions_are_kept_or_named_before_the_work(tmp_path, suffix, lost):
    plain = Clip(frames=3, audio=("eng", "fre")).write(tmp_path / "in" / "plain.mkv")

    def change(streams):
        streams[2].disposition = 2 | 8  # dub, comment

    source = copied(plain, tmp_path / "clip.mkv", change)
    result, notes = done(source, suffix)
    assert bool(tracks(result)[2][1] & 10) == (not lost)
    assert notes == tuple(
        f"{suffix} has no place for the disposition {o} of stream 2" for o in lost
    )


def of_two_views(path):
    """MP4 as telephones write their spatial videos: a box more says that there is a second view."""
    clip = Clip(
        3,
        (64, 64),
        codec="libx265",
        options={"x265-params": "log-level=none:frame-threads=1:bframes=0"},
    )
    content = bytearray(clip.write(path).read_bytes())
    empty = bytes((0xA1, 0, 0, 0xA2, 0, 0, 0xA7, 0, 0))  # arrays of SPS, PPS, SEI
    second = b"lhvC" + bytes((1, 0xF0, 0, 0xFC, 0xCB, 3)) + empty  # ISO/IEC 14496-15
    box = (4 + len(second)).to_bytes(4, "big") + second
    at = 0
    for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"hev1"):
        at = content.index(name, at) - 4
        size = int.from_bytes(content[at : at + 4], "big") + len(box)
        content[at : at + 4] = size.to_bytes(4, "big")
        at += 4
    configuration = content.index(b"hvcC", at) - 4
    end = configuration + int.from_bytes(content[configuration : configuration + 4], "big")
    content[end:end] = box
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "mov"])
def test_of_two_views_one_is_enlarged_and_not_called_two(tmp_path, suffix):
    source = of_two_views(tmp_path / "clip.mp4")
    multilayer = av.stream.Disposition.multilayer
    assert tracks(source)[0][1] & multilayer
    result, notes = done(source, suffix)
    assert not tracks(result)[0][1] & multilayer
    assert notes == (f"{suffix} has no place for the disposition multilayer of stream 0",)


@pytest.mark.parametrize("suffix", ["mp4", "mov"])
def test_tags_of_any_name_are_kept_beside_those_that_players_know(tmp_path, suffix):
    tags = {
        "title": "A clip",
        "com.apple.quicktime.make": "Apple",
        "workflow": WORKFLOW,
        "firmware": "HD9.01",
    }
    clip = Clip(frames=3, audio=("eng",), chapters=True, rotation=ROTATE_90, metadata=tags)
    source = clip.write(tmp_path / "clip.mkv")
    result, notes = done(source, suffix)
    found = look(result)
    assert {k.lower(): v for k, v in found.metadata.items()}.items() >= tags.items()
    assert found.rotation == look(source).rotation != 0
    assert len(found.chapters) == 2
    assert b"\xa9nam" in result.read_bytes()  # what every player knows as the title
    copy = tmp_path / "in" / f"copy.{suffix}"
    copy.parent.mkdir()
    shutil.copy(result, copy)
    again, _ = done(copy)  # and so is what was written here
    assert look(again).metadata.items() >= found.metadata.items() - {("encoder", "")}
    assert not [note for note in notes if "tag" in note]


def test_a_time_in_another_form_is_the_same_time():
    for other in (
        "2016-05-31T17:01:35.000000Z",
        "2016-05-31 17:01:35",
        "2016-05-31T19:01:35+02:00",
    ):
        assert not lost_tags({"creation_time": "2016-05-31 17:01:35"}, {"CREATION_TIME": other})
    assert lost_tags({"creation_time": "2016-05-31 17:01:35"}, {"creation_time": "some time"})
    assert lost_tags({"creation_time": "2016-05-31"}, {})
    assert lost_tags({"title": "A"}, {"TITLE": "a"})


def test_covers_and_tags_of_any_name_do_not_exclude_each_other(tmp_path):
    source = Clip(frames=3, audio=("eng",), cover=True).write(tmp_path / "clip.mp4")
    with source.open("r+b") as file:
        add_keys(file, [("workflow", WORKFLOW)], is_mp4=True)
    assert look(source).metadata["workflow"] == WORKFLOW
    result, _ = done(source, "mp4")
    found = look(result)
    assert (found.metadata["workflow"], found.metadata["title"]) == (WORKFLOW, "A clip")
    assert sum(bool(disposition & 1 << 10) for _, disposition in tracks(result)) == 1


def test_a_title_of_no_letters_is_none(tmp_path):
    clip = Clip(frames=3, audio=("eng",), titles=True).write(tmp_path / "clip.mkv")
    content = clip.read_bytes()
    title = b"\x53\x6e\x8cSound in eng"
    assert title in content
    clip.write_bytes(content.replace(title, title[:3] + bytes(12)))
    with av.open(str(clip)) as container:
        assert title_of(container.streams.audio[0]) is None
    done(clip, "mp4")
    done(clip, "mkv")
