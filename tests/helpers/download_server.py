"""A server whose answers a test chooses, and what those who download from it look at."""

from __future__ import annotations

import hashlib
import http.server
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from esc_cli.files.http import Link

CONTENT = bytes(range(256)) * 4096  # 1 MiB
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MD5 = hashlib.md5(CONTENT).hexdigest()
Answer = Callable[["Handler"], object]


class Server(http.server.ThreadingHTTPServer):
    """Answers request number n with `answers[n]` (the last one again and again)."""

    daemon_threads = True

    def __init__(self, context: ssl.SSLContext | None) -> None:
        super().__init__(("localhost", 0), Handler)
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.scheme = "http" if context is None else "https"
        self.content, self.etag = CONTENT, '"one"'
        self.answers: list[Answer] = [good]
        self.requests: list[dict[str, str]] = []

    @property
    def url(self) -> str:
        return f"{self.scheme}://localhost:{self.server_port}/dir/file.bin"

    def handle_error(self, *_: Any) -> None:
        """Broken connections are what these tests are about."""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        server = self.server
        number = len(server.requests)
        server.requests.append(dict(self.headers))
        self.close_connection = True
        server.answers[min(number, len(server.answers) - 1)](self)

    def log_message(self, *_: Any) -> None:
        pass

    def head(self, code: int, **headers: Any) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()


def good(handler: Handler, sent: int | None = None, pause: float = 0.0) -> None:
    """The file, or the rest of it; only `sent` bytes of it, then the connection breaks."""
    content, etag = handler.server.content, handler.server.etag
    wanted, start = handler.headers.get("Range"), 0
    if wanted and handler.headers.get("If-Range") == etag:
        start = int(wanted.removeprefix("bytes=").removesuffix("-"))
    if start >= len(content):
        handler.head(416, Content_Length=0)
        return
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
    handler.wfile.write(body[:sent])


def cut(handler: Handler) -> None:
    good(handler, sent=300_000)


def without_range(handler: Handler) -> None:
    handler.head(200, Content_Length=len(handler.server.content))
    handler.wfile.write(handler.server.content)


def cut_without_range(handler: Handler) -> None:
    handler.head(200, Content_Length=len(handler.server.content))
    handler.wfile.write(handler.server.content[:300_000])


def trickle(handler: Handler) -> None:
    good(handler, sent=40, pause=0.05)


def silent(handler: Handler) -> None:
    good(handler, sent=1000)
    handler.wfile.flush()
    time.sleep(1.5)


def page(handler: Handler) -> None:
    body = b"<html>Welcome to the hotel</html>"
    handler.head(200, Content_Length=len(body), Content_Type="text/html; charset=utf-8")
    handler.wfile.write(body)


def saying(code: int, **headers: Any) -> Answer:
    return lambda handler: handler.head(code, Content_Length=0, **headers)


def running(server: Server) -> Iterator[Server]:
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def quick(link: Link, **changes: Any) -> Link:
    return Link(**(vars(link) | changes))


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))
