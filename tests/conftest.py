"""What the tests of all parts share."""

from __future__ import annotations

import atexit
import http.server
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from command import measured

from esc_cli.media.video.scheduling import kept_scheduling

# Else a failure there would not show what was compared.
pytest.register_assert_rewrite("video_runs", "left_runs", "block_runs")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # one thread is quickest for the small networks
os.environ.pop("ESC_WEIGHTS", None)
# Nobody's own settings; a browser and matplotlib write there.
os.environ["XDG_CONFIG_HOME"] = tempfile.mkdtemp(prefix="esc-config-")
atexit.register(shutil.rmtree, os.environ["XDG_CONFIG_HOME"], ignore_errors=True)


@pytest.fixture(autouse=True)
def scheduled_as_before() -> Iterator[None]:
    """SVT-AV1, which makes clips of tests, would have all later tests run as real-time ones."""
    with kept_scheduling():
        yield


@pytest.fixture(scope="session")
def golden() -> Path:
    """The folder of golden vectors; its README says where they come from."""
    return Path(__file__).parent / "golden"


@pytest.fixture(scope="module")
def measured_processes() -> Iterator[None]:
    """See `command.measured`."""
    with measured():
        yield


@pytest.fixture
def disk_of(tmp_path):
    """Mounts a file system of a size such as "256k" and returns its folder."""
    mounted = []

    def mount(size: str) -> Path:
        if not sys.platform.startswith("linux") or os.geteuid() != 0:
            pytest.skip("only root can mount a small disk")
        disk = tmp_path / f"disk-of-{size}"
        disk.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)]
        if subprocess.run(command, capture_output=True, check=False).returncode != 0:
            pytest.skip("no small disk can be mounted here")
        mounted.append(disk)
        return disk

    yield mount
    for disk in mounted:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


class _Files(http.server.BaseHTTPRequestHandler):
    """Serves `server.files` by name, from where a Range starts; at most `server.limit` bytes."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server = self.server
        name = self.path.rpartition("/")[2]
        server.requests.append(name)
        self.close_connection = True
        content = server.files.get(name, b"")
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        self.send_response(404 if name not in server.files else 206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.send_header("Content-Type", server.content_type)
        self.send_header("ETag", '"one"')
        if start:
            end = len(content)
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{end}")
        self.end_headers()
        server.going.wait(10)
        self.wfile.write(content[start:][: server.limit])

    def log_message(self, *_) -> None:
        pass


@pytest.fixture(scope="session")
def authority():
    """Signs the certificates of local servers."""
    return trustme.CA()


@pytest.fixture
def weights_server(authority, monkeypatch, tmp_path):
    """A local https server that stands for the publisher's, for this process and its children.

    Also gives them an empty cache, `weights_server.cache`.
    """
    server = http.server.ThreadingHTTPServer(("localhost", 0), _Files)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # a client that left
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.files, server.requests, server.limit = {}, [], None
    server.content_type, server.going = "application/octet-stream", threading.Event()
    server.going.set()
    server.base = f"https://localhost:{server.server_port}/1.0.0"
    server.cache = tmp_path / "home" / "esc" / "weights"
    monkeypatch.setenv("ESC_WEIGHTS_URL", server.base)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    monkeypatch.setenv("NO_PROXY", "localhost")
    monkeypatch.delenv("ESC_OFFLINE", raising=False)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def published_file():
    """(variant, scale) -> the bytes of a .pth as the authors of ESC publish them."""
    import io

    import torch

    from esc_cli.model import build

    made: dict[tuple[str, int, bool], bytes] = {}

    def make(variant: str, scale: int, flashbias: bool = False) -> bytes:
        key = variant, scale, flashbias
        if key not in made:
            torch.manual_seed(scale)
            ema = build(variant, scale, flashbias=flashbias).state_dict()
            params = {name: value + 1 for name, value in ema.items()}
            stream = io.BytesIO()
            torch.save({"params": params, "params_ema": ema}, stream)
            made[key] = stream.getvalue()
        return made[key]

    return make
