"""The network stage spread over several workers."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from esc_cli.engine.options import EngineOptions
from esc_cli.tasks.models import Models
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale import devices as module
from esc_cli.tasks.upscale.devices import Workers
from esc_cli.tasks.upscale.network_step import Step, local_steps
from esc_cli.tasks.upscale.options import UpscaleOptions
from esc_cli.tasks.upscale.records import RecordShelf


def workers(count: int, apart: bool | None = None) -> Workers:
    options = UpscaleOptions(("in",), engine=EngineOptions("cpu"), devices=("cpu",) * count)
    models = Models(None, options.engine)
    return Workers(local_steps(options, models, RecordShelf(), Stop()), apart)


def weightless(_work: object) -> int:
    return 0


def test_results_keep_their_order_when_the_first_takes_longest() -> None:
    def run(_step: Step, work: float) -> float:
        time.sleep(work)
        return work

    waits = [0.2, 0.0, 0.1, 0.0, 0.0]
    assert list(workers(3).spread(iter(waits), run, weightless)) == waits


def test_every_device_works_and_keeps_to_its_own_networks() -> None:
    meeting = threading.Barrier(3, timeout=20)
    seen: dict[int, set[int]] = {}

    def run(step: Step, work: int) -> int:
        if work < 3:
            meeting.wait()  # passes only if all three work at the same time
        seen.setdefault(threading.get_ident(), set()).add(id(step))
        return work

    assert list(workers(3).spread(iter(range(12)), run, weightless)) == list(range(12))
    assert [len(steps) for steps in seen.values()] == [1, 1, 1]
    assert len(set.union(*seen.values())) == 3


def test_a_single_device_works_in_the_thread_of_the_caller() -> None:
    def run(_step: Step, _work: int) -> int:
        return threading.get_ident()

    assert list(workers(1).spread(iter([0]), run, weightless)) == [threading.get_ident()]


def test_a_device_apart_goes_on_while_the_caller_is_busy_with_a_result() -> None:
    begun: dict[int, threading.Event] = {number: threading.Event() for number in range(4)}

    def run(_step: Step, work: int) -> int:
        begun[work].set()
        return work

    results = workers(1, apart=True).spread(iter(range(4)), run, weightless)
    for number, result in enumerate(results):
        assert result == number
        assert begun[min(number + 1, 3)].wait(10)


@pytest.mark.parametrize(("weight", "most"), [(0, 4), (1000, 2)])
def test_results_ahead_are_bounded_in_number_and_in_bytes(
    weight: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AHEAD_BYTES", 999)
    taken, given = 0, 0

    def works() -> Iterator[int]:
        nonlocal taken
        for taken in range(1, 21):
            assert taken - given <= most
            yield taken

    for given, _ in enumerate(  # noqa: B007 - read by `works`
        workers(2).spread(works(), lambda _step, work: work, lambda _work: weight), start=1
    ):
        pass
    assert given == 20
