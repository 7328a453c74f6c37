"""A local https server that stands for a mirror of benchmark sets, and has Set5."""

from __future__ import annotations

import http.server
import ssl
import threading

import pytest
from pulling import archive_of, set5_members

from esc_cli.files.http import Link
from esc_cli.tasks.data.sets import Source


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves `server.files` by path, without ranges; the second half waits for `server.going`."""

    def do_GET(self):
        self.server.paths.append(self.path)
        content = self.server.files.get(self.path)
        self.send_response(404 if content is None else 200)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        half = len(content or b"") // 2
        self.wfile.write((content or b"")[:half])
        self.server.going.wait(10)
        self.wfile.write((content or b"")[half:])

    def log_message(self, *_):
        pass


@pytest.fixture
def server(authority, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "localhost")
    monkeypatch.delenv("ESC_OFFLINE", raising=False)
    server = http.server.ThreadingHTTPServer(("localhost", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # a client that left
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.going = threading.Event()
    server.going.set()
    server.paths, server.base = [], f"https://localhost:{server.server_port}/mirror"
    path = "/mirror/Set5/resolve/main/data/Set5_HR.tar.gz"
    server.path, server.files = path, {path: archive_of(*set5_members())}
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def source(server, authority):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return Source(server.base, Link(timeout_s=5, pauses_s=(0.01,), context=context))


@pytest.fixture
def root(tmp_path):
    return tmp_path / "outer" / "sets"
