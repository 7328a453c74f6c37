"""Long lists in few bytes are lists like any other."""

import tracemalloc
from pathlib import Path

import pytest

from esc_cli.files import packed_lists as module
from esc_cli.files.packed_lists import BLOCK, Packed
from esc_cli.media.paths import Source


@pytest.fixture(autouse=True, params=[0, 7, module.KEPT])
def kept(request, monkeypatch):
    monkeypatch.setattr(module, "KEPT", request.param)
    return request.param


def path(number: int) -> Path:
    return Path(f"/photos/{number // 1000:05}/{number:08}.png")


@pytest.mark.parametrize("count", [0, 1, BLOCK - 1, BLOCK, 2 * BLOCK + 3])
def test_it_holds_what_a_list_holds(count):
    values = [(number, f"{number}\udcff.png") for number in range(count)]
    packed = Packed(values)
    assert (len(packed), list(packed), bool(packed)) == (count, values, bool(count))
    assert packed == values
    assert packed != [*values, None]


def test_single_values_and_slices_are_those_of_a_list():
    values = list(range(2 * BLOCK + 3))
    packed = Packed(values)
    for index in (0, BLOCK - 1, BLOCK, len(values) - 1, -1, -BLOCK):
        assert packed[index] == values[index]
    assert packed[BLOCK - 2 : BLOCK + 2] == values[BLOCK - 2 : BLOCK + 2]
    for index in (len(values), -len(values) - 1):
        with pytest.raises(IndexError):
            packed[index]


def test_a_file_of_millions_takes_a_few_dozen_bytes(kept):
    if kept > 7:
        pytest.skip("nothing is packed")
    count = 20 * BLOCK

    def made():
        names = map(path, range(count))
        return Packed(Source(name, Path("/photos"), name) for name in names)

    tracemalloc.start()
    try:
        packed = made()
        seen = tracemalloc.take_snapshot()
    finally:
        tracemalloc.stop()
    # Not what else grows meanwhile, such as the interpreter's table of names.
    own = seen.filter_traces([tracemalloc.Filter(inclusive=True, filename_pattern="*_lists.py")])
    held = sum(one.size for one in own.statistics("filename"))
    assert 0 < held / count < 40
    assert packed[count - 1].absolute == path(count - 1)
