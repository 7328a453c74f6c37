"""Three stages at once: bounded, in order, and ended by whatever ends one of them."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from esc_cli.errors import DeadlineError, ReadError
from esc_cli.media.video.frames import RawFrame
from esc_cli.tasks.upscale.video.pipeline import FrameStream, Stages


class Recorder:
    """Stages over numbered frames that note what goes on."""

    def __init__(self, count, seeds=None, slow_s=0.0):
        self.seeds = list(range(count)) if seeds is None else seeds
        self.slow_s = slow_s
        self.decoded = self.written = self.most_alive = 0
        self.batches, self.segments, self.repeated = [], {}, {}

    def frames(self):
        for number, seed in enumerate(self.seeds):
            self.decoded += 1
            self.most_alive = max(self.most_alive, self.decoded - self.written)
            yield RawFrame(number, 1, (np.full((2, 2), seed, np.uint16),))

    def network(self, frames):
        self.batches.append([frame.pts for frame in frames])
        return [(frame.planes[0] + 100,) for frame in frames]

    def write(self, number, frames, repeated):
        self.segments[number] = []
        for frame in frames:
            time.sleep(self.slow_s)
            self.segments[number].append((frame.pts, int(frame.planes[0][0, 0]) - 100))
            self.written += 1
        self.repeated[number] = repeated[0]

    @property
    def stages(self):
        return Stages(self.frames, self.network, self.write)


def run(recorder, batch=3, segment_frames=5, **options):
    for _ in FrameStream(recorder.stages, batch, segment_frames, **options).run():
        pass
    return recorder


def test_every_frame_arrives_once_in_order_and_batches_end_with_their_segment():
    done = run(Recorder(12))
    assert done.segments == {
        0: [(n, n) for n in range(5)],
        1: [(n, n) for n in range(5, 10)],
        2: [(10, 10), (11, 11)],
    }
    assert done.batches == [[0, 1, 2], [3, 4], [5, 6, 7], [8, 9], [10, 11]]


def test_repetitions_share_a_result_within_a_segment():
    seeds = [0, 0, 0, 1, 1, 1, 2, 3, 3, 2]
    done = run(Recorder(10, seeds))
    assert [seed for part in done.segments.values() for _, seed in part] == seeds
    assert done.batches == [[0, 3], [5, 6, 7], [9]]  # frame 5 begins a segment
    assert done.repeated == {0: 3, 1: 1}


def test_a_long_standstill_needs_the_network_once_and_little_memory():
    done = run(Recorder(400, [7] * 400), batch=4, segment_frames=400)
    assert done.batches == [[0]]
    assert done.repeated == {0: 399}
    assert done.most_alive < 80


def test_memory_does_not_grow_with_the_length():
    slow = run(Recorder(300, slow_s=0.0005), batch=4, segment_frames=50)
    assert slow.written == 300
    assert slow.most_alive <= 3 * (2 * 4 + 2) + 4


def test_what_finished_segments_hold_is_passed_over():
    whole, rest = run(Recorder(12)), run(Recorder(12), wanted=lambda number: number > 0)
    assert rest.segments == {n: part for n, part in whole.segments.items() if n > 0}
    assert rest.batches == whole.batches[2:]


def test_the_time_is_up_at_the_border_of_a_segment():
    recorder = Recorder(20)
    with pytest.raises(DeadlineError):
        run(recorder, is_due=lambda: len(recorder.batches) > 2)
    assert sorted(recorder.segments) == [0, 1]
    assert [len(part) for part in recorder.segments.values()] == [5, 5]


@pytest.mark.parametrize("stage", ["frames", "network", "write"])
def test_an_error_in_any_stage_ends_all_of_them(stage):
    recorder = Recorder(200)
    working = getattr(recorder, stage)

    def fails(*arguments):
        if recorder.written >= 7 or stage == "write":
            raise ReadError(f"{stage} is broken")
        return working(*arguments)

    def fails_late():
        for number, frame in enumerate(working()):
            if number == 7:
                raise ReadError("frames is broken")
            yield frame

    setattr(recorder, stage, fails_late if stage == "frames" else fails)
    before = threading.active_count()
    with pytest.raises(ReadError, match=f"{stage} is broken"):
        run(recorder)
    assert threading.active_count() == before


def test_closing_early_ends_the_threads():
    recorder = Recorder(1000, slow_s=0.001)
    before = threading.active_count()
    events = FrameStream(recorder.stages, 2, 10).run()
    next(events)
    events.close()
    assert threading.active_count() == before
    assert recorder.decoded < 100


def test_no_more_segments_are_begun_than_may_be_where_others_would_do_them():
    recorder, begun = Recorder(40, slow_s=0.002), []

    def wanted(number):
        begun.append((number, len(recorder.repeated)))  # those that are on disk by then
        return number != 3

    run(recorder, 8, 4, wanted=wanted, most_begun=2)
    assert sorted(recorder.segments) == [0, 1, 2, *range(4, 10)]
    assert all(number - (number > 3) - on_disk <= 1 for number, on_disk in begun)


def test_a_wait_for_room_ends_with_what_ends_the_rest():
    recorder = Recorder(40)

    def broken(_frames):
        raise ReadError("broken")

    stages = Stages(recorder.frames, broken, recorder.write)
    with pytest.raises(ReadError, match="broken"):
        for _ in FrameStream(stages, 2, 2, most_begun=1).run():
            pass
