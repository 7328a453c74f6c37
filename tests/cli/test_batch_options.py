"""Sizes, formats, models, tiles and wrong usage."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--scale", "2"], (66, 42)),
        (["--scale", "2.5"], (82, 52)),
        (["--scale", "1"], (33, 21)),
        (["--scale", "0.5"], (16, 10)),
        (["--width", "100"], (100, 64)),
        (["--height", "50"], (79, 50)),
        (["--width", "100", "--height", "50"], (79, 50)),
        (["--longest-side", "99"], (99, 63)),
        (["--width", "10"], (10, 6)),
    ],
)
def test_sizes_are_exact(tmp_path, esc, options, expected):
    Image.effect_noise((33, 21), 60).convert("RGB").save(tmp_path / "a.png")
    ran = esc("a.png", "-o", "out.png", "--dry-run", *options, cwd=tmp_path)
    assert ran.code == 0, ran.err
    assert f"({expected[0]} x {expected[1]}, about " in ran.out


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--scale", "2.5"], (82, 52)),
        (["--width", "100", "--height", "50"], (79, 50)),
        (["--longest-side", "99"], (99, 63)),
        (["--scale", "0.5"], (16, 10)),
    ],
)
def test_the_results_have_these_sizes(tmp_path, esc, options, expected, size):
    Image.effect_noise((33, 21), 60).convert("RGB").save(tmp_path / "a.png")
    ran = esc("a.png", "-o", "out.png", *options, cwd=tmp_path)
    assert ran.code == 0, ran.err
    assert size(tmp_path / "out.png") == expected


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (["--scale", "2.5"], "in_x2.5"),
        (["--width", "10"], "in_w10"),
        (["--width", "10", "--height", "20"], "in_w10h20"),
        (["--longest-side", "30"], "in_l30"),
    ],
)
def test_the_folder_is_named_for_the_size(tmp_path, esc, draw, options, name):
    draw(tmp_path / "in" / "a.png")
    ran = esc("in", "--dry-run", *options, cwd=tmp_path)
    assert f"/{name}/a.png (" in ran.out


@pytest.mark.parametrize(
    "arguments",
    [
        ["--scale", "nan"],
        ["--scale", "inf"],
        ["--scale", "-1"],
        ["--scale", "0"],
        ["--scale", "two"],
        ["--width", "0"],
        ["--width", "2.5"],
        ["--longest-side", "-5"],
        ["--scale", "2", "--width", "100"],
        ["--longest-side", "9", "--height", "100"],
        ["--tile", "0"],
        ["--tile", "big"],
        ["--tile", "-32"],
        ["--overlap", "-1"],
        ["--quality", "0"],
        ["--quality", "101"],
        ["--max-pixels", "0"],
        ["--format", "docx"],
        ["--format", ""],
        ["--existing", "perhaps"],
        ["--precision", "fp8"],
        ["--model", "no-such-model"],
        ["--model", ""],
        ["--no-such-option"],
        ["-o", ""],
        ["-o", "m.jpg", "--format", "png"],
        ["-o", "a.txt"],
    ],
)
def test_wrong_usage_is_said_in_words_before_any_work(tmp_path, esc, draw, arguments):
    draw(tmp_path / "a.png")
    (tmp_path / "a.txt").touch()
    ran = esc("a.png", *arguments, cwd=tmp_path)
    assert ran.code == 2, ran.err
    assert ran.err.strip()
    assert ran.out == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "a.txt"]


def test_no_arguments_at_all_is_wrong_usage(esc):
    assert esc().code == 2


@pytest.mark.parametrize("output", ["one.png", "one.JPG"])
def test_one_output_file_for_several_inputs_is_wrong_usage(tmp_path, esc, draw, output):
    draw(tmp_path / "a.png")
    draw(tmp_path / "in" / "b.png")
    assert esc("a.png", "in/b.png", "-o", output, cwd=tmp_path).code == 2
    assert esc("in", "-o", output, cwd=tmp_path).code == 2


@pytest.mark.parametrize("options", [["--scale", "8"], ["--model", "esc-lte", "--scale", "4"]])
def test_a_scale_or_model_without_a_network_is_said_once(tmp_path, esc, draw, options):
    draw(tmp_path / "in" / "a.png")
    draw(tmp_path / "in" / "b.png")
    ran = esc("in", *options, cwd=tmp_path)
    assert ran.code == 3
    assert len(ran.err.splitlines()) == 1
    assert not (tmp_path / "in_x8").exists()


def test_tiles_do_not_show(tmp_path, esc):
    rows, columns = np.mgrid[0:80, 0:100]
    wave = 128 + 60 * np.sin(columns / 7) + 50 * np.cos(rows / 5 + columns / 11)
    Image.fromarray(np.dstack([wave] * 3).astype(np.uint8)).save(tmp_path / "a.png")
    results = {}
    for tile in ("32", "whole", "auto"):
        ran = esc("a.png", "-o", f"{tile}.png", "--tile", tile, cwd=tmp_path)
        assert ran.code == 0, ran.err
        results[tile] = np.asarray(Image.open(tmp_path / f"{tile}.png")).astype(int)
    assert np.array_equal(results["auto"], results["whole"])
    difference = np.abs(results["32"] - results["whole"])
    assert difference.max() <= 12
    assert difference.mean() < 0.5


@pytest.mark.parametrize(
    ("name", "format_name", "suffix"),
    [
        ("jpg", "JPEG", ".jpg"),
        ("JPEG", "JPEG", ".jpeg"),
        ("webp", "WEBP", ".webp"),
        ("tiff", "TIFF", ".tiff"),
        ("bmp", "BMP", ".bmp"),
        ("png", "PNG", ".png"),
    ],
)
def test_formats(tmp_path, esc, draw, name, format_name, suffix):
    draw(tmp_path / "in" / "a.gif")
    draw(tmp_path / "in" / "b.jpg")
    ran = esc("in", "-o", "out", "--format", name, "--scale", "1", cwd=tmp_path)
    assert ran.code == 0, ran.err
    with Image.open(tmp_path / "out" / f"a{suffix}") as image:
        image.load()
        assert image.format == format_name
    assert len(list((tmp_path / "out").glob("b.*"))) == 1


def test_quality_changes_the_size_and_colour_is_never_subsampled(tmp_path, esc):
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    sizes = {}
    for quality in (30, 95, None):
        options = [] if quality is None else ["--quality", str(quality)]
        ran = esc("a.png", "-o", f"{quality}.jpg", "--scale", "1", *options, cwd=tmp_path)
        assert ran.code == 0, ran.err
        with Image.open(tmp_path / f"{quality}.jpg") as image:
            assert [component[1:3] for component in image.layer] == [(1, 1)] * 3
        sizes[quality] = (tmp_path / f"{quality}.jpg").stat().st_size
    assert sizes[30] < sizes[95] == sizes[None]


@pytest.fixture(scope="module")
def models(tmp_path_factory, pytestconfig):
    """Checkpoint files, good and bad; x3.pth and x3.safetensors hold the same network."""
    import torch
    from safetensors.torch import load_file

    folder = tmp_path_factory.mktemp("models")
    bundled = pytestconfig.rootpath / "weights" / "esc-tiny-x3.safetensors"
    shutil.copy(bundled, folder / "x3.safetensors")
    torch.save(load_file(bundled), folder / "x3.pth")
    torch.save({"params_ema": load_file(bundled)}, folder / "wrapped.pth")
    torch.save({"conv.weight": torch.zeros(3, 3)}, folder / "other.pth")
    for suffix in ("pth", "safetensors"):
        (folder / f"text.{suffix}").write_text("this is no checkpoint")
        (folder / f"empty.{suffix}").touch()
    (folder / "half.safetensors").write_bytes(bundled.read_bytes()[:5000])
    (folder / "folder.pth").mkdir()
    return folder


def test_a_model_file_gives_its_own_scale_and_the_same_pixels(tmp_path, esc, draw, models, size):
    draw(tmp_path / "a.png")
    outputs = set()
    for name in ("x3.safetensors", "x3.pth", "wrapped.pth", "esc-tiny"):
        model = models / name if "." in name else name
        options = [] if "." in name else ["--scale", "3"]
        ran = esc("a.png", "-o", f"{name}.png", "--model", model, *options, cwd=tmp_path)
        assert ran.code == 0, ran.err
        assert size(tmp_path / f"{name}.png") == (36, 27)
        outputs.add((tmp_path / f"{name}.png").read_bytes())
    assert len(outputs) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "text.pth",
        "text.safetensors",
        "empty.pth",
        "empty.safetensors",
        "half.safetensors",
        "other.pth",
        "folder.pth",
        "missing.pth",
        "missing.safetensors",
        "missing/model",
    ],
)
def test_a_wrong_model_file_is_one_line_and_exit_code_three(tmp_path, esc, draw, models, name):
    draw(tmp_path / "in" / "a.png")
    ran = esc("in", "--model", models / name, cwd=tmp_path)
    assert ran.code == 3, ran.err
    assert len(ran.err.splitlines()) == 1
    assert name in ran.err
    assert not (tmp_path / "in_x4").exists()
