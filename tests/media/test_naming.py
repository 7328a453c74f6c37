"""Names of results: patterns, folders, collisions."""

from pathlib import Path

import pytest

from esc_cli.errors import UsageError
from esc_cli.media.naming import (
    Names,
    check_pattern,
    default_pattern,
    destination,
    folder_for,
    result_name,
)
from esc_cli.media.paths import Source

VALUES = {"stem": "a", "scale": "4", "label": "x4", "width": "12", "height": "8"}


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("{stem}", "a"),
        ("{stem}_{label}", "a_x4"),
        ("{stem}_x{scale} {width}x{height}", "a_x4 12x8"),
        ("{{{stem}}}", "{a}"),
        ("fixed", "fixed"),
    ],
)
def test_patterns_make_names(pattern, name):
    check_pattern(pattern)
    assert result_name(pattern, VALUES) == name


@pytest.mark.parametrize(
    "pattern",
    [
        "{",
        "}",
        "{stem",
        "{}",
        "{0}",
        "{foo}",
        "{stem.real}",
        "{stem.__class__}",
        "{stem[0]}",
        "{stem!z}",
        "{stem:d}",
        "{width:05d}",
        "{stem:{foo}}",
        "a/b",
        "/{stem}",
        "",
        "  ",
    ],
)
def test_wrong_patterns_are_refused(pattern):
    with pytest.raises(UsageError, match="--name"):
        check_pattern(pattern)


def resolved(*pairs):
    wanted = [(Source(Path(own)), Path(out)) for own, out in pairs]
    names = Names()
    for _, path in wanted:
        names.add(path)
    outputs = names.resolved(wanted)
    return [str(path) for path in ((path for _, path in wanted) if outputs is None else outputs)]


def test_without_collisions_nothing_changes():
    assert resolved(("a.jpg", "o/a.png"), ("b.jpg", "o/b.png")) == ["o/a.png", "o/b.png"]


def test_colliding_results_keep_their_own_suffix_all_of_them():
    assert resolved(("a.jpg", "o/a.png"), ("a.png", "o/a.png"), ("b.gif", "o/b.png")) == [
        "o/a.jpg.png",
        "o/a.png.png",
        "o/b.png",
    ]


def test_what_still_collides_is_numbered_in_order():
    pairs = [(f"{folder}/a.png", "o/a.png") for folder in "xyz"]
    assert resolved(*pairs) == ["o/a.png.png", "o/a.png~2.png", "o/a.png~3.png"]


@pytest.mark.parametrize("names", [("A.png", "a.png"), ("e\u0301.png", "\u00e9.png")])
def test_case_and_composition_count_as_collisions(names):
    results = resolved(*((name, f"o/{name}") for name in names))
    assert len({result.casefold() for result in results}) == 2
    assert not set(results) & {f"o/{name}" for name in names}


def test_a_way_out_never_takes_the_name_of_another_result():
    pairs = [("a.jpg", "o/a.png"), ("a.png", "o/a.png"), ("a.jpg.gif", "o/a.jpg.png")]
    results = resolved(*pairs)
    assert len(set(results)) == 3
    assert results[2] == "o/a.jpg.png"


def test_the_same_name_in_other_folders_is_no_collision():
    assert resolved(("x/a.png", "o/x/a.png"), ("y/a.png", "o/y/a.png")) == [
        "o/x/a.png",
        "o/y/a.png",
    ]


def test_results_lie_beside_their_inputs_unless_told_otherwise(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    inside, single = Source(folder / "a.png", folder), Source(folder / "a.png")
    assert folder_for(inside, None, "x4", several=False) == tmp_path / "photos_x4"
    assert folder_for(single, None, "x4", several=False) == folder
    chosen = destination((str(folder),), str(tmp_path / "out"))
    assert folder_for(inside, chosen, "x4", several=False) == tmp_path / "out"
    assert folder_for(inside, chosen, "x4", several=True) == tmp_path / "out" / "photos"
    assert folder_for(single, chosen, "x4", several=True) == tmp_path / "out"
    assert default_pattern(single, None) == "{stem}_{label}"
    assert default_pattern(inside, None) == default_pattern(single, chosen) == "{stem}"


def test_the_root_of_all_folders_has_no_sibling():
    with pytest.raises(UsageError, match="-o"):
        folder_for(Source(Path("/a.png"), Path("/")), None, "x4", several=False)


def test_an_output_is_a_picture_or_a_folder_by_its_name(tmp_path):
    (tmp_path / "album.png").mkdir()
    (tmp_path / "file").touch()
    assert destination(("a.png",), "b.PNG").file == Path("b.PNG")
    assert destination(("a.png",), "b.png/").file is None
    assert destination(("a.png",), "b").root == Path("b")
    assert destination(("a.png",), str(tmp_path / "album.png")).file is None
    assert destination(("a.png",), None) is None
    for inputs, output in [
        (("a.png", "b.png"), "c.png"),
        ((str(tmp_path),), "c.png"),
        (("a.png",), str(tmp_path / "file")),
        (("a.png",), ""),
    ]:
        with pytest.raises(UsageError):
            destination(inputs, output)


@pytest.mark.parametrize(
    ("inputs", "named"),
    [
        (("a.mkv", "b.mkv"), "both a.mkv and b.mkv would be it"),
        (("a.mkv", "b.mkv", "c.mkv", "d.mkv"), "a.mkv, b.mkv and 2 more would be it"),
        ((".",), r"all that \. holds would be it"),
    ],
)
def test_inputs_that_would_become_one_file_are_named(inputs, named):
    with pytest.raises(UsageError, match=rf"c\.mkv: is one file, and {named} .give a folder"):
        destination(inputs, "c.mkv")
