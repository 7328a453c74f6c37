import re

import pytest
from PIL import Image

from esc_cli.errors import UsageError
from esc_cli.evaluation.datasets import find_dataset, match_results


def picture(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8)).save(path)


LAYOUTS = {
    "HR and LR_bicubic": ("Set5/HR/{}.png", "Set5/LR_bicubic/X2/{}x2.png"),
    "HR alone": ("Set5/HR/{}.png", None),
    "GTmod12": ("Set5/GTmod12/{}.png", "Set5/LRbicx2/{}.png"),
    "Set_HR": ("Set5_HR/{}.png", None),
    "image_SRF": ("Set5/image_SRF_2/{}_HR.png", "Set5/image_SRF_2/{}_LR.png"),
    "flat": ("Set5/{}.bmp", None),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("spelling", ["Set5", "set5"])
def test_every_known_layout_is_found_and_paired_by_name(tmp_path, layout, spelling):
    hr, lr = LAYOUTS[layout]
    for name in ("b", "a"):
        for pattern in filter(None, (hr, lr)):
            picture(tmp_path / pattern.format(name))
    dataset = find_dataset(spelling, (tmp_path / "nowhere", tmp_path), 2)
    assert (dataset.name, dataset.scale) == ("Set5", 2)
    assert [pair.name for pair in dataset.pairs] == ["a", "b"]
    for pair in dataset.pairs:
        assert pair.hr == tmp_path / hr.format(pair.name)
        assert pair.lr == (None if lr is None else tmp_path / lr.format(pair.name))


def test_a_name_that_ends_like_a_scale_keeps_its_end_in_hr(tmp_path):
    picture(tmp_path / "S/HR/logox2.png")
    picture(tmp_path / "S/LR_bicubic/X2/logox2x2.png")
    (pair,) = find_dataset("S", (tmp_path,), 2).pairs
    assert pair.name == "logox2"


def test_pictures_without_partner_are_named(tmp_path):
    picture(tmp_path / "S/HR/a.png")
    picture(tmp_path / "S/HR/b.png")
    picture(tmp_path / "S/LR_bicubic/X4/bx4.png")
    picture(tmp_path / "S/LR_bicubic/X4/cx4.png")
    with pytest.raises(UsageError, match=re.escape("a has no LR, c has no HR")):
        find_dataset("S", (tmp_path,), 4)


def test_a_path_works_without_roots_and_an_unknown_name_says_where_it_looked(tmp_path):
    picture(tmp_path / "mine/x.png")
    assert find_dataset(str(tmp_path / "mine"), (), 4).name == "mine"
    with pytest.raises(UsageError, match="looked in"):
        find_dataset("Urban100", (tmp_path,), 4)


def test_a_folder_without_pictures_is_an_error(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no pictures found"):
        find_dataset("empty", (tmp_path,), 4)


@pytest.mark.parametrize("ending", ["", "x4", "_x4", "_4x", "_SR", "_out", "x4_SR"])
def test_finished_results_are_matched_by_name(tmp_path, ending):
    picture(tmp_path / "S/HR/a.png")
    picture(tmp_path / f"results/a{ending}.png")
    dataset = find_dataset("S", (tmp_path,), 4)
    found = match_results(tmp_path / "results", dataset)
    assert found == {"a": tmp_path / f"results/a{ending}.png"}


def test_missing_results_are_named(tmp_path):
    picture(tmp_path / "S/HR/a.png")
    picture(tmp_path / "S/HR/b.png")
    picture(tmp_path / "results/a.png")
    with pytest.raises(UsageError, match=r"1 of 2 have no result: b; no other picture is there"):
        match_results(tmp_path / "results", find_dataset("S", (tmp_path,), 4))


@pytest.mark.parametrize(
    "pattern", ["{name}_ESC_x{scale}", "{name}_ESC*", "{name}_ESC_x{scale}.png"]
)
def test_a_pattern_names_results(tmp_path, pattern):
    for name in ("a", "a_ESC", "[b]"):
        picture(tmp_path / f"S/HR/{name}.png")
        picture(tmp_path / f"results/{name}_ESC_x4.png")
    dataset = find_dataset("S", (tmp_path,), 4)
    if pattern == "{name}_ESC*":
        with pytest.raises(UsageError, match="several results for a"):
            match_results(tmp_path / "results", dataset, pattern)
        return
    found = match_results(tmp_path / "results", dataset, pattern)
    assert {name: path.name for name, path in found.items()} == {
        name: f"{name}_ESC_x4.png" for name in ("a", "a_ESC", "[b]")
    }


def test_a_pattern_without_a_name_is_refused(tmp_path):
    picture(tmp_path / "S/HR/a.png")
    with pytest.raises(UsageError, match="has no"):
        match_results(tmp_path / "S/HR", find_dataset("S", (tmp_path,), 4), "*_x4")


def test_the_very_name_wins_and_two_candidates_are_an_error(tmp_path):
    picture(tmp_path / "S/HR/a_x4.png")
    picture(tmp_path / "results/a_x4.png")
    picture(tmp_path / "results/a_x4_x4.png")
    dataset = find_dataset("S", (tmp_path,), 4)
    assert match_results(tmp_path / "results", dataset)["a_x4"].name == "a_x4.png"
    (tmp_path / "results/a_x4.png").unlink()
    picture(tmp_path / "results/a_x4_SR.png")
    with pytest.raises(UsageError, match="several results for a_x4"):
        match_results(tmp_path / "results", dataset)
    with pytest.raises(UsageError, match="no folder of results"):
        match_results(tmp_path / "nowhere", dataset)
