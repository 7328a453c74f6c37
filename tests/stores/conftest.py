"""A real S3 server on this machine (moto's), behind a proxy that breaks what it is told to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from command import Command
from PIL import Image
from stores import Proxy, moto_server

from esc_cli.files import retries


@dataclass
class Bucket:
    """A bucket of its own for each test; its files are written past the proxy."""

    name: str
    files: object
    proxy: Proxy

    @property
    def url(self) -> str:
        return f"s3://{self.name}"

    def put(self, key: str, content: bytes) -> None:
        self.files.pipe_file(f"{self.name}/{key}", content)

    def get(self, key: str) -> bytes:
        return self.files.cat_file(f"{self.name}/{key}")

    def results(self, prefix: str) -> dict[str, bytes]:
        """Every file below a prefix but the records."""
        start = f"{self.name}/{prefix}/"
        paths = self.files.find(start[:-1])
        names = [path.removeprefix(start) for path in paths if "/.esc-records/" not in path]
        return {name: self.get(f"{prefix}/{name}") for name in names}


@pytest.fixture(scope="session")
def s3_port(tmp_path_factory):
    with moto_server(tmp_path_factory.mktemp("moto") / "log") as port:
        yield port


@pytest.fixture
def bucket(s3_port, request, monkeypatch):
    import fsspec

    proxy = Proxy(s3_port)
    environment = {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "hidden-key",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": proxy.url,
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(retries, "STORE_PAUSES_S", (0.01, 0.02, 0.02))
    own = f"http://127.0.0.1:{s3_port}"
    files = fsspec.filesystem(
        "s3", endpoint_url=own, skip_instance_cache=True, use_listings_cache=False
    )
    name = "b" + "".join(c for c in request.node.name.lower() if c.isalnum())[:50]
    files.mkdir(name)
    yield Bucket(name, files, proxy)
    proxy.close()


@pytest.fixture
def esc(tmp_path):
    """`esc upscale`, staging in a folder of the test."""
    return Command(("upscale", "--staging", str(tmp_path / "staging")))


@pytest.fixture
def picture(tmp_path):
    """The bytes of a small picture, different for every seed."""

    def made(seed: int, suffix: str = ".png", size: tuple[int, int] = (12, 9)) -> bytes:
        path = Path(tmp_path / f"made{suffix}")
        image = Image.new("RGB", size, (seed * 7 % 256, 90, 200 - seed))
        image.putpixel((1, 1), (255, seed, 0))
        image.save(path)
        return path.read_bytes()

    return made
