"""Transfers that break are resumed where they broke, and busy servers are asked again."""

from __future__ import annotations

import time

import pytest
from download_server import (
    CONTENT,
    SHA256,
    cut,
    cut_without_range,
    good,
    names_in,
    quick,
    saying,
    silent,
    trickle,
    without_range,
)

from esc_cli.errors import SetupError
from esc_cli.files.download import Digest, download
from esc_cli.files.retries import BrokenError, NoAnswerError, Patience


def test_a_cut_transfer_is_resumed_where_it_broke(server, link, target):
    server.answers = [cut, good]
    assert download(server.url, target, link=link) == SHA256
    assert server.requests[1]["Range"] == "bytes=300000-"
    assert server.requests[1]["If-Range"] == '"one"'


def test_a_later_call_resumes_what_an_earlier_one_left(server, link, target):
    server.answers = [cut, saying(404)]
    with pytest.raises(SetupError, match="404"):
        download(server.url, target, link=link)
    assert not target.exists()
    server.answers = [good]
    assert download(server.url, target, digest=Digest("sha256", SHA256), link=link) == SHA256
    assert server.requests[2]["Range"] == "bytes=300000-"
    assert names_in(target.parent) == ["file.bin"]


def test_a_server_without_ranges_starts_again(server, link, target):
    server.answers = [cut_without_range, without_range]
    assert download(server.url, target, link=link) == SHA256
    assert "Range" not in server.requests[1]


def test_a_server_that_ignores_the_range_starts_again(server, link, target):
    server.answers = [cut, without_range]
    assert download(server.url, target, link=link) == SHA256
    assert server.requests[1]["Range"] == "bytes=300000-"


def test_two_versions_of_a_file_are_never_joined(server, link, target):
    def changed(handler):
        handler.server.content, handler.server.etag = CONTENT[::-1], '"two"'
        good(handler)

    server.answers = [cut, changed]
    download(server.url, target, link=link)
    assert target.read_bytes() == CONTENT[::-1]


def test_a_range_of_another_version_is_not_appended(server, link, target):
    def joined(handler):
        rest = CONTENT[::-1][300_000:]
        span = f"bytes 300000-{len(CONTENT) - 1}/{len(CONTENT)}"
        handler.head(206, Content_Length=len(rest), Content_Range=span, ETag='"two"')
        handler.wfile.write(rest)

    server.answers = [cut, joined, good]
    assert download(server.url, target, link=link) == SHA256


def test_a_part_longer_than_the_file_is_thrown_away(server, link, target):
    server.answers = [cut, saying(416), good]
    assert download(server.url, target, link=link) == SHA256
    assert "Range" not in server.requests[2]


def test_a_transfer_that_is_always_cut_never_gets_the_name(server, link, target):
    server.answers = [cut_without_range]
    with pytest.raises(SetupError, match=r"cut after 300000 of 1048576 bytes") as caught:
        download(server.url, target, link=link)
    assert server.url in str(caught.value)
    assert len(server.requests) == 4
    assert not target.exists()


def test_a_redirect_to_https_is_followed_with_the_range(server, link, target):
    aside = saying(302, Location="/other/file.bin")
    server.answers = [aside, cut, aside, good]
    assert download(server.url, target, link=link) == SHA256
    assert server.requests[3]["Range"] == "bytes=300000-"


def test_a_server_that_falls_silent_is_asked_for_the_rest(server, link, target):
    server.answers = [silent, good]
    assert download(server.url, target, link=quick(link, timeout_s=0.5)) == SHA256
    assert server.requests[1]["Range"] == "bytes=1000-"


@pytest.mark.slow
def test_a_trickle_is_given_up(server, link, target):
    server.answers = [trickle]
    with pytest.raises(SetupError, match="too slow"):
        download(server.url, target, link=quick(link, timeout_s=0.5))


@pytest.mark.parametrize("code", [429, 500, 503])
def test_a_busy_server_is_asked_again(server, link, target, code):
    server.answers = [saying(code), good]
    assert download(server.url, target, link=link) == SHA256


def test_retry_after_is_obeyed(server, link, target):
    server.answers = [saying(429, Retry_After=1), good]
    before = time.monotonic()
    download(server.url, target, link=link)
    assert time.monotonic() - before >= 1


def test_a_server_that_has_answered_is_waited_for_when_the_network_goes_away(link, target):
    away = NoAnswerError(ConnectionRefusedError(111, "Connection refused"))
    patience = Patience("https://localhost/file.bin", target, link.pauses_s)
    patience.wait(BrokenError("cut"), 300_000)
    patience.wait(away, 0)
    patience.wait(away, 0)
    with pytest.raises(SetupError, match="Connection refused"):
        patience.wait(away, 0)
