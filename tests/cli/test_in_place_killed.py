"""`--in-place`, killed before each of its steps: nothing is lost, and results are whole."""

from __future__ import annotations

import signal

import pytest
from clips import Clip

pytestmark = pytest.mark.slow


def check(album, old, before, after):
    """Nothing is lost: the original at its place, or the result there and the original kept."""
    for name, original in before.items():
        found = (album / name).read_bytes()
        assert found in (original, after[name])
        kept = old / name
        assert not kept.exists() or kept.read_bytes() == original
        assert found == original or kept.exists()


# Matroska has a number drawn at random in each file.
@pytest.fixture(params=["a.png", "c.mp4"])
def make(request, draw):
    def made(folder):
        path = folder / "sub" / request.param
        path.parent.mkdir(parents=True)
        draw(path) if path.suffix == ".png" else Clip(frames=3).write(path)
        return folder

    return made


def test_killed_before_any_step_nothing_is_lost_and_the_next_run_completes_it(
    make, tmp_path, esc, contents, killed
):
    whole = make(tmp_path / "whole")
    before = contents(whole)
    assert esc(whole, "--in-place", "--backup", tmp_path / "whole-old", "-s", "2").code == 0
    after = contents(whole)
    kills = 0
    while True:
        here = tmp_path / f"killed{kills}"
        here.mkdir()
        album, old = make(here / "in"), here / "old"
        words = (album, "--in-place", "--backup", old, "-s", "2")
        code = killed(kills + 1, here, *words)
        check(album, old, before, after)
        again = esc(*words)
        assert again.code == 0, again.err
        assert contents(album) == after
        assert contents(old) == before
        if code == 0:
            break
        assert code == -signal.SIGKILL
        kills += 1
    assert kills > 10


def test_killed_again_and_again_it_gets_to_its_end(make, tmp_path, contents, killed):
    album, old = make(tmp_path / "in"), tmp_path / "old"
    before = contents(album)
    words = (album, "--in-place", "--backup", old, "-s", "2")
    codes = [killed(number, tmp_path, *words) for number in (6, 8, 10, 12)]
    assert codes[0] == -signal.SIGKILL
    assert killed(10_000, tmp_path, *words) == 0
    assert contents(old) == before
    assert contents(album).keys() == before.keys()
    assert contents(album) != before
