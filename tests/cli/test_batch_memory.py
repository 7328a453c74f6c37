"""Memory does not grow with the number of pictures."""

from __future__ import annotations

import os
import sys

import pytest


@pytest.mark.skipif(sys.platform == "win32", reason="needs wait4")
def test_two_hundred_pictures_need_no_more_memory_than_ten(tmp_path, esc, draw):
    peaks = {}
    for count in (10, 200):
        folder = tmp_path / f"in{count}"
        for number in range(count):
            draw(folder / f"{number}.png", number, (64, 64))
        process = esc.start(folder, "--quiet", stdout=None, stderr=None)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        peaks[count] = usage.ru_maxrss
    # 190 results of 256 x 256 alone would be 37 MB, and as floats 150 MB.
    assert peaks[200] < peaks[10] + 30 * 1024
