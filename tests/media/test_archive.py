"""What an archive's compressions may do to the process that reads it."""

from __future__ import annotations

import subprocess
import sys
import zipfile

import pytest
from archives import book, entry, picture

from esc_cli.errors import ReadError
from esc_cli.media.archive import open_archive

LIMITED = """
import resource, sys
from pathlib import Path
from esc_cli.errors import ReadError
from esc_cli.media.archive import open_archive
resource.setrlimit(resource.RLIMIT_AS, (3 << 30,) * 2)
with open_archive(Path(sys.argv[1])) as archive:
    try:
        archive.picture(archive.entries[0], 10**6)
    except ReadError as error:
        print(error.what)
"""


def packed(path, method):
    return book(path, [(entry("1.png", compress_type=method), picture())])


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_every_compression_is_read_and_its_damage_told(tmp_path, method):
    path = packed(tmp_path / "a.cbz", method)
    with open_archive(path) as archive:
        assert archive.picture(archive.entries[0], 10**6) == picture()
    content = bytearray(path.read_bytes())
    for at in range(60, 400, 7):
        content[at] ^= 0x55
    path.write_bytes(content)
    with open_archive(path) as archive, pytest.raises(ReadError, match="the archive is damaged"):
        archive.picture(archive.entries[0], 10**6)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs a limit on memory")
def test_a_dictionary_of_four_gigabytes_is_a_reason(tmp_path):
    path = packed(tmp_path / "a.cbz", zipfile.ZIP_LZMA)
    content = bytearray(path.read_bytes())
    at = 30 + len("1.png") + 4  # behind the header, the version and the length of the properties
    content[at + 1 : at + 5] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    command = [sys.executable, "-c", LIMITED, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("not enough memory to unpack it\n", "")
