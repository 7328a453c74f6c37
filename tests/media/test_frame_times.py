"""When frames are shown where a file says it twice and its units leave no time between."""

from __future__ import annotations

from fractions import Fraction

import pytest

from esc_cli.errors import ReadError
from esc_cli.media.video.clock import FrameClock


def shown(times):
    clock = FrameClock(Fraction(1, 24), 1)
    frames = [one for time in times for one in clock.push(time, time, time, 1)]
    frames += clock.finish()
    return [time for _, time, _ in frames], clock


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([0, 2, 3, 3, 4], [0, 2, 3, 4, 5]),
        ([0, 1, 1, 2, 2, 3], [0, 1, 2, 3, 4, 5]),
        ([0, 1, 1, 2, 4, 5], [0, 1, 2, 3, 4, 5]),
    ],
)
def test_frames_of_one_time_follow_each_other_and_the_next_give_way(times, expected):
    found, clock = shown(times)
    assert found == expected
    assert len(clock.mended) == len(times) - len(set(times))


def test_frames_do_not_give_way_for_ever():
    with pytest.raises(ReadError, match="do not increase"):
        shown([time for time in range(9) for _ in range(2)])
