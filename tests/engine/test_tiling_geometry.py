"""Where tiles lie: covering, grid, margins."""

from __future__ import annotations

import itertools

import pytest

from esc_cli.engine.tiling import (
    LADDER,
    side_for,
    spans,
    tiles,
    usable_overlap,
    usable_tile,
)

LENGTHS = [1, 2, 15, 16, 17, 31, 32, 33, 63, 64, 65, 95, 96, 97, 127, 128, 129, 200, 1000, 1023]
GRIDS = [8, 16, 32, 48]
WISHES = [1, 16, 64, 96, 100, 192, 256]
OVERLAPS = [0, 1, 7, 16, 31, 32, 33, 64, 500]


def combinations() -> list[tuple[int, int, int, int]]:
    """(length, tile, overlap, grid), the tile and the overlap made usable."""
    found = []
    for length, wish, overlap, grid in itertools.product(LENGTHS, WISHES, OVERLAPS, GRIDS):
        tile = usable_tile(wish, grid)
        found.append((length, tile, usable_overlap(tile, overlap, grid), grid))
    return sorted(set(found))


def test_the_cores_cover_the_axis_exactly_once() -> None:
    for case in combinations():
        covered = [i for span in spans(*case) for i in range(span.core_start, span.core_stop)]
        assert covered == list(range(case[0])), case


def test_tiles_start_on_the_grid_and_are_no_longer_than_asked_for() -> None:
    for length, tile, overlap, grid in combinations():
        for span in spans(length, tile, overlap, grid):
            assert span.start % grid == 0
            assert 0 < span.length <= tile
            assert 0 <= span.start < span.stop <= length


def test_every_core_lies_inside_its_tile_and_holds_something() -> None:
    for case in combinations():
        for span in spans(*case):
            assert span.start <= span.core_start < span.core_stop <= span.stop, (case, span)


def test_a_core_keeps_half_the_overlap_from_every_inner_border() -> None:
    for length, tile, overlap, grid in combinations():
        for span in spans(length, tile, overlap, grid):
            if span.start > 0:
                assert span.core_start - span.start >= overlap // 2
            if span.stop < length:
                assert span.stop - span.core_stop >= overlap // 2


def test_an_axis_that_fits_one_tile_gets_one() -> None:
    for length, tile, overlap, grid in combinations():
        assert (len(spans(length, tile, overlap, grid)) == 1) == (length <= tile)


def test_no_tile_could_be_left_out() -> None:
    for case in combinations():
        before_last = spans(*case)[:-1]
        assert all(span.stop < case[0] for span in before_last), case


def test_the_tiles_of_a_picture_deliver_each_pixel_once() -> None:
    count = [[0] * 150 for _ in range(97)]
    for tile in tiles(97, 150, 64, 32, 16):
        assert tile.pixels == tile.rows.length * tile.columns.length <= 64 * 64
        for y in range(tile.rows.core_start, tile.rows.core_stop):
            for x in range(tile.columns.core_start, tile.columns.core_stop):
                count[y][x] += 1
    assert all(n == 1 for row in count for n in row)


@pytest.mark.parametrize(
    ("wish", "grid", "tile"), [(1, 32, 32), (32, 32, 32), (63, 32, 32), (64, 32, 64), (100, 48, 96)]
)
def test_a_wished_tile_becomes_a_multiple_of_the_grid(wish: int, grid: int, tile: int) -> None:
    assert usable_tile(wish, grid) == tile


@pytest.mark.parametrize(
    ("tile", "wish", "overlap"), [(64, 32, 32), (64, 100, 48), (16, 32, 0), (64, -5, 0)]
)
def test_an_overlap_leaves_room_for_a_window(tile: int, wish: int, overlap: int) -> None:
    assert usable_overlap(tile, wish, 16) == overlap


def test_a_picture_that_fits_needs_no_tiles() -> None:
    assert side_for(100, 50, 5000, 32) is None
    assert side_for(100, 50, 4999, 32) is not None


def test_the_chosen_tile_is_the_largest_of_the_ladder_that_fits() -> None:
    for room in (64**2, 64**2 + 1, 96**2 - 1, 96**2, 500**2, 2048**2, 10**8):
        side = side_for(20_000, 20_000, room, 32)
        assert side == max(rung for rung in LADDER if rung**2 <= room)


def test_the_chosen_tile_is_a_multiple_of_the_grid() -> None:
    assert side_for(5000, 5000, 130**2, 48) == 96
    assert side_for(5000, 5000, 1024**2, 48) == 1008


def test_one_window_is_chosen_when_nothing_fits() -> None:
    assert side_for(5000, 5000, 10, 32) == 32
    assert side_for(5000, 5000, 0, 48) == 48
