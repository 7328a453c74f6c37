"""Addresses as inputs and as -o, without any server: names, bounds, skipping, what is refused."""

from __future__ import annotations

import io
import signal
import sys

import fsspec
import numpy as np
import pytest
from clips import Clip, look
from command import Command
from PIL import Image

from esc_cli.files.remote.address import Address
from esc_cli.files.remote.store import Store
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.events import Progress
from esc_cli.tasks.upscale.options import UpscaleOptions, VideoOptions
from esc_cli.tasks.upscale.remote import ledger
from esc_cli.tasks.upscale.run import upscale
from esc_cli.tasks.upscale.video import run as video_run


@pytest.fixture
def memory():
    """The store of this process behind memory://, emptied."""
    files = fsspec.filesystem("memory")
    files.store.clear()
    files.pseudo_dirs[:] = [""]
    yield files
    files.store.clear()


@pytest.fixture
def esc(tmp_path):
    return Command(("upscale", "--staging", str(tmp_path / "staging")))


def png(seed: int, size: tuple[int, int] = (12, 9), noise: bool = False) -> bytes:
    rows, columns = np.mgrid[0 : size[1], 0 : size[0]]
    values = np.stack([(rows * 7 + columns * seed) % 256] * 3, axis=2).astype(np.uint8)
    if noise:
        values = np.random.default_rng(seed).integers(0, 256, values.shape, np.uint8)
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, "PNG")
    return stream.getvalue()


def results(memory, prefix: str) -> list[str]:
    found = (path.removeprefix(f"{prefix}/") for path in memory.find(prefix))
    return sorted(one for one in found if not one.startswith(".esc-records/"))


def test_names_from_a_store_never_leave_the_staging_folder(esc, memory, tmp_path):
    for name in ("../../escaped.png", "a/../b.png", "double//slash.png", "x" * 300 + ".png"):
        memory.store[f"/in/{name}"] = memory.store.get("/none") or _file(memory, name)
    memory.pipe_file("/in/good.png", png(3))
    memory.pipe_file("/in/.hidden.png", png(4))
    ran = esc("memory://in", "-o", "memory://out")
    assert ran.code == 1
    assert results(memory, "/out") == ["good.png"]
    assert ran.err.count("failed: memory://in/") == 4
    assert "escaped" not in " ".join(path.name for path in tmp_path.rglob("*"))


def _file(memory, name: str):
    memory.pipe_file("/other", png(len(name)))
    return memory.store.pop("/other")


def test_inputs_of_one_stem_keep_apart_and_stay_finished(esc, memory):
    for name in ("a.png", "a.bmp", "b.png"):
        memory.pipe_file(f"/in/{name}", png(len(memory.store)))
    words = ("memory://in", "-o", "memory://out", "--format", "webp")
    assert esc(*words).code == 0
    assert results(memory, "/out") == ["a.bmp.webp", "a.png.webp", "b.webp"]
    assert "0 done, 3 skipped" in esc(*words).err
    memory.pipe_file("/in/a.bmp", png(77))
    assert "1 done, 2 skipped" in esc(*words).err


def test_other_settings_names_and_existing_are_as_in_a_folder(esc, memory):
    memory.pipe_file("/in/a.png", png(3))
    memory.pipe_file("/out/b.png", b"somebody's own")
    memory.pipe_file("/in/b.png", png(5))
    ran = esc("memory://in", "-o", "memory://out")
    assert ran.code == 1
    assert "no record of having written it" in ran.err
    assert memory.cat_file("/out/b.png") == b"somebody's own"
    assert "1 done" in esc("memory://in/a.png", "-o", "memory://out", "-s", "2").err
    assert "1 done" in esc("memory://in/a.png", "-o", "memory://out/new.png", "-s", "2").err
    assert "1 skipped" in esc("memory://in/a.png", "-o", "memory://out/new.png", "-s", "2").err
    assert "1 done" in esc("memory://in/a.png", "-o", "memory://out", "--name", "{stem}_y").err
    assert results(memory, "/out") == ["a.png", "a_y.png", "b.png", "new.png"]
    assert esc("memory://in/a.png", "-o", "memory://out", "--existing", "error").code == 1
    assert esc("memory://in", "-o", "memory://in").code == 2
    assert memory.cat_file("/in/a.png") == png(3)


def test_a_store_to_a_folder_and_back(esc, memory, tmp_path):
    memory.pipe_file("/in/sub/a.png", png(3))
    for done in ("1 done, 0 skipped", "0 done, 1 skipped"):
        ran = esc("memory://in", "-o", tmp_path / "out")
        assert (ran.code, done in ran.err) == (0, True), ran.err
    assert (tmp_path / "out" / "sub" / "a.png").is_file()
    for done in ("1 done, 0 skipped", "0 done, 1 skipped"):
        ran = esc(tmp_path / "out", "-o", "memory://back", "-s", "2")
        assert (ran.code, done in ran.err) == (0, True), ran.err
    assert Command(("verify",))(tmp_path / "out").code == 0


def test_the_staging_folder_keeps_its_bound(esc, memory, tmp_path, monkeypatch):
    for number in range(8):
        memory.pipe_file(f"/in/{number}.png", png(number, (40, 30), noise=True))
    memory.pipe_file("/in/large.png", png(9, (400, 300), noise=True))
    most, staging = [0], tmp_path / "staging"
    own = type(memory).info

    def info(self, path, **options):
        files = [one for one in staging.rglob("*") if one.is_file()]
        most[0] = max(most[0], sum(one.stat().st_size for one in files))
        return own(self, path, **options)

    monkeypatch.setattr(type(memory), "info", info)
    ran = esc("memory://in", "-o", "memory://out", "--staging-limit", "150K")
    assert ran.code == 1
    assert "failed: memory://in/large.png" in ran.err
    assert "--staging-limit" in ran.err
    assert len(results(memory, "/out")) == 8
    assert 3000 < most[0] <= 150 * 1024


def test_a_dry_run_writes_nothing_and_knows_names_and_sizes(esc, memory):
    memory.pipe_file("/in/a.png", png(3))
    ran = esc("memory://in", "-o", "memory://out", "--dry-run")
    assert ran.code == 0
    assert "would write memory://out/a.png (48 x 36" in ran.out
    assert memory.find("/out") == []


def test_a_damaged_picture_fails_alone_by_its_address(esc, memory):
    memory.pipe_file("/in/a.png", png(3))
    memory.pipe_file("/in/b.png", png(4)[:60])
    ran = esc("memory://in", "-o", "memory://out")
    assert ran.code == 1
    assert "failed: memory://in/b.png: " in ran.err
    assert results(memory, "/out") == ["a.png"]


def test_many_files_of_records_become_one(esc, memory, monkeypatch):
    monkeypatch.setattr(ledger, "_MANY_FILES", 3)
    for number in range(5):
        memory.pipe_file(f"/in/{number}.png", png(number))
        assert "1 done" in esc("memory://in", "-o", "memory://out").err
    assert len(memory.find("/out/.esc-records")) < 4
    assert "0 done, 5 skipped" in esc("memory://in", "-o", "memory://out").err


def test_shares_of_a_store(esc, memory):
    for number in range(6):
        memory.pipe_file(f"/in/{number}.png", png(number))
    words = ("memory://in", "-o", "memory://out")
    for share in ("1/2", "2/2"):
        assert esc(*words, "--shard", share).code == 0
    assert len(results(memory, "/out")) == 6
    assert "0 done, 6 skipped" in esc(*words).err


def test_a_stopped_video_goes_on_from_its_finished_parts(memory, tmp_path, monkeypatch):
    monkeypatch.setattr(video_run, "PROGRESS_INTERVAL_S", 0.0)
    clip = Clip(frames=18, size=(32, 24)).write(tmp_path / "clip.mkv")
    memory.pipe_file("/in/clip.mkv", clip.read_bytes())
    video = VideoOptions(codec="ffv1", segment_frames=3)
    alone = UpscaleOptions((str(clip),), str(tmp_path / "alone.mkv"), video=video)
    assert list(upscale(alone))[-1].done == 1
    options = UpscaleOptions(
        ("memory://in/clip.mkv",), "memory://out", video=video, staging=str(tmp_path / "staging")
    )
    stop, events = Stop(), []
    for event in upscale(options, stop):
        events.append(event)
        if isinstance(event, Progress):
            assert event.input == Address("memory://in/clip.mkv")
            if list(tmp_path.glob("staging/*/out/*/*/*.segment")):
                stop.set(signal.SIGTERM)
    assert (events[-1].exit_code, events[-1].left) == (143, 1)
    assert memory.find("/out/.esc-records") != []
    assert not memory.exists("/out/clip.mkv")
    assert not list(tmp_path.glob("staging/*/in"))
    assert list(tmp_path.glob("staging/*/out/.clip.mkv.esc-segments"))
    again = list(upscale(options))
    assert [one.done_now < 18 for one in again if isinstance(one, Progress)][-1]
    assert again[-1].done == 1
    (tmp_path / "result.mkv").write_bytes(memory.cat_file("/out/clip.mkv"))
    assert look(tmp_path / "result.mkv") == look(tmp_path / "alone.mkv")
    assert list((tmp_path / "staging").iterdir()) == []
    monkeypatch.setattr(Store, "fetch", None)
    assert list(upscale(options))[-1].skipped == 1


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("s3://b/in",), "-o does not say"),
        (("s3://b/in", "-o", "https://example.com/x"), "only read"),
        (("s3://b/in", "-o", "out", "--html", "p.html"), "--html"),
        (("s3://b/in", "-o", "out", "--cluster", "auto"), "--cluster"),
        (("s3://b/in", "-o", "out", "--offline"), "--offline"),
        (("s3://b/in", "--in-place", "--backup", "x"), "--in-place"),
        (("-", "-o", "s3://b/in"), "pipe"),
        (("s3://b/in", "-o", "out", "--name", "x"), "{stem}"),
        (("nothing://b/in", "-o", "out"), "no kind of address"),
        (("zip://a::s3://b/in", "-o", "out"), "::"),
        (("memory://nothing", "-o", "out"), "no such file"),
        (("s3://b/in", "-o", "out", "--staging-limit", "much"), "--staging-limit"),
    ],
)
def test_what_does_not_go_together_is_refused_by_name(esc, memory, words, text, tmp_path):
    ran = esc(*words, cwd=tmp_path)
    assert (ran.code, text in ran.err) == (2, True), ran.err


def test_watch_takes_no_addresses(tmp_path):
    ran = Command(("watch",))("s3://b/in", "-o", tmp_path / "out")
    assert (ran.code, "addresses" in ran.err) == (2, True)


def test_without_a_connection_nothing_is_tried(esc, tmp_path):
    ran = esc("s3://b/in", "-o", tmp_path / "out", env={"ESC_OFFLINE": "1"})
    assert (ran.code, "ESC_OFFLINE" in ran.err) == (3, True)


def test_a_library_that_is_missing_is_named(esc, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    found = sys.modules["fsspec.registry"]._registry  # by tests before
    monkeypatch.delitem(found, "s3", raising=False)
    ran = esc("s3://b/in", "-o", tmp_path / "out")
    assert ran.code == 3
    assert "pip install 'esc-cli[remote]'" in ran.err
