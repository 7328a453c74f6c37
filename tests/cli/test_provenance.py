"""`--provenance`: results say how they came about, and lose nothing of what their source says."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import struct
import subprocess
import zipfile
from xml.etree import ElementTree

import av
import numpy as np
import pytest
from archives import book, entry, picture
from clips import Clip, frames_of
from floats import exr_of, light
from PIL import Image

from esc_cli._version import __version__
from esc_cli.checkpoints.store import bundled_folder

RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
OWN = "{urn:esc-cli:provenance:}"
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    b'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Make="Maker"/></rdf:RDF></x:xmpmeta>'
)
TEXT = "esc_provenance"
CLEAN = ("-s", "2", "--model", "clean")
SETTINGS = {"provenance": True, "target.scale": 2.0}


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def expected(source, settings=SETTINGS):
    return {
        "tool": "esc",
        "version": __version__,
        "model": "esc-tiny-x2",
        "weights_sha256": sha256(bundled_folder() / "esc-tiny-x2.safetensors"),
        "scale": "2",
        "settings": json.dumps(settings, separators=(",", ":")),
        "source_sha256": source if isinstance(source, str) else sha256(source),
    }


def packet_of(path):
    """The XMP of a picture, by Pillow or, of JPEG XL, by its boxes."""
    content = path.read_bytes()
    if path.suffix != ".jxl":
        with Image.open(path) as image:
            image.load()
            return image.info["xmp"] if "xmp" in image.info else image.tag_v2[700]
    at = 0
    while content[at + 4 : at + 8] != b"xml ":
        at += struct.unpack_from(">I", content, at)[0]
    return content[at + 8 : at + struct.unpack_from(">I", content, at)[0]]


def steps(packet):
    root = ElementTree.fromstring(packet.decode())
    items = root.findall(f".//{OWN}history/{RDF}Seq/{RDF}li")
    return [{part.tag.removeprefix(OWN): part.text for part in one} for one in items]


@pytest.mark.parametrize("name", ["jpg", "png", "webp", "tif", "avif", "heic", "jxl"])
def test_xmp_says_it_beside_what_the_source_says_and_pixels_are_the_same(name, esc, draw, tmp_path):
    if name == "heic":
        pytest.importorskip("pillow_heif").register_heif_opener()
    elif name == "jxl":
        pytest.importorskip("OpenImageIO")
    source = draw(tmp_path / "a.webp", xmp=XMP)
    for folder, words in (("plain", ()), ("said", ("--provenance",))):
        ran = esc(source, *CLEAN, "-f", name, "-o", tmp_path / folder / "", *words)
        assert ran.code == 0, ran.err
        assert "left out" not in ran.err
    said, plain = (tmp_path / folder / f"a.{name}" for folder in ("said", "plain"))
    packet = packet_of(said)
    assert b'tiff:Make="Maker"' in packet
    settings = {"format": name} | SETTINGS
    assert steps(packet) == [expected(source, settings)]
    if name != "jxl":
        with Image.open(plain) as one, Image.open(said) as other:
            assert np.array_equal(np.asarray(one), np.asarray(other))
    assert steps(packet_of(plain)) == []


def test_png_has_it_as_a_text_too_and_a_result_of_a_result_has_both(esc, draw, tmp_path):
    source = draw(tmp_path / "a.png")
    assert esc(source, *CLEAN, "--provenance").code == 0
    first = tmp_path / "a_x2.png"
    assert esc(first, *CLEAN, "--provenance").code == 0
    with Image.open(tmp_path / "a_x2_x2.png") as image:
        assert json.loads(image.text[TEXT]) == expected(source)
        assert json.loads(image.text[f"{TEXT}_2"]) == expected(first)
        assert steps(image.info["xmp"]) == [expected(source), expected(first)]


def test_what_has_no_place_for_xmp_has_a_comment_or_an_attribute_or_a_note(esc, draw, tmp_path):
    pytest.importorskip("OpenImageIO")
    folder = tmp_path / "in"
    draw(folder / "a.bmp")
    frames = [Image.new("RGB", (12, 9), colour) for colour in ("red", "blue")]
    frames[0].save(folder / "b.gif", save_all=True, append_images=frames[1:], comment=b"mine")
    (folder / "c.exr").write_bytes(exr_of(light(size=(8, 6))))
    too_long = XMP.replace(b"Maker", b"M" * 65_000)
    draw(folder / "d.jpg", xmp=too_long)
    draw(folder / "e.jpg", xmp=b"<damaged")
    draw(folder / "f.webp", xmp=b"<damaged")
    ran = esc(folder, *CLEAN, "--provenance", "-o", tmp_path / "out")
    assert ran.code == 0, ran.err
    (note,) = ran.lines_naming("a.bmp: ")
    assert "left out: provenance, which BMP does not hold" in note
    (note,) = ran.lines_naming("f.webp: ")
    assert "left out: provenance, as its XMP is damaged" in note
    assert len(ran.lines_naming("left out")) == 2
    made = tmp_path / "out"
    gif = (made / "b.gif").read_bytes()
    assert b"!\xfe\x04mine\0" in gif
    assert f"{TEXT} {json.dumps(expected(folder / 'b.gif'))[:150]}".encode() in gif
    assert json.dumps(expected(folder / "c.exr")).encode() in (made / "c.exr").read_bytes()
    for name, own in (("d.jpg", too_long), ("e.jpg", b"<damaged")):
        with Image.open(made / name) as image:
            comment = image.info["comment"].removeprefix(f"{TEXT} ".encode())
            assert json.loads(comment) == expected(folder / name)
            assert image.info["xmp"] == own


@pytest.fixture
def clip(tmp_path):
    tags = {"title": "A clip", "odd": "kept"}
    return Clip(frames=3, audio=("eng",), metadata=tags).write(tmp_path / "clip.mkv")


def tags_of(path):
    """The tags of a file, in small letters, and by ffprobe where there is one."""
    with av.open(str(path)) as container:
        tags = {name.lower(): value for name, value in container.metadata.items()}
    if shutil.which("ffprobe"):
        words = ("ffprobe", "-v", "error", "-of", "json", "-show_entries", "format_tags", path)
        told = json.loads(subprocess.run(words, capture_output=True, check=True).stdout)
        assert {name.lower(): value for name, value in told["format"]["tags"].items()} == tags
    return tags


@pytest.mark.parametrize("name", ["mkv", "mp4", "mov", "webm"])
def test_a_tag_of_a_video_says_it_beside_the_tags_of_the_source(name, clip, esc, tmp_path):
    codec = ("--codec", "vp9") if name == "webm" else ()
    ran = esc(clip, *CLEAN, *codec, "-o", tmp_path / f"out.{name}", "--provenance")
    assert ran.code == 0, ran.err
    tags = tags_of(tmp_path / f"out.{name}")
    said = json.loads(tags[TEXT])
    assert json.loads(said.pop("settings"))["provenance"] is True
    assert said == {k: v for k, v in expected(clip).items() if k != "settings"}
    assert (tags["title"], tags["odd"]) == ("A clip", "kept")


def test_a_result_of_a_video_result_keeps_both_and_frames_are_those_without(clip, esc, tmp_path):
    first, second, plain = (tmp_path / f"{name}.mkv" for name in "abc")
    assert esc(clip, "-s", "1", "-o", first, "--provenance").code == 0
    assert esc(first, "-s", "1", "-o", second, "--provenance").code == 0
    assert esc(first, "-s", "1", "-o", plain).code == 0
    tags = tags_of(second)
    one, two = json.loads(tags[TEXT]), json.loads(tags[f"{TEXT}_2"])
    assert (one["source_sha256"], two["source_sha256"]) == (sha256(clip), sha256(first))
    assert "model" not in one, "nothing but resampling was needed"
    own, other = (
        [[plane.tobytes() for plane in frame] for frame in frames_of(path)]
        for path in (second, plain)
    )
    assert own == other


def test_results_without_it_are_done_again_and_those_with_it_are_not(esc, draw, tmp_path):
    draw(tmp_path / "in" / "a.png")
    assert "1 done" in esc(tmp_path / "in", *CLEAN).err
    assert "1 skipped" in esc(tmp_path / "in", *CLEAN).err
    assert "1 done" in esc(tmp_path / "in", *CLEAN, "--provenance").err
    assert "1 skipped" in esc(tmp_path / "in", *CLEAN, "--provenance").err


def test_each_picture_of_an_archive_says_of_which_entry_it_was_made(esc, tmp_path):
    page = picture("PNG", 2)
    comic = book(tmp_path / "a.cbz", [("1.png", page), (entry("notes.txt"), b"text")])
    assert esc(comic, *CLEAN, "--provenance").code == 0
    with zipfile.ZipFile(tmp_path / "a_x2.cbz") as file:
        assert file.read("notes.txt") == b"text"
        with Image.open(io.BytesIO(file.read("1.png"))) as image:
            own = expected(hashlib.sha256(page).hexdigest())
            assert json.loads(image.text[TEXT]) == own


def test_in_place_and_in_shares_it_is_the_same(esc, draw, tmp_path):
    folder, old = tmp_path / "in", tmp_path / "old"
    draw(folder / "a.png")
    for index in (1, 2):
        assert esc(folder, *CLEAN, "--shard", f"{index}/2", "--provenance").code == 0
    assert esc(folder, *CLEAN, "--in-place", "--backup", old, "--provenance").code == 0
    assert (tmp_path / "in_x2" / "a.png").read_bytes() == (folder / "a.png").read_bytes()
    with Image.open(folder / "a.png") as image:
        assert json.loads(image.text[TEXT]) == expected(old / "a.png")


def test_through_a_pipe_pictures_say_it_and_raw_video_refuses(esc, draw, tmp_path):
    source = draw(tmp_path / "a.png")
    ran = esc("-", *CLEAN, "--provenance", input=source.read_bytes())
    with Image.open(io.BytesIO(ran.raw_out)) as image:
        assert json.loads(image.text[TEXT]) == expected(source)
    ran = esc("-", "-o", "-", "--input-format", "y4m", "--provenance")
    assert ran.code == 2
    assert "raw video holds no text" in ran.err


def test_a_blend_names_both_networks_and_the_share(esc, draw, tmp_path):
    source = draw(tmp_path / "a.png")
    assert esc(source, "-s", "2", "--denoise", "0.25", "--provenance").code == 0
    with Image.open(tmp_path / "a_x2.png") as image:
        said = json.loads(image.text[TEXT])
    one, two = (
        bundled_folder() / f"{name}.safetensors" for name in ("esc-tiny-x2", "esc-tiny-photo-x2")
    )
    assert said["model"] == "esc-tiny-x2 + 0.25 esc-tiny-photo-x2"
    assert said["weights_sha256"] == f"{sha256(one)} + 0.25 {sha256(two)}"


def test_weights_that_the_run_itself_has_fetched_are_named(
    esc, draw, tmp_path, weights_server, published_file
):
    weights_server.files["ESC_light_X2.pth"] = published_file("esc-light", 2)
    source = draw(tmp_path / "a.png")
    assert esc(source, "-s", "2", "--model", "esc-light", "--provenance").code == 0
    with Image.open(tmp_path / "a_x2.png") as image:
        said = json.loads(image.text[TEXT])
    assert said["model"] == "esc-light-x2"
    assert said["weights_sha256"] == sha256(weights_server.cache / "ESC_light_X2.pth")


def test_what_is_copied_stays_as_it_is(esc, draw, tmp_path):
    source = draw(tmp_path / "in" / "a.png")
    ran = esc(tmp_path / "in", *CLEAN, "--provenance", "--min-side", "5", "--large", "copy")
    assert ran.code == 0, ran.err
    assert (tmp_path / "in_x2" / "a.png").read_bytes() == source.read_bytes()


def test_watched_folders_have_it_as_well(esc_command, draw, tmp_path):
    source = draw(tmp_path / "in" / "a.png")
    words = ("--until-idle", "0.6", "--settle", "0.2", "--interval", "0.1", "--poll")
    ran = esc_command(
        "watch", tmp_path / "in", "-o", tmp_path / "out", *CLEAN, "--provenance", *words
    )
    assert ran.code == 0, ran.err
    with Image.open(tmp_path / "out" / "a.png") as image:
        assert json.loads(image.text[TEXT]) == expected(source)
