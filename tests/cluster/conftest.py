"""A real Ray cluster on this machine: a head and a node, with a processor each, for all tests."""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from command import ROOT, Command, files_below, measured
from PIL import Image

WORKERS = """
import os, signal, sys, time

def wait(hold):
    if os.path.exists(hold):
        open(f"{hold}/{os.getpid()}", "w").close()
        while os.path.exists(hold):
            time.sleep(0.05)

def open_picture(event, arguments):
    path = str(arguments[0]) if event == "open" else ""
    if path.endswith("poison.png"):
        os.kill(os.getpid(), signal.SIGKILL)
    if path.endswith(".png"):
        wait(path.partition("/in/")[0] + "/before-reading")
    if path.endswith(".esc-part") and ".png." in path:
        wait(path.partition("/in_x4/")[0] + "/before-writing")

sys.addaudithook(open_picture)
"""
"""A sitecustomize.py: whatever process opens a picture called poison.png is killed at once, and
others wait while there is a folder of that name beside that of the inputs, in which they say so."""


ATTEMPTS = 3
"""At starting a node: Ray waits 30 s for one, whatever else its machine does."""


def wait_for(met, seconds: float = 240.0) -> None:
    end = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < end, "never happened"
        time.sleep(0.05)


@dataclass
class LocalCluster:
    """Nodes are processes; `port` is the head's. Token authentication is on."""

    folder: Path
    port: int
    token: str = field(default_factory=lambda: secrets.token_hex(32))
    nodes: list[psutil.Process] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What joins the cluster must have."""
        own = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": self.token}
        # On a busy machine Ray's own processes take longer to begin than it waits by default.
        own |= {"RAY_agent_register_timeout_ms": "120000"}
        # And its workers would stand behind whatever else the machine does: by default it is 15.
        own |= {"RAY_worker_niceness": "0"}
        return own | {"RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"}

    def start(self, *words: str, before: Sequence[str] = (), path: str = "") -> psutil.Process:
        """Start a node and wait until it runs: `before` its command, `path` first in Python's."""
        told = ""
        for _ in range(ATTEMPTS):
            node, told = self._tried(*words, before=before, path=path)
            if not _has_ended(node):
                return node
            assert "timed out during startup" in told, told
        raise AssertionError(told)

    def _tried(self, *words: str, before: Sequence[str], path: str) -> tuple[psutil.Process, str]:
        paths = os.pathsep.join(filter(None, (path, str(ROOT), str(self.folder))))
        environment = os.environ | self.environment | {"PYTHONPATH": paths}
        log = self.folder / f"node-{len(self.nodes)}.log"
        own = ["--block", "--object-store-memory=80000000", "--include-log-monitor=false"]
        command = [*before, Path(sys.executable).with_name("ray"), "start", *own, *words]
        with log.open("w") as stream:
            process = subprocess.Popen(command, env=environment, stdout=stream, stderr=stream)
        node = psutil.Process(process.pid)
        self.nodes.append(node)
        wait_for(lambda: "runtime started" in log.read_text() or _has_ended(node))
        return node, log.read_text()

    def add_node(self, **how: Any) -> psutil.Process:
        return self.start(f"--address={self.address}", "--num-cpus=1", **how)

    def workers(self) -> list[psutil.Process]:
        """The processes that hold a network."""
        found = []
        for node in self.nodes:
            with contextlib.suppress(psutil.NoSuchProcess):
                found += [one for one in node.children(recursive=True) if _works(one)]
        return found

    def kill(self, node: psutil.Process) -> None:
        """As a power cut would."""
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in [*node.children(recursive=True), node]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()

    wait_for = staticmethod(wait_for)


def _has_ended(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.status() == psutil.STATUS_ZOMBIE
    return True


def _works(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return "ClusterWorker" in " ".join(process.cmdline())
    return False


@pytest.fixture(scope="session")
def cluster() -> Iterator[LocalCluster]:
    # Sockets need a short path.
    with measured(), tempfile.TemporaryDirectory(prefix="esc-ray-") as name:
        folder = Path(name)
        (folder / "sitecustomize.py").write_text(WORKERS)
        own = LocalCluster(folder, port=20000 + os.getpid() % 10000)
        try:
            own.start(
                "--head",
                f"--port={own.port}",
                "--num-cpus=1",
                "--include-dashboard=false",
                f"--temp-dir={name}/ray",
            )
            own.add_node()
            yield own
        finally:
            for node in reversed(own.nodes):
                own.kill(node)


@pytest.fixture(scope="session")
def esc(cluster) -> Command:
    """`esc upscale` in a process of its own, for which the cluster's token is set."""
    return Command(("upscale",), env=cluster.environment)


@pytest.fixture(scope="session")
def on_cluster(esc, cluster):
    """`esc upscale --cluster` to its end."""

    def run(*words, **options):
        return esc(*words, "--cluster", cluster.address, process=True, **options)

    return run


def noise(path: Path, seed: int, side: int = 64) -> Path:
    values = np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)
    return path


@pytest.fixture
def photos(tmp_path) -> Path:
    for number in range(12):
        noise(tmp_path / "in" / f"sub{number % 2}" / f"{number:02}.png", number)
    return tmp_path / "in"


@dataclass
class Held:
    """Workers that have a picture in hand, and wait with it until they are released."""

    folder: Path

    @property
    def count(self) -> int:
        return len(list(self.folder.glob("*")))

    def release(self) -> None:
        # In one step: a worker that begins now must find either all of it or nothing.
        self.folder.rename(self.folder.with_name("released"))


@pytest.fixture(params=["before-reading"])
def held(photos, request) -> Held:
    folder = photos.with_name(request.param)
    folder.mkdir()
    return Held(folder)


@pytest.fixture(scope="session")
def below():
    return files_below


@pytest.fixture
def whole(esc, photos) -> dict[str, bytes]:
    """What one machine makes of the photos."""
    assert esc(photos, "-o", photos.with_name("alone")).code == 0
    return files_below(photos.with_name("alone"))
