"""Which files a batch consists of."""

from pathlib import Path

import pytest

from esc_cli.errors import UsageError
from esc_cli.media.formats import INPUT_SUFFIXES
from esc_cli.media.paths import (
    PICTURES,
    REFUSED,
    Resolver,
    Selection,
    absolute,
    ancestors,
    find_sources,
)

TREE = ["b.PNG", "a.jpg", "sub/c.webp", "sub/deep/d.heic", ".hidden.png", ".git/e.png"]


@pytest.fixture
def tree(tmp_path):
    for name in [*TREE, "notes.txt", "song.mp3", "layers.psd"]:
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).touch()
    return tmp_path / "in"


def find(*inputs, selection=None, output_root=None, earlier=None):
    chosen = selection or Selection()
    names = tuple(str(name) for name in inputs)
    return find_sources(names, chosen, output_root=output_root, source_of=(earlier or {}).get)


def relatives(found):
    return [str(source.relative) for source in found.sources]


def test_a_folder_stands_for_its_pictures_in_order_and_without_what_is_hidden(tree):
    found = find(tree)
    assert relatives(found) == ["a.jpg", "b.PNG", "layers.psd", "sub/c.webp", "sub/deep/d.heic"]
    assert found.no_pictures == 2
    assert found.problems == []
    assert all(source.folder == tree for source in found.sources)


def test_every_suffix_of_a_known_kind_is_found_whether_it_is_read_or_refused_by_name(tmp_path):
    read = "arw avifs btf cbz dng heics hif jif jps jxl mpo nrw pcx srf tf8 tga zip"
    refused = "cbr cur dcx emf fpx icns iff jls jxr pam pfm rgb sgi xbm xpm"
    names = sorted(f"a.{suffix}" for suffix in f"{read} {refused}".split())
    for name in names:
        (tmp_path / name).touch()
    assert relatives(find(tmp_path)) == names


def test_what_is_read_is_not_on_the_list_of_what_is_refused():
    assert {".tga", ".pcx"} <= INPUT_SUFFIXES
    assert not REFUSED & (PICTURES | INPUT_SUFFIXES)
    assert not PICTURES & INPUT_SUFFIXES


def test_a_file_is_taken_whatever_its_name(tree):
    found = find(tree / "notes.txt", tree / ".hidden.png")
    assert [source.relative.name for source in found.sources] == ["notes.txt", ".hidden.png"]
    assert all(source.folder is None for source in found.sources)


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(recursive=False), ["a.jpg", "b.PNG", "layers.psd"]),
        (Selection(include=("*.jpg", "sub/*")), ["a.jpg", "sub/c.webp", "sub/deep/d.heic"]),
        (Selection(include=("notes.*",)), ["notes.txt"]),
        (Selection(exclude=("sub/*", "*.psd")), ["a.jpg", "b.PNG"]),
        (Selection(include=("*",), exclude=("*",)), None),
    ],
)
def test_selections(tree, selection, expected):
    if expected is None:
        with pytest.raises(UsageError, match="no pictures"):
            find(tree, selection=selection)
        return
    assert relatives(find(tree, selection=selection)) == expected


def test_the_output_folder_and_earlier_outputs_are_left_out(tree):
    earlier = absolute(tree / "a.jpg")
    found = find(tree, output_root=tree / "sub", earlier={earlier: "/gone/a.jpg"})
    assert relatives(found) == ["b.PNG", "layers.psd"]
    assert found.earlier_outputs == [tree / "a.jpg"]


def test_a_file_that_is_named_is_meant_unless_its_own_input_is_named_too(tree):
    earlier = {absolute(tree / "b.PNG"): str(absolute(tree / "a.jpg"))}
    assert relatives(find(tree / "b.PNG", earlier=earlier)) == ["b.PNG"]
    found = find(tree / "a.jpg", tree / "b.PNG", earlier=earlier)
    assert relatives(found) == ["a.jpg"]
    assert found.earlier_outputs == [tree / "b.PNG"]


def test_nothing_but_earlier_outputs_is_no_silent_success(tree):
    earlier = {absolute(tree / "sub" / name): "/gone" for name in ("c.webp", "deep/d.heic")}
    with pytest.raises(UsageError, match="nothing but earlier outputs"):
        find(tree / "sub", earlier=earlier)


def test_the_input_is_not_left_out_when_it_is_the_output_folder(tree):
    assert "a.jpg" in relatives(find(tree, output_root=tree))


def test_the_same_file_is_taken_once(tree, monkeypatch):
    monkeypatch.chdir(tree)
    assert relatives(find("a.jpg", "./a.jpg", tree / "a.jpg", "sub/../a.jpg")) == ["a.jpg"]
    assert len(find(".", "sub", tree).sources) == 5


def test_missing_ones_are_problems_unless_all_are_missing(tree):
    found = find(tree / "gone.png", tree / "a.jpg")
    assert [path for path, _ in found.problems] == [tree / "gone.png"]
    assert relatives(found) == ["a.jpg"]
    with pytest.raises(UsageError, match="no such file"):
        find(tree / "gone.png", tree / "gone too")
    with pytest.raises(UsageError):
        find("")


def test_a_folder_without_pictures_is_no_input(tmp_path):
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").touch()
    with pytest.raises(UsageError, match="no pictures or videos found"):
        find(tmp_path)


def test_links_are_followed_and_circles_end(tree):
    (tree / "sub" / "up").symlink_to("..")
    (tree / "self.png").symlink_to("self.png")
    (tree / "gone.png").symlink_to("nowhere.png")
    found = find(tree)
    assert [path for path, _ in found.problems] == [tree / "sub" / "up"]
    assert {"self.png", "gone.png"} <= set(relatives(found))  # named when they are opened


def test_absolute_resolves_links_and_survives_loops(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "real").mkdir()
    assert absolute(tmp_path / "loop").name == "loop"
    assert absolute(tmp_path / "link" / "x") == absolute(tmp_path / "real") / "x"


def test_ancestors_are_nearest_first():
    assert list(ancestors(Path("/a/b/c")))[-1] == Path("/")
    assert next(iter(ancestors(Path("/a/b/c")))).name == "b"


def test_many_paths_are_resolved_as_each_by_itself(tmp_path, monkeypatch):
    real = tmp_path / "real"
    real.mkdir()
    (real / "a.png").touch()
    (tmp_path / "link").symlink_to(real)
    (real / "b.png").symlink_to(real / "a.png")
    (real / "loop.png").symlink_to(real / "loop.png")
    monkeypatch.chdir(tmp_path)
    names = ["real/a.png", "link/a.png", "link/b.png", "link/loop.png", "real", "link", "."]
    names += ["link/..", "link/../real/a.png", "nowhere/c.png", str(real / "c.png"), "/"]
    resolve = Resolver()
    for name in [*names, *names]:
        assert resolve(Path(name)) == absolute(Path(name)), name


def test_a_scan_asks_about_each_folder_once(tmp_path):
    for number in range(50):
        (tmp_path / "deep" / "er" / f"{number:02}.png").parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "deep" / "er" / f"{number:02}.png").touch()
    (tmp_path / "link").symlink_to(tmp_path / "deep")
    found = find_sources((str(tmp_path / "link"),), Selection(), output_root=None, source_of={}.get)
    assert len(found.sources) == 50
    assert all(source.resolved == source.path.resolve() for source in found.sources)
