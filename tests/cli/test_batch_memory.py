"""Memory does not grow with the number of pictures."""

from __future__ import annotations

import os
import sys

import pytest

pytestmark = pytest.mark.slow


@pytest.mark.skipif(sys.platform == "win32", reason="needs wait4")
@pytest.mark.parametrize(
    ("scale", "side", "counts"),
    [
        ("0.5", 300, (10, 200)),  # 190 decoded pictures are 51 MB; without the network
        ("4", 64, (10, 90)),  # 80 results as floats are 63 MB
    ],
)
def test_many_pictures_need_no_more_memory_than_ten(tmp_path, esc, draw, scale, side, counts):
    peaks_kb = []
    for count in counts:
        folder = tmp_path / f"in{count}"
        for number in range(count):
            draw(folder / f"{number}.bmp", number, (side, side))
        command = (folder, "--scale", scale, "--quiet")
        process = esc.start(*command, stdout=None, stderr=None)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        peaks_kb.append(usage.ru_maxrss)
    assert peaks_kb[1] < peaks_kb[0] + 30 * 1024
