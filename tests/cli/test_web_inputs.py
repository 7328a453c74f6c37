"""Pictures of web servers: by their own address, by a listing, with secrets in the address."""

from __future__ import annotations

import functools
import http.server
import json
import threading

import pytest
from command import Command
from PIL import Image

from esc_cli.files import retries

pytest.importorskip("aiohttp", reason="aiohttp is not installed: pip install 'esc-cli[remote]'")


class _Folder(http.server.SimpleHTTPRequestHandler):
    """Serves a folder as Python does, with its listings; counts what is asked for."""

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if "/elsewhere" in self.path:
            self.send_response(302)
            self.send_header("Location", self.server.redirect)
            self.end_headers()
            return
        if self.server.refusals:
            self.server.refusals -= 1
            self.send_error(503)
            return
        super().do_GET()

    def send_header(self, name: str, value: str) -> None:
        if not (self.server.taciturn and name in {"Content-Length", "Last-Modified"}):
            super().send_header(name, value)

    def log_message(self, *_) -> None:
        pass


@pytest.fixture
def web(tmp_path, monkeypatch):
    """A server of the folder `served`, and its address."""
    monkeypatch.setattr(retries, "STORE_PAUSES_S", (0.01, 0.02, 0.02))
    (tmp_path / "served" / "sub").mkdir(parents=True)
    for seed, name in enumerate(("one photo.png", "sub/two.jpg")):
        Image.new("RGB", (12, 9), (seed * 50, 90, 30)).save(tmp_path / "served" / name)
    handler = functools.partial(_Folder, directory=str(tmp_path / "served"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.asked, server.refusals, server.redirect, server.taciturn = [], 0, "", False
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def esc(tmp_path):
    return Command(("upscale", "--staging", str(tmp_path / "staging")))


def test_one_file_needs_no_listing_and_is_skipped_without_a_download(esc, web, tmp_path):
    web.refusals = 2
    address = f"{web.url}/one%20photo.png"
    assert esc(address, "-o", tmp_path / "out").code == 0
    with Image.open(tmp_path / "out" / "one photo.png") as image:
        assert image.size == (48, 36)
    web.asked.clear()
    ran = esc(address, "-o", tmp_path / "out")
    assert "0 done, 1 skipped" in ran.err
    assert web.asked == []


def test_a_folder_is_listed_where_the_server_lists_it(esc, web, tmp_path):
    (tmp_path / "served" / "notes.txt").write_text("no picture")
    ran = esc(f"{web.url}/", "-o", tmp_path / "out")
    assert ran.code == 0, ran.err
    found = {p.name for p in (tmp_path / "out").rglob("*") if p.suffix in {".png", ".jpg"}}
    assert found == {"one photo.png", "two.jpg"}
    assert (tmp_path / "out" / "sub" / "two.jpg").is_file()


def test_what_tells_neither_size_nor_version_is_compared_by_content(esc, web, tmp_path):
    web.taciturn = True
    words = (f"{web.url}/one%20photo.png", "-o", tmp_path / "out")
    for done in ("1 done, 0 skipped", "0 done, 1 skipped"):
        ran = esc(*words)
        assert (ran.code, done in ran.err) == (0, True), ran.err
    Image.new("RGB", (12, 9), (5, 6, 7)).save(tmp_path / "served" / "one photo.png")
    assert "1 done" in esc(*words).err


def test_what_is_missing_ends_at_once(esc, web, tmp_path):
    ran = esc(f"{web.url}/none.png", "-o", tmp_path / "out")
    assert (ran.code, len(web.asked) <= 1) == (2, True), ran.err


def test_passwords_and_signatures_are_neither_told_nor_recorded(esc, web, tmp_path):
    place = web.url.removeprefix("http://")
    address = f"http://me:hidden1@{place}/one%20photo.png?id=5&sig=hidden2&X-Amz-Signature=hidden3"
    ran = esc(address, "-o", tmp_path / "out", "--report", tmp_path / "r.jsonl")
    assert ran.code == 0, ran.err
    records = (tmp_path / "out" / ".esc-records.jsonl").read_text()
    report = (tmp_path / "r.jsonl").read_text()
    assert json.loads(report)["input"] == f"http://{place}/one%20photo.png?id=5"
    web.refusals = 99
    other = address.replace("hidden2", "hidden4") + "&n=1"
    failed = esc(other, "-o", tmp_path / "out")
    assert failed.code == 1
    assert "hidden" not in records + report + ran.err + ran.out + failed.err


def test_https_leads_to_https_alone(esc, web, tmp_path, tls_server, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", tls_server.certificate)
    web.redirect = f"{web.url}/one%20photo.png"
    ran = esc(f"{tls_server.url}/elsewhere.png", "-o", tmp_path / "out")
    assert ran.code == 3
    assert "without encryption" in ran.err
    assert "/one%20photo.png" not in web.asked
    monkeypatch.delenv("SSL_CERT_FILE")
    ran = esc(f"{tls_server.url}/one%20photo.png", "-o", tmp_path / "out")
    assert (ran.code, "certificate" in ran.err) == (3, True)


@pytest.fixture
def tls_server(web, tmp_path, authority):
    """The same handler behind https."""
    import ssl

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), web.RequestHandlerClass)
    server.asked, server.refusals, server.taciturn = [], 0, False
    server.redirect = f"{web.url}/one%20photo.png"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    server.certificate = str(tmp_path / "ca.pem")
    server.url = f"https://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()
