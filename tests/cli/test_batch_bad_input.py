"""Bad inputs among good ones: one clear line each, the good ones done, the right exit code."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from esc_cli.errors import shown

ODD_NAMES = [
    "two words.png",
    'it\'s "quoted".png',
    "line\nend.png",
    "tab\tand\x1b[31mcolour.png",
    "smile \N{GRINNING FACE}.png",
    "-dash.png",
    "--help.png",
    "[bold]markup[/bold].png",
    "per%cent {brace}.png",
    "dotted.name.v2.png",
    os.fsdecode(b"latin-\xe9\xff.png"),
]


def huge_png():
    """A whole file of 100 bytes whose header claims 100,000 x 100,000."""
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(payload))
        + kind
        + payload
        + struct.pack(">I", zlib.crc32(kind + payload))
        for kind, payload in chunks
    )


def make_bad(folder: Path, draw) -> None:
    """One of each; the names tell what they are."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "zero.png").touch()
    (folder / "text.png").write_text("I am a text file.\n")
    whole = draw(folder / "half.jpg", 3, (64, 48)).read_bytes()
    (folder / "half.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "huge.png").write_bytes(huge_png())
    (folder / "broken.png").symlink_to("nowhere.png")
    (folder / "loop1.png").symlink_to("loop2.png")
    (folder / "loop2.png").symlink_to("loop1.png")
    (folder / "circle").symlink_to(".")
    os.mkfifo(folder / "pipe.png")
    (folder / "drawing.psd").write_bytes(b"8BPS\0\1" + bytes(40))


BAD = {
    "zero.png": "empty",
    "text.png": "not a picture",
    "half.jpg": "damaged",
    "huge.png": "100000 x 100000",
    "broken.png": "link",
    "loop1.png": "link",
    "loop2.png": "link",
    "circle": "link",
    "pipe.png": "pipe",
    "drawing.psd": "PSD",
}


@pytest.fixture(scope="module")
def mixed(tmp_path_factory, esc, draw):
    """(the run, the folder of the results): bad and oddly named pictures in one batch."""
    folder = tmp_path_factory.mktemp("mixed") / "in"
    make_bad(folder / "bad", draw)
    for number, name in enumerate(ODD_NAMES):
        draw(folder / "odd" / name, number)
    draw(folder / "zz last.png")
    return esc(folder), folder.with_name("in_x4")


def test_the_exit_code_is_one(mixed):
    assert mixed[0].code == 1


@pytest.mark.parametrize(("name", "reason"), BAD.items())
def test_each_bad_input_gets_one_line_with_its_reason(mixed, name, reason):
    lines = [line for line in mixed[0].err.splitlines() if f"/bad/{name}:" in line]
    assert len(lines) == 1
    assert lines[0].startswith("failed: ")
    assert reason in lines[0].split(f"{name}:")[1]


def test_nothing_else_fails(mixed):
    assert f"{len(ODD_NAMES) + 1} done, 0 skipped, {len(BAD)} failed" in mixed[0].err
    assert len(mixed[0].lines_naming("failed: ")) == len(BAD)


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names_work_and_appear_escaped_on_one_line(mixed, name, size):
    ran, results = mixed
    assert size(results / "odd" / name) == (48, 36)
    matching = [line for line in ran.out.splitlines() if line.endswith(f"/{shown(name)}")]
    assert len(matching) == 1
    assert matching[0].isprintable()


def test_the_last_good_one_is_done_after_all_the_bad_ones(mixed, size):
    assert size(mixed[1] / "zz last.png") == (48, 36)


def test_bad_inputs_leave_no_file_behind(mixed, contents):
    expected = {f"odd/{name}" for name in ODD_NAMES} | {"zz last.png"}
    assert set(contents(mixed[1])) == expected


def test_odd_names_of_bad_files_appear_escaped_on_one_line(tmp_path, esc):
    for name in ODD_NAMES:
        (tmp_path / "in" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "in" / name).write_text("no picture")
    ran = esc(tmp_path / "in")
    assert ran.code == 1
    for name in ODD_NAMES:
        assert len(ran.lines_naming(f"{shown(name)}: not a picture")) == 1
    assert len(ran.err.splitlines()) == len(ODD_NAMES) + 1


def test_odd_names_can_be_given_by_themselves(tmp_path, esc, draw, size):
    for number, name in enumerate(ODD_NAMES):
        draw(tmp_path / name, number)
    ran = esc("--", *ODD_NAMES, cwd=tmp_path)
    assert ran.code == 0, ran.err
    for name in ODD_NAMES:
        path = tmp_path / name
        assert size(path.with_name(f"{path.stem}_x4.png")) == (48, 36)


@pytest.mark.parametrize(("name", "reason"), BAD.items())
def test_each_bad_input_alone_fails_with_one_line(tmp_path, esc, draw, name, reason):
    make_bad(tmp_path / "bad", draw)
    keep = {name} | ({"loop1.png", "loop2.png"} if name.startswith("loop") else set())
    for path in (tmp_path / "bad").iterdir():
        if path.name not in keep:
            path.unlink()
    ran = esc("bad" if name == "circle" else f"bad/{name}", cwd=tmp_path)
    assert ran.code == 1
    assert len(ran.lines_naming(f"bad/{name}: ")) == 1
    assert reason in ran.err
    assert ran.out == ""
    assert not (tmp_path / "bad_x4").exists()


@pytest.mark.parametrize("given", ["nowhere.png", "empty", "texts", "hidden", ""])
def test_without_any_input_the_exit_code_is_two(tmp_path, esc, draw, given):
    (tmp_path / "empty").mkdir()
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").touch()
    draw(tmp_path / "hidden" / ".a.png")
    draw(tmp_path / "not asked for.png")
    ran = esc(given, cwd=tmp_path)
    assert ran.code == 2, ran.err
    assert len(ran.err.splitlines()) == 1
    assert given in ran.err
    assert ran.out == ""


def test_a_missing_input_among_others_is_named(tmp_path, esc, draw, size):
    draw(tmp_path / "a.png")
    ran = esc("nowhere.png", "a.png", "gone/", cwd=tmp_path)
    assert ran.code == 1
    assert len(ran.lines_naming("nowhere.png: no such file")) == 1
    assert len(ran.lines_naming("gone: no such file")) == 1
    assert size(tmp_path / "a_x4.png") == (48, 36)


def test_an_empty_folder_among_others_is_named(tmp_path, esc, draw):
    draw(tmp_path / "a.png")
    (tmp_path / "empty").mkdir()
    ran = esc("empty", "a.png", "--dry-run", cwd=tmp_path)
    assert len(ran.lines_naming("empty")) == 1
    assert "no pictures" in ran.err


def test_an_empty_name_is_no_folder(tmp_path, esc, draw):
    draw(tmp_path / "given.png")
    draw(tmp_path / "not asked for.png")
    ran = esc("", "given.png", "--dry-run", cwd=tmp_path)
    assert ran.code == 1
    assert "not asked for" not in ran.out + ran.err


@pytest.mark.parametrize("length", [248, 251])
def test_a_result_name_that_is_too_long_fails_alone(tmp_path, esc, draw, size, length):
    long = draw(tmp_path / ("l" * length + ".png"))
    draw(tmp_path / "b.png")
    ran = esc(long.name, "b.png", cwd=tmp_path)
    fits = length + len("_x4.png") <= 255
    assert ran.code == (0 if fits else 1), ran.err
    assert size(tmp_path / "b_x4.png") == (48, 36)
    assert len(ran.lines_naming("failed: ")) == (0 if fits else 1)


def test_deep_folders_and_long_paths_work(tmp_path, esc, draw, size):
    deep = Path("in", *(["x" * 80] * 12))
    draw(tmp_path / deep / "a.png")
    ran = esc("in", cwd=tmp_path)
    assert ran.code == 0, ran.err
    assert size(tmp_path / "in_x4" / deep.relative_to("in") / "a.png") == (48, 36)


def test_max_pixels_refuses_by_the_header_and_lets_the_rest_through(tmp_path, esc, draw):
    draw(tmp_path / "in" / "small.png", size=(10, 10))
    draw(tmp_path / "in" / "large.png", size=(11, 10))
    ran = esc("in", "--max-pixels", "100", cwd=tmp_path)
    assert ran.code == 1
    assert len(ran.lines_naming("large.png: 11 x 10 is 110 pixels")) == 1
    assert "1 done, 0 skipped, 1 failed" in ran.err


@pytest.mark.slow
def test_what_the_format_cannot_hold_is_found_before_the_work(tmp_path, esc, draw, size):
    draw(tmp_path / "in" / "wide.webp", size=(16000, 1), lossless=True)
    with_alpha = tmp_path / "in" / "clear.png"
    Image.new("RGBA", (8, 8), (255, 0, 0, 128)).save(with_alpha)
    draw(tmp_path / "in" / "plain.png")
    ran = esc("in", "--format", "jpg", "--scale", "2", "--dry-run", cwd=tmp_path)
    assert ran.code == 1
    assert len(ran.lines_naming("clear.png: JPEG cannot hold transparency")) == 1
    ran = esc("in", "--format", "webp", "--scale", "2", "--dry-run", cwd=tmp_path)
    assert len(ran.lines_naming("wide.webp: the result would be 32000 x 2")) == 1
    ran = esc("in/wide.webp", "--scale", "2", cwd=tmp_path)
    assert ran.code == 0, ran.err
    assert size(tmp_path / "in" / "wide_x2.png") == (32000, 2)


@pytest.mark.slow
def test_a_file_that_vanishes_during_the_batch_fails_with_a_plain_reason(tmp_path, esc, draw):
    for number in range(12):
        draw(tmp_path / "in" / f"{number:02}.png", number, (64, 64))
    process = esc.start("in", cwd=tmp_path)
    first = process.stdout.readline()
    (tmp_path / "in" / "11.png").unlink()
    out, err = process.communicate(timeout=60)
    ran = esc.ended(process.returncode, first + out, err)
    assert ran.code == 1
    assert len(ran.lines_naming("11.png: ")) == 1
    assert "unexpected" not in ran.err
    assert "11 done" in ran.err


def test_a_gif_of_no_height_fails_alone(tmp_path, esc, draw):
    draw(tmp_path / "in" / "a.png")
    path = draw(tmp_path / "in" / "b.gif")
    content = bytearray(path.read_bytes())
    content[8:10] = bytes(2)  # the height of the canvas
    image = content.index(b"," + bytes(4) + content[6:8])  # its corner, then the same width
    content[image + 7 : image + 9] = bytes(2)
    path.write_bytes(content)
    ran = esc(tmp_path / "in")
    assert ran.code == 1
    (line,) = ran.lines_naming("failed: ")
    assert "b.gif" in line
    assert "its size is zero" in line
    assert "1 done, 0 skipped, 1 failed" in ran.err
