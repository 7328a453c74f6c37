"""Archives of benchmark sets that lead outside, fill the disk or are damaged."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import pytest
from pulling import archive_of, failed, left_in, member, set5_members

from esc_cli.errors import SetupError
from esc_cli.tasks.data.sets import Limits, Source, unpack

HOSTILE = {
    "parent": member("../evil.png", b"x"),
    "deep parent": member("Set5_HR/../../evil.png", b"x"),
    "absolute": member("/tmp/esc-evil.png", b"x"),
    "drive": member("C:\\evil.png", b"x"),
    "symlink out": member("Set5_HR/evil.png", kind=tarfile.SYMTYPE, link="../../../evil.png"),
    "symlinked folder": member("Set5_HR/dir", kind=tarfile.SYMTYPE, link="/tmp"),
    "hard link": member("Set5_HR/evil.png", kind=tarfile.LNKTYPE, link="../../evil.png"),
    "device": member("Set5_HR/evil.png", kind=tarfile.CHRTYPE),
    "fifo": member("Set5_HR/evil.png", kind=tarfile.FIFOTYPE),
    "twice": member("other/baby.png", b"x"),
}


def bomb(size):
    """An archive whose member is `size` zeros, a thousandth of that on disk."""
    info = tarfile.TarInfo("Set5_HR/zeros.png")
    info.size = size
    stream = io.BytesIO()
    with gzip.GzipFile(fileobj=stream, mode="wb", compresslevel=9) as zipped:
        zipped.write(info.tobuf() + bytes(size))
    return stream.getvalue()


def long_header(size):
    """A header of `size` bytes, which tarfile reads into memory as a whole."""
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, size
    return gzip.compress(info.tobuf() + bytes(size))


def behind_the_end(size):
    return gzip.compress(gzip.decompress(archive_of(*set5_members())) + bytes(size))


def assert_refused_without_a_trace(root, source, match):
    outside = left_in(root.parent) if root.parent.exists() else []
    assert match in failed(root, source)
    assert [path for path in left_in(root.parent) if path != "sets"] == outside
    assert not Path("/tmp/esc-evil.png").exists()


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_member_leaves_nothing_anywhere(root, source, server, kind):
    server.files[server.path] = archive_of(*set5_members(), HOSTILE[kind])
    links = {"symlink out", "symlinked folder", "hard link", "device", "fifo"}
    why = "is a link or a device" if kind in links else "leads outside"
    assert_refused_without_a_trace(root, source, "twice" if kind == "twice" else why)


@pytest.mark.parametrize("make", [bomb, long_header, behind_the_end])
def test_a_bomb_is_refused_before_it_fills_the_disk(root, source, server, make):
    server.files[server.path] = make(3_000_000)
    small = Source(source.base, source.link, Limits(unpacked_bytes=1_000_000))
    assert_refused_without_a_trace(root, small, "unpacks to more than 1000000 bytes")


def test_a_sparse_bomb_is_refused_by_what_it_claims(tmp_path):
    info, _ = member("Set5_HR/sparse.png", kind=tarfile.REGTYPE)
    info.pax_headers = {
        "GNU.sparse.map": "0,0",
        "GNU.sparse.size": "1000000000",
        "GNU.sparse.major": "0",
    }
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(info)
    (tmp_path / "a.tar.gz").write_bytes(stream.getvalue())
    with pytest.raises(SetupError, match="unpacks to more"):
        unpack(tmp_path / "a.tar.gz", tmp_path / "out", Limits(unpacked_bytes=1_000_000))
    assert left_in(tmp_path) == ["a.tar.gz"]


def test_too_many_members_are_refused(root, source, server):
    small = Source(source.base, source.link, Limits(members=4))
    assert_refused_without_a_trace(root, small, "more than 4 members")


@pytest.mark.parametrize("kept", [0, 5, 60, 0.5, -1])
def test_a_truncated_archive_is_refused(root, source, server, kept):
    whole = server.files[server.path]
    server.files[server.path] = whole[: int(len(whole) * kept) if kept == 0.5 else kept]
    assert_refused_without_a_trace(root, source, "")


def test_a_flipped_byte_is_found(root, source, server):
    whole = bytearray(server.files[server.path])
    whole[-6] ^= 1  # in the checksum of gzip
    server.files[server.path] = bytes(whole)
    assert_refused_without_a_trace(root, source, "is damaged")
