"""A real S3 server on this machine, and a proxy before it that counts, refuses and cuts."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote


@dataclass
class Fault:
    """What happens to the next `times` requests whose method and path match.

    status: answered without asking the server; else `cut` bytes of the body are let through: of the
    answer to a GET, of the request of a PUT. hold: `met` is set, and it waits for the proxy.
    """

    method: str
    part: str
    times: int
    status: int = 0
    cut: int = 0
    hold: bool = False
    met: threading.Event = field(default_factory=threading.Event)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _serve(self) -> None:
        proxy: Proxy = self.server.proxy  # type: ignore[attr-defined]
        path = unquote(self.path)
        proxy.requests.append((self.command, path))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = proxy.fault(self.command, path)
        if fault is not None and fault.hold:
            fault.met.set()
            proxy.going.wait(60)
            fault = None
        if fault is not None and fault.status:
            self._answer(fault.status, [], b"<Error><Code>SlowDown</Code></Error>")
        elif fault is not None and self.command == "PUT":
            proxy.ask(self, body[: fault.cut], cut=True)
            self._end()
        else:
            status, headers, content = proxy.ask(self, body)
            self._answer(status, headers, content, None if fault is None else fault.cut)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def _answer(self, status: int, headers: Any, content: bytes, cut: int | None = None) -> None:
        self.send_response(status)
        dropped = {"transfer-encoding", "connection", "content-length", "date", "server"}
        for name, value in headers:
            if name.lower() not in dropped or (self.command, name.lower()) == (
                "HEAD",
                "content-length",
            ):
                self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(content if cut is None else content[:cut])
        if cut is not None:
            self._end()

    def _end(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_: Any) -> None:
        pass


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """A client that was killed is no error, and no line of the run that comes next."""


@dataclass
class Proxy:
    """Between a client and a server on this machine; what faults hold waits for `going`."""

    server_port: int
    requests: list[tuple[str, str]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    going: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.proxy = self  # type: ignore[attr-defined]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def fault(self, method: str, path: str) -> Fault | None:
        with self._lock:
            for one in self.faults:
                if one.times and one.method == method and one.part in path:
                    one.times -= 1
                    return one
        return None

    def ask(self, handler: _Handler, body: bytes, cut: bool = False) -> tuple[int, Any, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.server_port, timeout=30)
        with contextlib.closing(connection):
            headers = {k: v for k, v in handler.headers.items() if k.lower() != "connection"}
            connection.putrequest(handler.command, handler.path, True, True)
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            if cut:
                return 0, [], b""
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()

    def seen(self, method: str, part: str = "") -> list[str]:
        """The paths of the requests of a method."""
        return [path for one, path in self.requests if one == method and part in path]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextlib.contextmanager
def moto_server(log: Path) -> Iterator[int]:
    """moto's server in a process of its own; its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with log.open("w") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=stream, env=os.environ)
    try:
        end = time.monotonic() + 60
        while time.monotonic() < end and process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.05)
        else:
            raise AssertionError(log.read_text())
        yield port
    finally:
        process.kill()
        process.wait()
