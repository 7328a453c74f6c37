"""Downloads from a real TLS server that misbehaves."""

from __future__ import annotations

import hashlib
import http.server
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import trustme

from esc_cli.errors import DiskError, SetupError, UnreachableError, WeightsError
from esc_cli.files.download import Digest, download
from esc_cli.files.http import Link
from esc_cli.files.retries import BrokenError, NoAnswerError, Patience

ROOT = Path(__file__).parents[2]
CONTENT = bytes(range(256)) * 4096  # 1 MiB
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MD5 = hashlib.md5(CONTENT).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Answers request number n with `answers[n]` (the last one again and again)."""

    daemon_threads = True

    def __init__(self, context):
        super().__init__(("localhost", 0), Handler)
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.scheme = "http" if context is None else "https"
        self.content, self.etag, self.answers, self.requests = CONTENT, '"one"', [good], []

    @property
    def url(self):
        return f"{self.scheme}://localhost:{self.server_port}/dir/file.bin"

    def handle_error(self, request, client_address):
        """Broken connections are what these tests are about."""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server = self.server
        number = len(server.requests)
        server.requests.append(dict(self.headers))
        self.close_connection = True
        server.answers[min(number, len(server.answers) - 1)](self)

    def log_message(self, *_):
        pass

    def head(self, code, **headers):
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()


def good(handler, sent=None, pause=0.0):
    """The file, or the rest of it; only `sent` bytes of it, then the connection breaks."""
    content, etag = handler.server.content, handler.server.etag
    wanted, start = handler.headers.get("Range"), 0
    if wanted and handler.headers.get("If-Range") == etag:
        start = int(wanted.removeprefix("bytes=").removesuffix("-"))
    if start >= len(content):
        return handler.head(416, Content_Length=0)
    body = content[start:]
    headers = {"Content_Length": len(body), "ETag": etag, "Content_Type": "application/x-gzip"}
    if start:
        headers["Content_Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
    handler.head(206 if start else 200, **headers)
    if pause:
        for byte in body[:sent]:
            handler.wfile.write(bytes([byte]))
            handler.wfile.flush()
            time.sleep(pause)
    return handler.wfile.write(body[:sent])


def cut(handler):
    good(handler, sent=300_000)


def without_range(handler):
    handler.head(200, Content_Length=len(handler.server.content))
    handler.wfile.write(handler.server.content)


def cut_without_range(handler):
    handler.head(200, Content_Length=len(handler.server.content))
    handler.wfile.write(handler.server.content[:300_000])


def trickle(handler):
    good(handler, sent=40, pause=0.05)


def silent(handler):
    good(handler, sent=1000)
    handler.wfile.flush()
    time.sleep(1.5)


def page(handler):
    body = b"<html>Welcome to the hotel</html>"
    handler.head(200, Content_Length=len(body), Content_Type="text/html; charset=utf-8")
    handler.wfile.write(body)


def saying(code, **headers):
    return lambda handler: handler.head(code, Content_Length=0, **headers)


@pytest.fixture(scope="session")
def authority():
    return trustme.CA()


@pytest.fixture
def server(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    yield from running(Server(context))


@pytest.fixture
def plain_server():
    yield from running(Server(None))


def running(server):
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def _direct(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "localhost")
    monkeypatch.delenv("ESC_OFFLINE", raising=False)


@pytest.fixture
def link(authority):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return Link(timeout_s=5.0, pauses_s=(0.01, 0.01, 0.01), context=context)


def quick(link, **changes):
    return Link(**(vars(link) | changes))


@pytest.fixture
def target(tmp_path):
    return tmp_path / "new" / "file.bin"


def names_in(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


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


def test_an_answer_of_404_is_final(server, link, target):
    server.answers = [saying(404)]
    with pytest.raises(SetupError, match="404"):
        download(server.url, target, link=link)
    assert len(server.requests) == 1


@pytest.mark.parametrize("code", [429, 500, 503])
def test_a_busy_server_is_asked_again(server, link, target, code):
    server.answers = [saying(code), good]
    assert download(server.url, target, link=link) == SHA256


def test_retry_after_is_obeyed(server, link, target):
    server.answers = [saying(429, Retry_After=1), good]
    before = time.monotonic()
    download(server.url, target, link=link)
    assert time.monotonic() - before >= 1


def test_a_redirect_to_http_is_refused_and_not_followed(server, plain_server, link, target):
    server.answers = [saying(302, Location=plain_server.url)]
    with pytest.raises(SetupError, match="not https"):
        download(server.url, target, link=link)
    assert plain_server.requests == []


def test_a_redirect_to_https_is_followed_with_the_range(server, link, target):
    aside = saying(302, Location="/other/file.bin")
    server.answers = [aside, cut, aside, good]
    assert download(server.url, target, link=link) == SHA256
    assert server.requests[3]["Range"] == "bytes=300000-"


def test_a_redirect_to_what_is_no_address_is_an_error(server, link, target):
    server.answers = [saying(302, Location="https://a..b/file.bin")]
    with pytest.raises(SetupError, match="cannot be downloaded"):
        download(server.url, target, link=link)


@pytest.mark.parametrize("scheme", ["http", "ftp", "file"])
def test_other_schemes_are_refused(target, link, scheme):
    with pytest.raises(SetupError, match="not https"):
        download(f"{scheme}://localhost/file.bin", target, link=link)
    assert not target.parent.exists()


def test_a_certificate_that_nobody_signed_is_final(server, link, target):
    stranger = quick(link, context=ssl.create_default_context())
    with pytest.raises(SetupError, match="certificate") as caught:
        download(server.url, target, link=stranger)
    assert "SSL_CERT_FILE" in caught.value.advice
    assert server.requests == []


def test_ssl_cert_file_names_a_certificate_to_trust(
    server, authority, target, tmp_path, monkeypatch
):
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    assert download(server.url, target, link=Link()) == SHA256


def test_a_server_that_falls_silent_is_asked_for_the_rest(server, link, target):
    server.answers = [silent, good]
    assert download(server.url, target, link=quick(link, timeout_s=0.5)) == SHA256
    assert server.requests[1]["Range"] == "bytes=1000-"


def test_a_trickle_is_given_up(server, link, target):
    server.answers = [trickle]
    with pytest.raises(SetupError, match="too slow"):
        download(server.url, target, link=quick(link, timeout_s=0.5))


@pytest.fixture
def refused():
    """An address at which every connection is refused."""
    with socket.socket() as unused:
        unused.bind(("localhost", 0))
        yield f"https://localhost:{unused.getsockname()[1]}/file.bin"


@pytest.mark.parametrize("reason", ["refused", "no such host"])
def test_where_nobody_can_answer_nobody_is_asked_again(link, target, refused, reason, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    url = refused if reason == "refused" else "https://nowhere.invalid/file.bin"
    began = time.monotonic()
    with pytest.raises(UnreachableError, match="cannot be reached") as caught:
        download(url, target, link=quick(link, pauses_s=(100.0,)))
    assert time.monotonic() - began < 90  # looking up a name may take a while
    assert url in str(caught.value)
    assert "look at the connection" in caught.value.advice


def test_a_server_that_was_given_up_is_not_asked_for_another_file(server, link, target, refused):
    link = quick(link, given_up=set())
    for _ in range(2):
        with pytest.raises(UnreachableError):
            download(refused, target, link=link)
    assert link.given_up == {refused.split("/")[2]}
    assert download(server.url, target, link=link) == SHA256
    link.given_up.add(server.url.split("/")[2])
    with pytest.raises(UnreachableError, match="could not be reached before"):
        download(server.url, target.with_name("other"), link=link)
    assert len(server.requests) == 1


def test_a_server_that_has_answered_is_waited_for_when_the_network_goes_away(link, target):
    away = NoAnswerError(ConnectionRefusedError(111, "Connection refused"))
    patience = Patience("https://localhost/file.bin", target, link.pauses_s)
    patience.wait(BrokenError("cut"), 300_000)
    patience.wait(away, 0)
    patience.wait(away, 0)
    with pytest.raises(SetupError, match="Connection refused"):
        patience.wait(away, 0)


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


def test_offline_connects_to_nobody(server, link, target, monkeypatch):
    monkeypatch.setenv("ESC_OFFLINE", "1")
    with pytest.raises(SetupError) as caught:
        download(server.url, target, link=link)
    assert str(target) in str(caught.value)
    assert server.url in str(caught.value)
    monkeypatch.delenv("ESC_OFFLINE")
    with pytest.raises(SetupError, match="forbidden"):
        download(server.url, target, link=quick(link, offline=True))
    assert server.requests == []


def test_offline_takes_what_is_here(server, link, target):
    download(server.url, target, link=link)
    assert download(server.url, target, link=quick(link, offline=True)) == SHA256


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
