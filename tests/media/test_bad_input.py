"""Each bad input gives one clear error with its path, and nothing on the terminal."""

from __future__ import annotations

import contextlib
import os
import struct
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from esc_cli.errors import EscError, MissingExtraError, ReadError, TooLargeError, UnsupportedError
from esc_cli.files.source import open_source
from esc_cli.media.decode import decode, probe
from esc_cli.media.sniff import sniff

LIMIT = 10**6


@pytest.mark.parametrize("function", [probe, decode])
@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        (b"", ReadError, "empty"),
        (b"hello, I am a text\n", ReadError, "a text file"),
        ("Grüße aus München\n".encode(), ReadError, "a text file"),
        (b"\0" * 100, ReadError, "zero bytes"),
        (b"\x93\x01\xfe" * 30, ReadError, "unknown content"),
        (b"8BPS\0\1" + bytes(40), UnsupportedError, "PSD pictures are not supported"),
        (b"\0\0\1\0\1\0" + bytes(40), UnsupportedError, "ICO icons"),
        (b'<?xml version="1.0"?>\n<svg xmlns="x"/>', UnsupportedError, "SVG drawings"),
        (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(40), UnsupportedError, "JPEG 2000"),
        (b"\1\xda\1\1\0\3" + bytes(40), UnsupportedError, "SGI pictures"),
        (b"\x59\xa6\x6a\x95" + bytes(40), UnsupportedError, "Sun raster pictures"),
        (b"FORM\0\0\1\0ILBMBMHD", UnsupportedError, "IFF pictures"),
        (b"II\xbc\1" + bytes(40), UnsupportedError, "JPEG XR pictures"),
        (b"PF\n2 2\n-1.0\n" + bytes(48), UnsupportedError, "PFM pictures"),
        (b"/* XPM */\nstatic char *a[] = {", UnsupportedError, "XPM pictures"),
        (b"#define a_width 8\n#define a_height 1\n", UnsupportedError, "XBM pictures"),
        (b"\1\0\0\0" + bytes(36) + b" EMF" + bytes(40), UnsupportedError, "EMF drawings"),
        (b"%PDF-1.7\n", UnsupportedError, "PDF documents"),
        (b"\0\0\0\x18ftypisom" + bytes(40), UnsupportedError, "videos"),
        (b"\x1aE\xdf\xa3" + bytes(40), UnsupportedError, "WebM videos"),
        (b"RIFF\x10\0\0\0AVI LIST", UnsupportedError, "AVI videos"),
        (b"P6\n4 4\n255\n" + bytes(48), UnsupportedError, "PNM"),
        (b"\x89PNG\r\n\x1a\n" + bytes(30), ReadError, "damaged"),
        (b"\xff\xd8\xff\xe0" + bytes(40), ReadError, "damaged"),
        (b"II*\0\x08\0\0\0\0\0" + bytes(20), EscError, "damaged"),
    ],
)
def test_what_is_no_picture_is_named(tmp_path, function, content, error, words):
    path = tmp_path / "picture.png"
    path.write_bytes(content)
    with pytest.raises(error, match=words) as caught:
        function(path, LIMIT)
    assert caught.value.path == path
    with pytest.raises(error, match=words) as caught:
        function(content, LIMIT)
    assert caught.value.path is None
    assert "\n" not in str(caught.value)
    assert "BytesIO" not in str(caught.value)


@pytest.mark.parametrize("share", [0.5, 0.9])
@pytest.mark.parametrize("name", ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "HEIF"])
def test_a_file_that_is_cut_short_is_an_error_and_never_grey(tmp_path, save, name, share, capfd):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    if name == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    content = save(noise, name)
    path = tmp_path / "cut"
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ReadError) as caught:
        decode(path, LIMIT)
    assert caught.value.path == path
    assert not ImageFile.LOAD_TRUNCATED_IMAGES
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits"])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_compressed_tiff_that_is_cut_short_is_an_error(save, compression, mode, capfd):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    content = save(Image.fromarray(noise).convert(mode), "TIFF", compression=compression)
    decode(content, LIMIT)
    with pytest.raises(ReadError):
        decode(content[: len(content) // 2], LIMIT)
    assert capfd.readouterr() == ("", "")


def test_flipped_bits_never_raise_anything_but_our_errors(save, rgb, capfd):
    random = np.random.default_rng(3)
    for name in ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "AVIF"):
        content = save(rgb, name)
        for _ in range(40):
            damaged = bytearray(content)
            damaged[random.integers(0, len(content))] ^= 1 << random.integers(0, 8)
            with contextlib.suppress(EscError):
                decode(bytes(damaged), LIMIT)
    assert capfd.readouterr() == ("", "")


def test_a_huge_header_is_refused_before_decoding(raw_png):
    content = raw_png((100_000, 100_000), 8, 2, b"\0")
    with pytest.raises(TooLargeError, match="100000 x 100000 is 10,000,000,000") as caught:
        probe(content, 178_000_000)
    assert "--max-pixels" in str(caught.value)
    assert "178,000,000" in str(caught.value)
    with pytest.raises(TooLargeError):
        decode(content, 178_000_000)


def test_pillows_own_limit_does_not_get_in_the_way(save):
    content = save(Image.new("1", (20_000, 10_000)), "TIFF", compression="group4")
    assert probe(content, 10**9).width == 20_000
    assert decode(content, 10**9).frames[0].shape == (10_000, 20_000, 1)


def test_many_frames_together_have_a_limit(save):
    frames = [Image.new("L", (100, 100), level) for level in range(10)]
    content = save(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert probe(content, 100 * 100 * 2).frames == 10
    with pytest.raises(TooLargeError, match="10 frames of 100 x 100"):
        probe(content, 100 * 100)


def test_missing_file_folder_and_links_are_named(tmp_path):
    (tmp_path / "broken").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    expected = {
        tmp_path / "missing.png": "no such file",
        tmp_path: "a folder",
        tmp_path / "broken": "link to a file that is not there",
        tmp_path / "loop": "leads back to itself",
        Path(os.devnull): "a device",
    }
    for path, words in expected.items():
        with pytest.raises(ReadError, match=words) as caught:
            probe(path, LIMIT)
        assert caught.value.path == path


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    caught = []

    def attempt() -> None:
        try:
            probe(tmp_path / "pipe", LIMIT)
        except ReadError as error:
            caught.append(error)

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(5)
    assert not thread.is_alive()
    assert "a named pipe" in str(caught[0])


def test_a_file_without_read_permission_is_named(tmp_path):
    path = tmp_path / "secret.png"
    path.write_bytes(b"x")
    path.chmod(0)
    if os.geteuid() != 0:
        with pytest.raises(ReadError, match="permission denied"):
            probe(path, LIMIT)
        return
    tmp_path.chmod(0o755)
    script = (
        "import sys; from pathlib import Path; from esc_cli.errors import ReadError\n"
        "from esc_cli.files.source import open_source\n"
        "import os; os.setgid(65534); os.setuid(65534)\n"
        "try:\n    open_source(Path('secret.png')).__enter__()\n"
        "except ReadError as error: print(error)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "permission denied" in done.stdout, done.stderr


@pytest.mark.parametrize(
    "name", ["a b 'c' \"d\".png", "two\nlines.png", "🦊.png", "\udcff\udcfe.png", "n" * 250]
)
def test_any_name_can_be_read(tmp_path, save, rgb, name):
    path = tmp_path / name
    try:
        path.write_bytes(save(rgb, "PNG"))
    except (OSError, UnicodeError):
        pytest.skip("this file system refuses the name")
    assert probe(path, LIMIT) == decode(path, LIMIT).header


def test_the_content_counts_and_not_the_name(tmp_path, save, rgb):
    path = tmp_path / "really_a_jpeg.png"
    path.write_bytes(save(rgb, "JPEG"))
    assert probe(path, LIMIT).format == "JPEG"


def test_heif_is_told_from_avif_by_its_brands():
    assert sniff(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic") == "HEIF"
    assert sniff(b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf") == "AVIF"


def test_heif_without_pillow_heif_says_what_to_install(monkeypatch, tmp_path):
    from esc_cli.media import formats

    formats.load_heif.cache_clear()
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    path = tmp_path / "photo.heic"
    path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100))
    with pytest.raises(MissingExtraError, match=r"pip install pillow-heif") as caught:
        probe(path, LIMIT)
    assert caught.value.path == path


def test_odd_metadata_leaves_no_warning_on_the_terminal(tmp_path, save, rgb):
    exif = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<HHHII", 1, 0x010F, 2, 10**9, 99) + bytes(4)
    path = tmp_path / "odd.jpg"
    path.write_bytes(save(rgb, "JPEG", exif=exif))
    script = (
        "from pathlib import Path; from esc_cli.media.decode import decode;"
        f"decode(Path({str(path)!r}), 10**6)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_stream_is_closed_after_use(tmp_path):
    (tmp_path / "file").write_bytes(b"content")
    with open_source(tmp_path / "file") as stream:
        assert stream.read() == b"content"
    assert stream.closed


@pytest.mark.parametrize(("marker", "name"), [(0xC3, "lossless"), (0xC7, "hierarchical")])
def test_jpeg_of_a_process_that_nobody_reads_is_not_called_damaged(save, marker, name):
    content = save(Image.new("RGB", (16, 16)), "JPEG").replace(b"\xff\xc0", bytes((0xFF, marker)))
    with pytest.raises(UnsupportedError, match=f"^{name} JPEG is not supported"):
        probe(content, LIMIT)
