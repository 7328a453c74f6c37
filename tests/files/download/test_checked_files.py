"""A downloaded file gets its name whole and checked, once, and is kept."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from command import ROOT
from download_server import CONTENT, MD5, SHA256, good, names_in, page

from esc_cli.errors import DiskError, SetupError, WeightsError
from esc_cli.files.download import Digest, download


def test_a_file_arrives_whole_and_alone_and_progress_tells_its_bytes(server, link, target):
    seen = []
    got = download(
        server.url,
        target,
        digest=Digest("md5", MD5),
        size=len(CONTENT),
        progress=lambda done, total: seen.append((done, total)),
        link=link,
    )
    assert got == SHA256
    assert target.read_bytes() == CONTENT
    assert names_in(target.parent) == ["file.bin"]
    assert seen[0] == (0, len(CONTENT))
    assert seen[-1] == (len(CONTENT), len(CONTENT))


@pytest.mark.parametrize(("algorithm", "right"), [("md5", MD5), ("sha256", SHA256)])
def test_a_wrong_digest_names_both_and_leaves_nothing(server, link, target, algorithm, right):
    wrong = "0" * len(right)
    with pytest.raises(SetupError) as caught:
        download(server.url, target, digest=Digest(algorithm, wrong), link=link)
    assert right in str(caught.value)
    assert wrong in str(caught.value)
    assert names_in(target.parent) == []


def test_a_wrong_size_is_refused_before_the_transfer(server, link, target):
    with pytest.raises(SetupError, match="1048576 bytes, not 5"):
        download(server.url, target, size=5, link=link)
    assert names_in(target.parent) == []


def test_a_file_of_unknown_length_needs_something_to_check(server, link, target):
    server.answers = [lambda h: (h.head(200, Connection="close"), h.wfile.write(CONTENT))]
    with pytest.raises(SetupError, match="how long"):
        download(server.url, target, link=link)
    assert download(server.url, target, digest=Digest("sha256", SHA256), link=link) == SHA256


def test_a_file_that_its_check_refuses_never_gets_the_name(server, link, target):
    def check(path):
        assert path.read_bytes() == CONTENT
        raise WeightsError("no network in it", path)

    with pytest.raises(WeightsError, match="no network"):
        download(server.url, target, check=check, link=link)
    assert names_in(target.parent) == []


def test_a_login_page_is_not_the_file(server, link, target):
    server.answers = [page]
    with pytest.raises(SetupError, match="web page") as caught:
        download(server.url, target, link=link)
    assert "login" in caught.value.advice
    assert len(server.requests) == 1
    assert names_in(target.parent) == []


FETCH = """
import sys
from pathlib import Path
from esc_cli.files.download import download
print(download(sys.argv[1], Path(sys.argv[2])))
"""


def test_two_processes_fetch_it_once(server, authority, target, tmp_path):
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    environment = os.environ | {
        "SSL_CERT_FILE": str(tmp_path / "ca.pem"),
        "PYTHONPATH": str(ROOT),
    }

    def slow(handler):
        time.sleep(1.0)
        good(handler)

    server.answers = [slow]
    command = [sys.executable, "-c", FETCH, server.url, str(target)]

    def fetch(_):
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True)

    with ThreadPoolExecutor(2) as pool:
        printed = [done.stdout.strip() for done in pool.map(fetch, range(2))]
    assert printed == [SHA256, SHA256]
    assert len(server.requests) == 1


def test_a_finished_file_is_kept_and_a_damaged_one_replaced(server, link, target):
    digest = Digest("sha256", SHA256)
    download(server.url, target, digest=digest, link=link)
    download(server.url, target, digest=digest, link=link)
    assert len(server.requests) == 1
    target.write_bytes(CONTENT[:-1] + b"x")
    download(server.url, target, digest=digest, link=link)
    assert target.read_bytes() == CONTENT
    assert len(server.requests) == 2


@pytest.fixture
def small_disk(disk_of):
    """A file system of 256 KiB."""
    return disk_of("256k")


def test_a_full_disk_is_told_and_left_as_it_was(server, link, small_disk):
    with pytest.raises(DiskError, match="free some space"):
        download(server.url, small_disk / "file.bin", link=link)
    assert names_in(small_disk) == []


def test_a_folder_that_cannot_be_made_is_a_disk_error(server, link, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DiskError):
        download(server.url, tmp_path / "file" / "file.bin", link=link)
    assert server.requests == []
