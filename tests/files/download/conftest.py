"""A real TLS server that misbehaves as a test tells it."""

from __future__ import annotations

import ssl

import pytest
from download_server import Server, running

from esc_cli.files.http import Link


@pytest.fixture
def server(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    yield from running(Server(context))


@pytest.fixture
def plain_server():
    yield from running(Server(None))


@pytest.fixture(autouse=True)
def _direct(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "localhost")
    monkeypatch.delenv("ESC_OFFLINE", raising=False)


@pytest.fixture
def link(authority):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return Link(timeout_s=5.0, pauses_s=(0.01, 0.01, 0.01), context=context)


@pytest.fixture
def target(tmp_path):
    return tmp_path / "new" / "file.bin"
