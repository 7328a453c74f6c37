"""CBZ and ZIP archives of pictures: one item in, one archive out."""

from __future__ import annotations

import io
import json
import stat
import struct
import zipfile

import pytest
from archives import WHEN, book, entry, picture, sizes
from PIL import Image

INFO = b"<ComicInfo><PageCount>3</PageCount></ComicInfo>"
X2 = ("-s", "2", "--device", "cpu")


@pytest.fixture
def comic(tmp_path):
    deflated = entry("notes/ComicInfo.xml", compress_type=zipfile.ZIP_DEFLATED, comment=b"about")
    pages = [
        ("b/", b""),
        ("b/02.jpg", picture("JPEG", 1)),
        (deflated, INFO),
        ("a/01.png", picture("PNG", 2, (8, 6))),
        ("__MACOSX/._01.png", b"text, and no picture"),
        ("empty/", b""),
        ("b/10.webp", picture("WEBP", 3)),
        (".cover.png", b"text"),
    ]
    return book(tmp_path / "book.cbz", pages, comment=b"a comic")


def test_an_archive_becomes_an_archive_with_names_order_and_all_else_as_it_was(comic, esc):
    ran = esc(comic, *X2)
    assert ran.code == 0, ran.err
    result = comic.with_name("book_x2.cbz")
    assert ran.out.split() == [str(result)]
    assert sizes(result) == {"b/02.jpg": (24, 18), "a/01.png": (16, 12), "b/10.webp": (24, 18)}
    with zipfile.ZipFile(comic) as before, zipfile.ZipFile(result) as after:
        assert after.namelist() == before.namelist()
        assert after.comment == b"a comic"
        assert after.read("notes/ComicInfo.xml") == INFO
        for old, new in zip(before.infolist(), after.infolist(), strict=True):
            assert (new.date_time, new.external_attr) == (WHEN, old.external_attr)
            assert (new.compress_type, new.comment) == (old.compress_type, old.comment)
    (note,) = ran.lines_naming("note: ")
    assert "copied as they are: notes/ComicInfo.xml, __MACOSX/._01.png and 1 more" in note
    assert sorted(path.name for path in comic.parent.iterdir()) == [
        ".esc-records.jsonl",
        "book.cbz",
        "book_x2.cbz",
    ]


def test_each_picture_is_what_it_is_by_itself(comic, esc, tmp_path):
    assert esc(comic, *X2).code == 0
    with zipfile.ZipFile(comic) as file:
        (tmp_path / "01.png").write_bytes(file.read("a/01.png"))
        (tmp_path / "02.jpg").write_bytes(file.read("b/02.jpg"))
    assert esc(tmp_path / "01.png", tmp_path / "02.jpg", "-o", tmp_path / "out", *X2).code == 0
    with zipfile.ZipFile(comic.with_name("book_x2.cbz")) as file:
        assert file.read("a/01.png") == (tmp_path / "out" / "01.png").read_bytes()
        assert file.read("b/02.jpg") == (tmp_path / "out" / "02.jpg").read_bytes()


def test_a_second_run_skips_it_and_a_changed_archive_is_done_again(comic, esc):
    assert esc(comic, *X2).code == 0
    result = comic.with_name("book_x2.cbz")
    before = result.read_bytes()
    assert "0 done, 1 skipped" in esc(comic, *X2).err
    assert "0 done, 1 skipped" in esc(comic, *X2, "--checksum").err
    assert "1 done, 0 skipped" in esc(comic, *X2, "--quality", "80").err
    result.write_bytes(b"edited")
    assert "1 done, 0 skipped" in esc(comic, *X2).err
    assert result.read_bytes() == before
    book(comic, [("a.png", picture(seed=9))])
    assert "1 done, 0 skipped" in esc(comic, *X2).err
    assert sizes(result) == {"a.png": (24, 18)}


def test_archives_lie_in_folders_among_pictures(esc, tmp_path, draw):
    draw(tmp_path / "in" / "p.png")
    book(tmp_path / "in" / "sub" / "one.cbz", [("1.png", picture())])
    book(tmp_path / "in" / "two.ZIP", [("x/1.png", picture())])
    (tmp_path / "in" / "letter.docx").write_bytes((tmp_path / "in" / "two.ZIP").read_bytes())
    ran = esc(tmp_path / "in", *X2)
    assert ran.code == 0, ran.err
    assert "3 done" in ran.err
    assert sizes(tmp_path / "in_x2" / "sub" / "one.cbz") == {"1.png": (24, 18)}
    assert sizes(tmp_path / "in_x2" / "two.ZIP") == {"x/1.png": (24, 18)}


def test_the_report_and_a_dry_run_tell_of_it(comic, esc, tmp_path):
    ran = esc(comic, *X2, "--dry-run", "--report", tmp_path / "dry.jsonl")
    assert ran.code == 0
    assert "would write" in ran.out
    assert "note: " in ran.err
    assert "3 pictures" in ran.err
    assert not comic.with_name("book_x2.cbz").exists()
    assert esc(comic, *X2, "--report", tmp_path / "report.jsonl").code == 0
    planned, done = (
        json.loads((tmp_path / name).read_text()) for name in ("dry.jsonl", "report.jsonl")
    )
    assert (planned["status"], planned["frames"]) == ("planned", 3)
    assert (done["status"], done["frames"]) == ("done", 3)
    assert done["output_bytes"] == comic.with_name("book_x2.cbz").stat().st_size
    assert (done["input_size"], done["output_size"]) == ([12, 9], [24, 18])
    assert set(done["seconds"]) == {"decode", "network", "encode", "join"}
    assert "(1 picture)" in done["network"]
    assert done["precision"] == "fp32"


def test_a_format_for_the_pictures_gives_them_its_suffix_and_no_name_twice(esc, tmp_path):
    pages = [("1.png", picture()), ("1.webp", picture("WEBP")), ("1.bmp", picture("BMP"))]
    path = book(tmp_path / "a.zip", pages)
    ran = esc(path, *X2, "--format", "webp", "-o", tmp_path / "b.cbz")
    assert ran.code == 0, ran.err
    assert list(sizes(tmp_path / "b.cbz")) == ["1.png.webp", "1.webp", "1.bmp.webp"]
    assert ran.lines_naming("in another format: 1.png as 1.png.webp, 1.bmp as 1.bmp.webp")


def test_pictures_of_all_sizes_fit_a_box_and_large_ones_only_shrink(esc, tmp_path):
    pages = [("1.png", picture(size=(30, 20))), ("2.png", picture(size=(8, 4)))]
    path = book(tmp_path / "a.cbz", pages)
    assert esc(path, "--longest-side", "24", "--device", "cpu").code == 0
    assert sizes(tmp_path / "a_l24.cbz") == {"1.png": (24, 16), "2.png": (24, 12)}
    assert "1 skipped" in esc(path, "--longest-side", "24", "--device", "cpu").err


def test_pictures_that_are_large_enough_are_copied_and_so_is_an_archive_of_them(esc, tmp_path):
    pages = [("1.png", picture(size=(30, 20))), ("2.png", picture(size=(8, 4)))]
    path = book(tmp_path / "a.cbz", pages)
    ran = esc(path, *X2, "--min-side", "20")
    assert ran.code == 0
    assert ran.lines_naming("copied as they are: 1.png")
    assert sizes(tmp_path / "a_x2.cbz") == {"1.png": (30, 20), "2.png": (16, 8)}
    assert "1 skipped" in esc(path, *X2, "--min-side", "20").err
    assert "1 done" in esc(path, *X2, "--min-side", "21").err
    assert sizes(tmp_path / "a_x2.cbz") == {"1.png": (60, 40), "2.png": (16, 8)}
    (tmp_path / "a_x2.cbz").unlink()
    assert "0 done, 1 skipped" in esc(path, *X2, "--min-side", "4").err
    assert not (tmp_path / "a_x2.cbz").exists()
    assert esc(path, *X2, "--min-side", "4", "--large", "copy").code == 0
    assert (tmp_path / "a_x2.cbz").read_bytes() == path.read_bytes()


def test_a_small_first_picture_that_stays_as_it_is_decides_nothing_for_the_others(esc, tmp_path):
    pages = [("1.png", picture(size=(8, 8))), ("2.png", picture(size=(40, 40)))]
    path = book(tmp_path / "a.cbz", pages)
    (tmp_path / "2.png").write_bytes(pages[1][1])
    assert esc(path, tmp_path / "2.png", "-s", "1.05", "-o", tmp_path / "out").code == 0
    with zipfile.ZipFile(tmp_path / "out" / "a.cbz") as file:
        assert file.read("2.png") == (tmp_path / "out" / "2.png").read_bytes()


@pytest.mark.parametrize("name", ["x.png", "x.mkv"])
def test_an_output_that_is_no_archive_is_refused(comic, esc, name):
    ran = esc(comic, *X2, "-o", comic.with_name(name))
    assert ran.code == 2
    assert "is no name for an archive" in ran.err


def test_names_keep_their_bytes_whatever_their_encoding(esc, tmp_path):
    names = ["日本.png", "cafe_.png", "uml.png"]
    path = book(tmp_path / "a.cbz", [(name, picture()) for name in names])
    # Shift JIS, and Latin-1, of as many bytes and without the mark of UTF-8
    content = path.read_bytes().replace(b"cafe_", "日".encode("shift_jis") + b"\x83\x5c\x21")
    content = content.replace(b"uml", b"\xfcml")
    path.write_bytes(content)
    ran = esc(path, *X2)
    assert ran.code == 0, ran.err
    with zipfile.ZipFile(path) as before, zipfile.ZipFile(tmp_path / "a_x2.cbz") as after:
        assert [info.filename for info in after.infolist()] == before.namelist()
        flags = [info.flag_bits & 0x800 for info in after.infolist()]
        assert flags == [info.flag_bits & 0x800 for info in before.infolist()] == [0x800, 0, 0]
        assert all(Image.open(io.BytesIO(after.read(i))).size == (24, 18) for i in after.infolist())
    written = (tmp_path / "a_x2.cbz").read_bytes()
    assert written.count(b"\xfcml.png") == 2


def test_two_entries_of_one_name_stay_two(esc, tmp_path, recwarn):
    pages = [
        ("1.png", picture(seed=1)),
        ("1.png", picture(seed=2, size=(6, 5))),
        ("t.txt", b"text"),
    ]
    path = book(tmp_path / "a.cbz", [*pages, ("t.txt", b"text too")])
    ran = esc(path, *X2)
    assert ran.code == 0, ran.err
    with zipfile.ZipFile(tmp_path / "a_x2.cbz") as file:
        assert file.namelist() == ["1.png", "1.png", "t.txt", "t.txt"]
        first, second = (Image.open(io.BytesIO(file.read(i))).size for i in file.infolist()[:2])
        assert (first, second) == ((24, 18), (12, 10))
        assert [file.read(info) for info in file.infolist()[2:]] == [b"text", b"text too"]
    assert not recwarn.list


SYMLINK = (stat.S_IFLNK | 0o777) << 16


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("/etc/cron.d/1.png", "its entry /etc/cron.d/1.png would leave the archive"),
        ("a/../../1.png", "its entry a/../../1.png would leave the archive"),
        ("..\\1.png", "its entry ..\\1.png would leave the archive"),
        ("\\\\host\\1.png", "would leave the archive"),
        ("C:\\1.png", "its entry C:\\1.png would leave the archive"),
        ("c:1.txt", "its entry c:1.txt would leave the archive"),
        (entry("1.png", external_attr=SYMLINK), "its entry 1.png is a link"),
        (entry("dev", external_attr=(stat.S_IFCHR | 0o666) << 16), "its entry dev is no file"),
    ],
)
def test_what_would_leave_the_archive_is_refused_by_name(esc, tmp_path, bad, reason):
    path = book(tmp_path / "a.cbz", [("0.png", picture()), (bad, b"/etc/passwd")])
    ran = esc(path, *X2)
    assert ran.code == 1
    (line,) = ran.lines_naming("failed: ")
    assert line.startswith(f"failed: {path}: ")
    assert reason in line
    assert [one.name for one in tmp_path.iterdir()] == ["a.cbz"]


def changed(path, at, value, form="<H"):
    """Change a field of the first entry's directory, and of its own header where it has it."""
    content = bytearray(path.read_bytes())
    directory = content.index(b"PK\x01\x02")
    struct.pack_into(form, content, directory + at, value)
    path.write_bytes(content)
    return path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda path: changed(path, 8, 1), "its entry 1.png is encrypted"),
        (lambda path: changed(path, 8, 0x41), "its entry 1.png is encrypted"),
        (lambda path: changed(path, 10, 97), "a compression of this archive is not supported"),
        (lambda path: changed(path, 24, 2**31, "<I"), "bytes unpack to 2,147,48"),
        (lambda path: changed(path, 16, 5, "<I"), "its entry 1.png: the archive is damaged"),
        (lambda path: changed(path, 42, 9, "<I"), "its entry 1.png: the archive is damaged"),
        (lambda path: path.write_bytes(path.read_bytes()[:-30]), "is damaged, or cut short"),
        (lambda path: path.write_bytes(path.read_bytes()[:60]), "is damaged, or cut short"),
        (lambda path: book(path, [("a.txt", b"text")]), "the archive holds no pictures"),
        (lambda path: book(path, []), "the archive holds no pictures"),
        (
            lambda path: book(path, [("a/1.png", picture()), ("a/2.png", picture()[:-30])]),
            "its entry a/2.png: the picture is damaged: the file is cut short",
        ),
        (
            lambda path: book(path, [("1.png", b"text"), ("2.png", picture())]),
            "its entry 1.png: not a picture (a text file)",
        ),
        (
            lambda path: book(path, [("1.png", picture(size=(64, 64)))]),
            "its entry 1.png: 64 x 64 is 4,096 pixels, more than the limit of 4,000",
        ),
        (
            lambda path: book(path, [("1.png", picture() + bytes(1_200_000))]),
            "are more than a picture of 4,000 pixels has",
        ),
        (
            lambda path: path.write_bytes(b"Rar!\x1a\x07\x01\x00" + bytes(99)),
            "RAR archives are not",
        ),
    ],
)
def test_a_bad_archive_fails_with_its_reason_and_the_others_go_on(esc, tmp_path, change, reason):
    path = book(tmp_path / "a.cbz", [("1.png", picture()), ("2.png", picture())])
    change(path)
    (tmp_path / "z.png").write_bytes(picture())
    ran = esc(path, tmp_path / "z.png", *X2, "--max-pixels", "4000")
    assert ran.code == 1
    assert "1 done, 0 skipped, 1 failed" in ran.err
    (line,) = ran.lines_naming("failed: ")
    assert reason in line
    names = {one.name for one in tmp_path.iterdir()}
    assert names == {"a.cbz", "z.png", "z_x2.png", ".esc-records.jsonl"}


def test_a_bomb_is_refused_before_any_of_it_is_unpacked(esc, tmp_path):
    infos = [entry(f"{n}.txt", compress_type=zipfile.ZIP_DEFLATED) for n in range(30)]
    path = book(tmp_path / "a.zip", [("0.png", picture()), *((info, bytes(9)) for info in infos)])
    content = bytearray(path.read_bytes())
    at = content.index(b"PK\x01\x02")
    while content[at : at + 4] == b"PK\x01\x02":  # each states 100 MB
        struct.pack_into("<I", content, at + 24, 10**8)
        at += 46 + sum(struct.unpack_from("<HHH", content, at + 28))
    path.write_bytes(content)
    ran = esc(path, *X2)
    assert ran.code == 1
    (line,) = ran.lines_naming("failed: ")
    assert "bytes unpack to 3,100,000,000, more than the limit of 1,073,741,824" in line


def test_a_zip_archive_of_another_name_says_what_to_do(comic, esc):
    other = comic.rename(comic.with_name("book.docx"))
    ran = esc(other, *X2)
    assert ran.code == 1
    assert "ZIP archives cannot be done as pictures (give it as a file with the suffix" in ran.err
