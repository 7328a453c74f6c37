"""Who is connected to and who is not: https alone, certificates, servers out of reach, offline."""

from __future__ import annotations

import socket
import ssl
import time

import pytest
from download_server import SHA256, quick, saying

from esc_cli.errors import SetupError, UnreachableError
from esc_cli.files.download import download
from esc_cli.files.http import Link


def test_an_answer_of_404_is_final(server, link, target):
    server.answers = [saying(404)]
    with pytest.raises(SetupError, match="404"):
        download(server.url, target, link=link)
    assert len(server.requests) == 1


def test_a_redirect_to_http_is_refused_and_not_followed(server, plain_server, link, target):
    server.answers = [saying(302, Location=plain_server.url)]
    with pytest.raises(SetupError, match="not https"):
        download(server.url, target, link=link)
    assert plain_server.requests == []


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
