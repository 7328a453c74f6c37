"""What the command tells of a batch that is planned in blocks."""

import pytest
from block_runs import SMALL, events_of, pictures

from esc_cli.cli.upscale_run import Renderer


@pytest.fixture
def photos(tmp_path):
    return pictures(tmp_path / "in", 14)


def test_a_dry_run_says_that_it_estimates_and_ends_with_the_sums(photos, capfd):
    (photos / "13.png").write_bytes(b"none")
    renderer = Renderer(quiet=False, dry_run=True, report=None)
    assert renderer.run(events_of(photos, SMALL, dry_run=True)) == 1
    out, err = capfd.readouterr()
    assert out.count("would write") == 13
    first, *_, last = err.splitlines()
    assert first.startswith("about 14 of 14 to do: ")
    assert first.endswith(", as the first 4 go")
    assert last.startswith("13 of 14 to do: ")


def test_a_run_tells_all_of_it_as_one(photos, capfd):
    renderer = Renderer(quiet=False, dry_run=False, report=None)
    assert renderer.run(events_of(photos, SMALL)) == 0
    out, err = capfd.readouterr()
    assert [line.rpartition("/")[2] for line in out.splitlines()] == [
        f"{number:02}.png" for number in range(14)
    ]
    assert "14 done, 0 skipped, 0 failed in" in err
