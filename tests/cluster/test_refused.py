"""What cannot be done on a cluster, or by one of its machines, is refused with the reason."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from command import ROOT

pytest.importorskip("ray", reason="Ray is 240 MB: pip install '.[cluster]'; .ci/run does")
pytestmark = pytest.mark.slow


@pytest.fixture
def older(tmp_path) -> Path:
    """A folder that makes Python find an older Pillow, by its metadata."""
    info = tmp_path / "older" / "pillow-9.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: pillow\nVersion: 9.0\n")
    return info.parent


def test_where_no_machine_can_work_the_batch_ends(on_cluster, photos, older):
    ran = on_cluster(photos, env={"PYTHONPATH": f"{older}{os.pathsep}{ROOT}"})
    assert ran.code == 3
    assert len(ran.lines_naming("is not used")) == 2
    (line,) = ran.lines_naming("stopped")
    assert "what is left was not tried" in line
    assert "12 left" in ran.err


def test_machines_that_cannot_take_part_are_refused_and_the_others_go_on(
    on_cluster, cluster, photos, older
):
    """One with another version; two that do not see a folder, where folders can be hidden."""
    (photos.parent / "in_x4").mkdir()
    machines = [{"path": str(older)}]
    expected = ["pillow is 9.0 there and "]
    for what, kind in (("in", "input"), ("in_x4", "output folder")):
        mount = f'mount -t tmpfs none {photos.parent}/{what} && exec "$0" "$@"'
        hidden = ["unshare", "-m", "sh", "-c", mount]
        if subprocess.run([*hidden, "true"], check=False, capture_output=True).returncode == 0:
            machines.append({"before": hidden})
            expected.append(f"the {kind} {photos.parent / what}")
    nodes = []
    try:
        nodes += [cluster.add_node(**how) for how in machines]
        ran = on_cluster(photos)
    finally:
        for node in nodes:
            cluster.kill(node)
    assert ran.code == 0, ran.err
    told = ran.lines_naming("is not used")
    assert len(told) == len(expected)
    for text in expected:
        assert [line for line in told if text in line], (text, told)
    assert "12 done" in ran.err
    if len(expected) == 1:
        pytest.skip("only root can hide a folder from a process; the rest was looked at")


def test_what_is_no_cluster_is_told_so_at_once(esc, photos):
    refused = {"nowhere": 2, "ray://127.0.0.1:10001": 2, "127.0.0.1:9": 3}
    for address, code in refused.items():
        ran = esc(photos, "--cluster", address, process=True)
        assert ran.code == code, address
        assert "cluster" in ran.err
        assert not photos.with_name("in_x4").exists()
    assert esc("-", "--cluster", "auto", input=b"x").code == 2
    assert esc(photos, "--cluster", "auto", "--devices", "cpu,cpu").code == 2


def test_without_the_token_nobody_joins(esc, cluster, photos):
    ran = esc(photos, "--cluster", cluster.address, process=True, env={"RAY_AUTH_TOKEN": "0" * 64})
    assert ran.code == 3
    assert "cannot be joined" in ran.err
    assert not photos.with_name("in_x4").exists()
