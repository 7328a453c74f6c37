"""What cannot be trained is refused before anything is written, and says what to do."""

from __future__ import annotations

import os
import shutil
import sys

import pytest
from PIL import Image
from training_runs import picture

from esc_cli.checkpoints.store import bundled_folder


def everything(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def everything_at_top(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def refused(train, recipe, pictures, tmp_path):
    """Runs `esc train`, which must end with a code, one clear line, and nothing written."""

    def run(*arguments, code=2, out=tmp_path / "run", name=recipe, data=pictures):
        before = everything(tmp_path)
        ran = train(name, "--data", data, "--out", out, *arguments)
        assert ran.code == code, ran.err
        assert "unexpected" not in ran.err
        assert len([line for line in ran.err.splitlines() if line.startswith("error: ")]) == 1
        assert everything(tmp_path) == before
        return ran.err

    return run


@pytest.mark.parametrize("minutes", ["0", "-1", "nan", "inf"])
def test_a_run_without_time_is_refused(refused, minutes):
    assert "--minutes must be above 0" in refused("--minutes", minutes)


@pytest.mark.parametrize(
    "lengths",
    [
        ("--minutes", 1, "--iterations", 5),
        ("--minutes", 1, "--set", "schedule.iterations=5"),
        ("--iterations", 5, "--set", "schedule.minutes=1"),
    ],
)
def test_a_run_has_one_length(refused, lengths):
    assert "in --minutes or in --iterations (give one)" in refused(*lengths)


def test_iterations_on_the_command_line_end_a_recipe_in_minutes(train, recipe, pictures, tmp_path):
    timed = tmp_path / "timed.toml"
    timed.write_text(recipe.read_text() + "minutes = 600.0\n")
    arguments = (timed, "--data", pictures, "--out", tmp_path / "run", "--iterations", 1)
    ran = train(*arguments)
    assert "finished after 1 iteration in" in ran.err


@pytest.mark.parametrize(
    ("option", "why"),
    [
        (("--vgg", "vgg.pth"), "no perceptual loss"),
        (("--convert-head",), "give --init"),
        (("--offline",), "--offline belongs to --init (leave it out)"),
        (("--short", "--minutes", 1), "--short has no effect: --minutes makes one cycle"),
        (
            ("--short", "--set", "schedule.kind=one-cycle"),
            "makes one cycle of its own length (leave it out, or give --iterations)",
        ),
        (("--data-root", "."), "--data-root belongs to --validate"),
        (("--validate-every", 1), "--validate-every belongs to --validate"),
        (("--init", "esc-tyni"), "no model named 'esc-tyni'"),
        (("--resume", "rnu"), "rnu: no such file or folder"),
        (("--resume", "."), "is a folder"),
        (("--resume", os.devnull), "is no regular file"),
        (("--plot", "curve.jpg"), "must end in .png"),
        (("--set", "precision=bf17"), "one of auto, fp32, bf16"),
        (("--validate", "nowhere"), "no dataset 'nowhere'"),
        (("--device", "tpu"), "no such device: 'tpu'"),
    ],
)
def test_what_cannot_be_or_has_no_effect_is_refused(refused, option, why):
    assert why in refused(*option)


def test_short_of_a_recipe_that_makes_one_cycle_needs_iterations(refused):
    assert "--short has no effect: esc-tiny makes one" in refused("--short", name="esc-tiny")
    for more in (("--iterations", 5), ("--set", "schedule.iterations=5")):
        said = refused("--short", *more, "--resume", "rnu", name="esc-tiny")
        assert "rnu: no such file" in said


def test_short_and_offline_with_effect_are_taken(refused):
    assert "rnu: no such file" in refused("--short", "--resume", "rnu")
    assert "rnu: no such file" in refused("--offline", "--init", "esc-tiny-x2", "--resume", "rnu")


def test_weights_of_another_scale_by_name_or_by_path_lead_to_convert_head(refused):
    path = bundled_folder() / "esc-tiny-x2.safetensors"
    for init in ("esc-tiny-x2", path):
        err = refused("--scale", 4, "--init", init)
        assert "--convert-head takes it" in err


def test_weights_whose_head_cannot_be_converted_do_not(refused):
    err = refused("--scale", 4, "--init", "esc-tiny-x2", name="esc-light", code=3)
    assert "there is no x4 of esc-tiny-x2 (it exists as x2" in err
    assert "--convert-head" not in err


def test_folders_are_made_only_after_everything_was_checked(refused, pictures, tmp_path):
    assert "as large as a patch" not in refused("--scale", 7)
    lr = tmp_path / "lr"
    lr.mkdir()
    assert "no pictures found" in refused("--data-lr", lr)
    Image.fromarray(picture(0, 23, 26)).save(lr / "a.png")
    assert "2 pictures without LR here: b.png, deeper/c.png" in refused("--data-lr", lr)


def test_a_patch_larger_than_the_pictures_leaves_no_folder_for_checkpoints(
    train, recipe, pictures, tmp_path
):
    ran = train(recipe, "--data", pictures, "--out", tmp_path / "run", "--patch", 320)
    assert ran.code == 2
    assert everything_at_top(tmp_path / "run") == [".lock", "cache"]


@pytest.fixture
def blocked(tmp_path):
    """Places where no folder can be."""
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "astray").symlink_to(tmp_path / "nowhere")
    return tmp_path


@pytest.mark.parametrize("option", ["--cache", "--out"])
@pytest.mark.parametrize("place", ["file", "file/below", "astray", "n" * 300])
def test_a_folder_that_cannot_be_is_named(refused, blocked, option, place):
    more = {"out": blocked / place} if option == "--out" else {}
    arguments = () if more else (option, blocked / place)
    assert str(blocked / place) in refused(*arguments, code=3, **more)


@pytest.mark.parametrize("name", ["nowhere.pth", "n" * 300])
def test_weights_of_the_perceptual_loss_that_are_not_there_say_how_to_give_them(refused, name):
    err = refused("--vgg", name, name="esc-real-gan", code=3)
    assert "the perceptual loss needs the weights of VGG19 (give --vgg FILE" in err


def test_weights_of_the_perceptual_loss_that_are_none_or_a_folder_are_called_so(refused, tmp_path):
    place = tmp_path / "vgg.pth"
    place.mkdir()
    assert "vgg.pth: is a folder, not" in refused("--vgg", place, name="esc-real-gan", code=3)
    place.rmdir()
    place.write_bytes(b"no weights")
    err = refused("--vgg", place, name="esc-real-gan", code=3)
    assert "vgg.pth: holds no weights of VGG19 (give --vgg FILE" in err


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a folder that takes no files")
@pytest.mark.parametrize("option", ["--cache", "--out"])
def test_a_folder_that_takes_no_files_is_named(train, recipe, pictures, tmp_path, option):
    arguments = (recipe, "--data", pictures, "--out", tmp_path / "run", option, "/proc/esc")
    ran = train(*arguments)
    assert ran.code == 3
    assert "/proc/esc" in ran.err
    assert "unexpected" not in ran.err


@pytest.mark.parametrize("name", [".lock", "hr.part", "hr.bin", "hr.json", "lr-x2.bin"])
def test_a_cache_with_folders_in_the_place_of_its_files_is_named(
    train, recipe, pictures, tmp_path, name
):
    (tmp_path / "cache" / name).mkdir(parents=True)
    arguments = (recipe, "--data", pictures, "--out", tmp_path / "run")
    ran = train(*arguments, "--cache", tmp_path / "cache")
    assert ran.code == 3, ran.err
    assert str(tmp_path / "cache") in ran.err
    assert "choose another --cache" in ran.err
    assert "unexpected" not in ran.err


def test_a_plot_that_cannot_be_written_is_found_at_the_start(refused, tmp_path):
    pytest.importorskip("matplotlib")
    (tmp_path / "curve.png").mkdir()
    assert "it is a folder" in refused("--plot", tmp_path / "curve.png", code=3)
    err = refused("--plot", tmp_path / "none" / "curve.png", code=3)
    assert "its folder is not there" in err
    (tmp_path / "loop").symlink_to("loop")
    refused("--plot", tmp_path / "loop" / "curve.png", code=3)


def test_a_plot_may_lie_in_the_folder_of_the_run(train, recipe, pictures, tmp_path):
    pytest.importorskip("matplotlib")
    out = tmp_path / "run"
    arguments = (recipe, "--data", pictures, "--out", out, "--iterations", 1)
    assert train(*arguments, "--plot", out / "curve.png").code == 0
    assert (out / "curve.png").is_file()


def test_a_patch_that_is_padded_to_the_window_is_told(train, recipe, pictures, tmp_path):
    arguments = (recipe, "--data", pictures, "--iterations", 1)
    ran = train(*arguments, "--out", tmp_path / "a", "--patch", 17)
    told = "patches of 17 LR pixels are padded to 32 in the attention of esc-tiny, whose window"
    assert f"{told} is 16: --patch 16 or 32 wastes nothing" in ran.err
    ran = train(*arguments, "--out", tmp_path / "b", "--patch", 9)
    assert "padded to 16" in ran.err
    assert "--patch 16 wastes nothing" in ran.err
    ran = train(*arguments, "--out", tmp_path / "c", "--patch", 16)
    assert "in the attention" not in ran.err


@pytest.fixture
def damaged(pictures, tmp_path):
    """The pictures, and many that cannot be used."""
    folder = shutil.copytree(pictures, tmp_path / "pictures")
    whole = (folder / "a.png").read_bytes()
    for number in range(23):
        (folder / f"bad-{number:02}.png").write_bytes(whole[: 200 + number])
    return folder


def test_all_damaged_pictures_are_named_in_one_run(train, recipe, damaged, tmp_path):
    arguments = (recipe, "--data", damaged, "--out", tmp_path / "run", "--iterations", 1)
    for _ in range(2):  # the second finds them in the cache
        ran = train(*arguments)
        assert ran.code == 1
        named = [line for line in ran.err.splitlines() if line.startswith("cannot be used: ")]
        assert len(named) == 21
        assert all(f"{damaged}/bad-{number:02}.png: " in named[number] for number in range(20))
        assert named[20] == "cannot be used: 3 more"
        assert f"{damaged}: 23 pictures cannot be used (--skip-damaged" in ran.err
    assert "decoding" not in ran.err
    for _ in range(2):
        ran = train(*arguments, "--skip-damaged", "--resume", "auto")
        assert ran.code == 0, ran.err
        assert ran.err.count("left out: ") == 21
        assert "3 pictures on cpu" in ran.err
    assert train(*arguments, "--resume", "auto").code == 1


def test_a_picture_that_has_gone_is_named(train, recipe, pictures, tmp_path):
    folder = shutil.copytree(pictures, tmp_path / "pictures")
    (folder / "gone.png").symlink_to(tmp_path / "nowhere.png")
    ran = train(recipe, "--data", folder, "--out", tmp_path / "run")
    assert ran.code == 1
    assert f"{folder / 'gone.png'}: " in ran.err
    assert "--skip-damaged" in ran.err


def test_a_picture_of_one_pixel_is_smaller_than_a_patch(train, recipe, pictures, tmp_path):
    folder = shutil.copytree(pictures, tmp_path / "pictures")
    Image.new("RGB", (1, 1)).save(folder / "dot.png")
    ran = train(recipe, "--data", folder, "--out", tmp_path / "run", "--iterations", 1)
    assert ran.code == 0
    assert "1 smaller than a patch, left out: dot.png\n" in ran.err


def test_max_pixels_holds_for_what_was_decoded_before(train, recipe, pictures, tmp_path):
    arguments = (recipe, "--data", pictures, "--out", tmp_path / "run", "--iterations", 1)
    assert train(*arguments).code == 0
    ran = train(*arguments, "--resume", "auto", "--max-pixels", 2600)
    assert ran.code == 1
    assert "2 pictures cannot be used" in ran.err
    assert train(*arguments, "--resume", "auto").code == 0


def test_damaged_lr_pictures_are_all_named(train, recipe, pictures, tmp_path):
    lr = shutil.copytree(pictures, tmp_path / "lr")
    (lr / "b.png").write_bytes(b"no picture")
    arguments = (recipe, "--data", pictures, "--data-lr", lr, "--out", tmp_path / "run")
    ran = train(*arguments)
    assert ran.code == 1
    assert ran.err.count("cannot be used: ") == 3
    assert f"{lr / 'a.png'}: is 47 x 53, and its HR 47 x 53, at scale 2" in ran.err
    assert f"{lr}: 3 pictures cannot be used (mend them" in ran.err
    assert everything_at_top(tmp_path / "run") == [".lock", "cache"]
