"""Long videos whose segments are shared by workers: the bytes of one machine."""

from __future__ import annotations

import pytest
from clips import Clip

pytest.importorskip("ray", reason="Ray is 240 MB: pip install '.[cluster]'; .ci/run does")
pytestmark = pytest.mark.slow

WORDS = ("--codec", "prores", "--segment-frames", "3")


@pytest.fixture
def films(esc, tmp_path):
    """A folder of two clips, a long and a short one; what one machine makes is beside it."""
    folder = tmp_path / "films"
    Clip(frames=90, size=(48, 32), audio=("eng",)).write(folder / "long.mov")
    Clip(frames=5, size=(48, 32)).write(folder / "short.mov")
    assert esc(folder, "-o", tmp_path / "alone", *WORDS).code == 0
    return folder


def test_workers_share_a_long_video_one_of_them_is_killed(esc, cluster, films, below):
    out = films.with_name("out")
    words = (films, "-o", out, *WORDS, "--cluster", cluster.address, "--shard-videos")
    process = esc.start(*words)
    cluster.wait_for(lambda: len(list(out.glob(".long*/*/*.segment"))) > 1, 120)
    writers = {path.name for path in out.glob(".long*/*/journal.*.jsonl")}
    assert writers <= {"journal.1of2.jsonl", "journal.2of2.jsonl"}
    cluster.workers()[0].kill()
    ran = esc.ended(process.wait(180), *process.communicate())
    assert ran.code == 0, ran.err
    assert "2 done, 0 skipped, 0 failed" in ran.err
    assert {name: own for name, own in below(out).items() if name.endswith(".mov")} == {
        name: own for name, own in below(films.with_name("alone")).items() if name.endswith(".mov")
    }
    assert not list(out.glob(".long.mov*"))
