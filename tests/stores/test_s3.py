"""Pictures in a bucket: listed, staged, uploaded, recorded there, and skipped the next time."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import time

import pytest
from command import ROOT, Command
from stores import Fault

from esc_cli.media.confined import Bounds
from esc_cli.media.provenance import provenance_in

pytest.importorskip("s3fs", reason="s3fs is not installed: pip install '.[remote]'")
pytest.importorskip("moto.server", reason="moto's server is not installed (see .ci/run)")

NAMES = ("a.png", "sub/b.jpg", "sub/c.png")


@pytest.fixture
def photos(bucket, picture):
    for seed, name in enumerate(NAMES):
        bucket.put(f"in/{name}", picture(seed, name[-4:]))
    bucket.put("in/notes.txt", b"no picture")
    return f"{bucket.url}/in"


@pytest.fixture
def whole(esc, bucket, photos, tmp_path):
    """What a run without addresses makes of the same pictures."""
    for name in NAMES:
        path = tmp_path / "local" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bucket.get(f"in/{name}"))
    assert esc(tmp_path / "local", "-o", tmp_path / "alone").code == 0
    return {name: (tmp_path / "alone" / name).read_bytes() for name in NAMES}


def test_a_second_run_downloads_nothing_and_a_changed_picture_is_done_again(
    esc, bucket, photos, whole, picture, tmp_path
):
    out = f"{bucket.url}/out"
    ran = esc(photos, "-o", out, "--report", tmp_path / "r.jsonl")
    assert ran.code == 0, ran.err
    assert sorted(ran.out.split()) == [f"{out}/{name}" for name in NAMES]
    assert bucket.results("out") == whole
    items = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text().splitlines()]
    assert {one["input"] for one in items} == {f"{photos}/{name}" for name in NAMES}
    assert all("upload" in one["seconds"] for one in items)
    assert list((tmp_path / "staging").iterdir()) == []

    bucket.proxy.requests.clear()
    ran = esc(photos, "-o", out)
    assert ran.code == 0
    assert "0 done, 3 skipped" in ran.err
    assert bucket.proxy.seen("GET", "/in/") == []
    assert bucket.proxy.seen("PUT") == []

    bucket.put("in/a.png", picture(200))
    bucket.put("out/sub/c.png", b"edited by somebody")
    bucket.proxy.requests.clear()
    ran = esc(photos, "-o", out)
    assert "2 done, 1 skipped" in ran.err
    assert len(bucket.proxy.seen("GET", "/in/a.png")) == 1
    assert bucket.proxy.seen("GET", "/in/sub/b.jpg") == []
    assert bucket.results("out")["sub/c.png"] == whole["sub/c.png"]


def test_results_in_a_bucket_say_how_they_came_about_and_reports_of_them_make_a_page(
    esc, bucket, photos, tmp_path
):
    out = f"{bucket.url}/out"
    ran = esc(photos, "-o", out, "--provenance", "--report", tmp_path / "r.jsonl")
    assert ran.code == 0, ran.err
    local = tmp_path / "copies" / "c.png"
    local.parent.mkdir()
    local.write_bytes(bucket.get("out/sub/c.png"))
    (step,) = provenance_in(local, Bounds(10**6))
    source = hashlib.sha256(bucket.get("in/sub/c.png")).hexdigest()
    assert step.properties["source_sha256"] == source
    ran = Command()("report", "html", tmp_path / "r.jsonl", "-o", tmp_path / "page.html")
    assert ran.code == 0, ran.err
    text = (tmp_path / "page.html").read_text()
    assert "<dt>not on this page</dt><dd>3 pictures in stores</dd>" in text
    assert "cannot be shown" not in text


def test_refusals_and_cut_transfers_are_tried_again(esc, bucket, photos, whole):
    bucket.proxy.faults = [
        Fault("GET", "/in/a.png", 2, status=503),
        Fault("GET", "/in/sub/b.jpg", 4, cut=100),
        Fault("PUT", "/out/a.png", 2, status=500),
        Fault("PUT", "/out/sub/c.png", 2, cut=50),
        Fault("GET", "list-type=2", 1, status=503),
    ]
    ran = esc(photos, "-o", f"{bucket.url}/out")
    assert ran.code == 0, ran.err
    assert bucket.results("out") == whole
    assert not any(fault.times for fault in bucket.proxy.faults)


def test_what_stays_broken_fails_alone_and_the_next_run_does_it(esc, bucket, photos, whole):
    bucket.proxy.faults = [
        Fault("GET", "/in/a.png", 999, status=503),
        Fault("PUT", "/out/sub/c.png", 999, status=500),
    ]
    ran = esc(photos, "-o", f"{bucket.url}/out")
    assert ran.code == 1
    assert f"failed: {photos}/a.png: cannot be downloaded" in ran.err
    assert f"failed: {photos}/sub/c.png: cannot be uploaded" in ran.err
    assert "503" in ran.err
    assert set(bucket.results("out")) == {"sub/b.jpg"}
    bucket.proxy.faults = []
    ran = esc(photos, "-o", f"{bucket.url}/out")
    assert (ran.code, "2 done, 1 skipped" in ran.err) == (0, True), ran.err
    assert bucket.results("out") == whole


def test_a_missing_bucket_ends_at_once(esc, bucket, photos, tmp_path):
    ran = esc("s3://no-such-bucket-here/in", "-o", tmp_path / "out")
    assert ran.code == 2
    assert "s3://no-such-bucket-here/in" in ran.err
    assert "bucket does not exist" in ran.err
    bucket.proxy.requests.clear()
    ran = esc(photos, "-o", "s3://no-such-bucket-here/out")
    assert ran.code == 3
    assert "bucket does not exist" in ran.err
    assert bucket.proxy.seen("GET", "/in/") == []
    assert len(bucket.proxy.requests) < 12


def test_wrong_credentials_end_at_once_and_no_secret_is_told(esc, bucket, photos):
    bucket.proxy.faults = [Fault("GET", "list-type=2", 99, status=403)]
    ran = esc(photos, "-o", f"{bucket.url}/out")
    assert ran.code == 3
    assert "denied" in ran.err
    assert "hidden-key" not in ran.err
    assert len(bucket.proxy.requests) < 6


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_that_was_ended_is_completed_to_the_same_bytes(
    esc, bucket, photos, whole, number, tmp_path
):
    words = (photos, "-o", f"{bucket.url}/out")
    held = Fault("PUT", "/out/sub/b.jpg", 1, hold=True)
    bucket.proxy.faults = [held]
    paths = filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))
    process = esc.start(*words, env={"PYTHONPATH": os.pathsep.join(paths)})
    assert held.met.wait(120), process.communicate()
    process.send_signal(number)
    time.sleep(0.3 if number == signal.SIGTERM else 0)  # a moment to be heard before the store is
    bucket.proxy.going.set()
    process.communicate(timeout=60)
    assert process.returncode == (143 if number == signal.SIGTERM else -9)
    assert all(whole[name] == content for name, content in bucket.results("out").items())
    if number == signal.SIGTERM:
        assert list((tmp_path / "staging").iterdir()) == []
    ran = esc(*words)
    assert ran.code == 0, ran.err
    assert bucket.results("out") == whole
    assert list((tmp_path / "staging").iterdir()) == []
