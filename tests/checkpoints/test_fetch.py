"""Published checkpoints from a real TLS server that misbehaves: checked before they have a name."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from esc_cli import load_model
from esc_cli.checkpoints.digests import recorded_sha256
from esc_cli.checkpoints.fetch import Supply, pull
from esc_cli.checkpoints.releases import release_of_file
from esc_cli.errors import DiskError, SetupError, WeightsError
from esc_cli.files.http import Link

ROOT = Path(__file__).parents[2]
FP2 = release_of_file("ESC_FP_X2.pth")
REAL = release_of_file("ESC_Real_X4_GAN.pth")
SUPPLY = Supply(Link(timeout_s=5.0, pauses_s=(0.01, 0.01)))


def sha256(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def server(weights_server, published_file):
    weights_server.files = {FP2.file: published_file("esc-fp", 2)}
    return weights_server


@pytest.fixture
def target(server):
    return server.cache / FP2.file


def named(target):
    """What lies there under a name, without locks and parts."""
    folder = target.parent
    names = (path.name for path in folder.iterdir()) if folder.is_dir() else ()
    return sorted(name for name in names if not name.startswith("."))


def saved(content):
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


def test_a_file_is_fetched_and_its_digest_recorded_as_sha256sum_does(server, target):
    seen = []

    class Shown:
        def __enter__(self):
            return lambda done, total: seen.append((done, total))

        def __exit__(self, *_):
            seen.append("left")

    content = server.files[FP2.file]
    supply = replace(SUPPLY, shown=lambda _release: Shown())
    assert pull(FP2, target, supply) == sha256(content)
    assert target.read_bytes() == content
    assert named(target) == [FP2.file, f"{FP2.file}.sha256"]
    kept = target.with_name(f"{FP2.file}.sha256").read_text()
    assert kept == f"{sha256(content)}  {FP2.file}\n"
    assert seen[-2:] == [(len(content), len(content)), "left"]


def test_an_intact_file_is_kept_without_a_connection(server, target):
    pull(FP2, target, SUPPLY)
    pull(FP2, target, replace(SUPPLY, link=Link(offline=True)))
    assert server.requests == [FP2.file]


def test_a_file_that_changed_is_refused_by_loading_and_replaced_by_pulling(server, target):
    pull(FP2, target, SUPPLY)
    content = bytearray(target.read_bytes())
    content[len(content) // 2] ^= 1
    target.write_bytes(content)
    with pytest.raises(WeightsError, match="damaged: its sha256") as caught:
        load_model("esc-fp", 2)
    assert "esc weights pull esc-fp-x2" in caught.value.advice
    pull(FP2, target, SUPPLY)
    assert load_model("esc-fp", 2).config.scale == 2


def test_the_digest_of_the_first_pull_holds_for_the_next_one(server, target):
    pull(FP2, target, SUPPLY)
    target.unlink()
    state = torch.load(io.BytesIO(server.files[FP2.file]), weights_only=True)["params"]
    server.files[FP2.file] = saved({"params_ema": state})
    with pytest.raises(SetupError, match="its sha256 is"):
        pull(FP2, target, SUPPLY)
    assert named(target) == [f"{FP2.file}.sha256"]


def test_a_published_digest_decides_alone_and_is_not_recorded(server, target):
    content = b"weights that only their publisher can vouch for"
    server.files[REAL.file] = content
    path = target.with_name(REAL.file)
    assert pull(replace(REAL, sha256=sha256(content)), path, SUPPLY) == sha256(content)
    assert named(path) == [REAL.file]


def test_a_file_without_its_published_digest_is_refused(server, published_file, target):
    server.files[REAL.file] = published_file("esc-real", 4)
    with pytest.raises(SetupError, match=f"not {REAL.sha256}"):
        pull(REAL, target.with_name(REAL.file), SUPPLY)
    assert named(target) == []


@pytest.mark.parametrize("content_type", ["text/html", "application/octet-stream"])
def test_the_page_of_a_captive_portal_is_called_a_web_page(server, target, content_type):
    server.content_type = content_type
    server.files[FP2.file] = b"\n<!DOCTYPE html><html>Welcome to the hotel</html>"
    with pytest.raises(SetupError, match="web page") as caught:
        pull(FP2, target, SUPPLY)
    assert FP2.url in str(caught.value)
    assert named(target) == []


def test_a_cut_transfer_leaves_no_name_and_is_resumed_later(server, target):
    server.limit = 1_000_000
    with pytest.raises(SetupError, match="cut after"):
        pull(FP2, target, replace(SUPPLY, link=Link(pauses_s=())))
    assert named(target) == []
    server.limit = None
    pull(FP2, target, SUPPLY)
    assert target.read_bytes() == server.files[FP2.file]


class Payload:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_code_in_a_file_is_not_run(server, target, tmp_path):
    server.files[FP2.file] = pickle.dumps({"params_ema": Payload(tmp_path / "ran")}, protocol=2)
    with pytest.raises(WeightsError, match="holds a Python object"):
        pull(FP2, target, SUPPLY)
    assert not (tmp_path / "ran").exists()
    assert named(target) == []


def test_another_network_is_refused_with_what_it_is(server, published_file, target):
    server.files[FP2.file] = published_file("esc-fp", 3)
    with pytest.raises(WeightsError, match="is not esc-fp-x2: it holds esc-fp x3") as caught:
        pull(FP2, target, SUPPLY)
    assert FP2.url in str(caught.value)
    assert named(target) == []


def other_key(state):
    return {("one" if name == "last.bias" else name): value for name, value in state.items()}


def extra_key(state):
    return state | {"one.more": torch.zeros(1)}


def other_shape(state):
    return state | {"last.bias": torch.zeros(3)}


@pytest.mark.slow
@pytest.mark.parametrize("change", [other_key, extra_key, other_shape])
def test_the_keys_and_shapes_must_be_exactly_those_of_the_network(server, target, change):
    stored = torch.load(io.BytesIO(server.files[FP2.file]), weights_only=True)
    server.files[FP2.file] = saved({"params_ema": change(stored["params_ema"])})
    with pytest.raises(WeightsError, match="does not fit"):
        pull(FP2, target, SUPPLY)
    assert named(target) == []


def test_offline_names_the_command_the_address_and_the_place(server, target, monkeypatch):
    with pytest.raises(WeightsError, match="connections are forbidden") as caught:
        pull(FP2, target, replace(SUPPLY, link=Link(offline=True)))
    for word in ("esc weights pull esc-fp-x2", FP2.url, str(target)):
        assert word in str(caught.value)
    monkeypatch.setenv("ESC_OFFLINE", "1")
    with pytest.raises(WeightsError, match="connections are forbidden"):
        pull(FP2, target, SUPPLY)
    assert server.requests == []


def test_offline_a_damaged_file_is_not_said_to_be_missing(target):
    pull(FP2, target, SUPPLY)
    target.write_bytes(b"damaged")
    offline = replace(SUPPLY, link=Link(offline=True))
    with pytest.raises(SetupError, match=r"\.pth: damaged or another file, and connections are"):
        pull(FP2, target, offline)
    assert target.read_bytes() == b"damaged"


@pytest.fixture
def small_disk(disk_of):
    """A file system of 256 KiB."""
    return disk_of("256k")


def test_a_full_disk_is_told_and_left_as_it_was(server, small_disk):
    with pytest.raises(DiskError, match="free some space"):
        pull(FP2, small_disk / FP2.file, SUPPLY)
    assert named(small_disk / FP2.file) == []


PULL = """
import sys
from pathlib import Path
from esc_cli.checkpoints.fetch import pull
from esc_cli.checkpoints.releases import release_of_file
print(pull(release_of_file(sys.argv[1]), Path(sys.argv[2])))
"""


@pytest.mark.slow
def test_two_processes_fetch_it_once(server, target):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    server.going.clear()

    def one(_):
        command = [sys.executable, "-c", PULL, FP2.file, str(target)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True)

    with ThreadPoolExecutor(2) as pool:
        running = pool.map(one, range(2))
        server.going.wait(1.5)  # both are there before the first byte is sent
        server.going.set()
        printed = {done.stdout.strip() for done in running}
    assert printed == {sha256(server.files[FP2.file])}
    assert server.requests == [FP2.file]
    assert named(target) == [FP2.file, f"{FP2.file}.sha256"]


def test_loading_by_name_fetches_it_and_takes_the_ema_weights(server):
    network = load_model("esc-fp", 2)
    stored = torch.load(io.BytesIO(server.files[FP2.file]), weights_only=True)
    for name, value in network.state_dict().items():
        assert torch.equal(value, stored["params_ema"][name])
    load_model("esc-fp", 2)
    assert server.requests == [FP2.file]


def test_a_file_put_there_by_hand_is_recorded_when_it_is_first_loaded(server, target):
    target.parent.mkdir(parents=True)
    target.write_bytes(server.files[FP2.file])
    load_model("esc-fp", 2)
    assert recorded_sha256(target) == sha256(server.files[FP2.file])
    assert server.requests == []


def test_a_wrong_file_put_there_by_hand_is_refused(server, published_file, target):
    target.parent.mkdir(parents=True)
    target.write_bytes(published_file("esc-fp", 3))
    with pytest.raises(WeightsError, match="is not esc-fp-x2: it holds esc-fp x3"):
        load_model("esc-fp", 2)
    assert recorded_sha256(target) == ""
    target.with_name(f"{FP2.file}.sha256").write_text("what is this\n")
    with pytest.raises(WeightsError, match=r"ESC_FP_X2\.pth\.sha256: holds no sha256"):
        load_model("esc-fp", 2)
