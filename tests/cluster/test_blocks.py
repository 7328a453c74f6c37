"""A batch on a cluster that is planned in blocks, while its workers are at work."""

import json
import os
import subprocess
import sys

import pytest
from command import ROOT

pytest.importorskip("ray", reason="Ray is 240 MB: pip install '.[cluster]'; .ci/run does")
pytestmark = pytest.mark.slow

PROGRAM = """
import json, sys
from esc_cli.tasks.upscale.blocks import Sizes
from esc_cli.tasks.upscale.events import Item
from esc_cli.tasks.upscale.options import UpscaleOptions
from esc_cli.tasks.upscale.run import upscale

options = UpscaleOptions((sys.argv[1],), cluster=sys.argv[2])
plan, *items, summary = upscale(options, None, Sizes(whole=6, first=4, more=3))
items = [(str(one.input), one.status) for one in items if isinstance(one, Item)]
print(json.dumps([plan.looked_at, items, summary.left, summary.exit_code]))
"""


def in_blocks(cluster, folder):
    environment = os.environ | cluster.environment | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", PROGRAM, str(folder), cluster.address]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_results_are_those_of_one_machine_and_each_input_is_told_once(
    cluster, photos, whole, below
):
    (photos / "sub1" / "04.png").write_bytes(b"none")
    looked_at, items, left, code = in_blocks(cluster, photos)
    told = dict(items)
    assert (looked_at, left, code) == (4, 0, 1)
    assert len(items) == len(told) == 13
    failed = [path for path, status in items if status == "failed"]
    assert failed == [str(photos / "sub1" / "04.png")]
    assert below(photos.with_name("in_x4")) == whole
    (photos.with_name("in_x4") / "sub1" / "09.png").unlink()
    _, again, left, code = in_blocks(cluster, photos)
    assert [path for path, status in again if status == "done"] == [str(photos / "sub1" / "09.png")]
    assert (len(again), left, code) == (13, 0, 1)
    assert below(photos.with_name("in_x4")) == whole
