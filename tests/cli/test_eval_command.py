"""`esc eval` and `esc compare` as commands, on the samples of the documentation."""

import csv
import json
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from command import Command
from PIL import Image

ROOT = Path(__file__).parents[2]
SAMPLES = ("city.png", "farmhouse.png", "drawing.png")


@pytest.fixture(scope="module")
def esc(tmp_path_factory):
    home = str(tmp_path_factory.mktemp("cache"))
    return Command(env={"XDG_CACHE_HOME": home, "COLUMNS": "200", "ESC_DATA": ""})


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    (root / "Three" / "HR").mkdir(parents=True)
    for name in SAMPLES:
        Image.open(ROOT / "docs/samples" / name).save(root / "Three" / "HR" / name)
    return root


@pytest.fixture(scope="module")
def evaluated(esc, data, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    done = esc(
        *("eval", "-d", "Three", "--data-root", data, "-s", "2,4", "--against", "bicubic,lanczos"),
        *("--rgb", "--timings", "--json", out / "r.json", "--csv", out / "r.csv"),
        *("--markdown", out / "r.md", "--report", out / "r.html", "--save-sr", out / "sr"),
    )
    return done, out


def test_the_network_beats_the_interpolations_in_every_mean(evaluated):
    done, out = evaluated
    assert done.code == 0, done.err
    tables = json.loads((out / "r.json").read_text())["tables"]
    assert [(t["dataset"], t["scale"]) for t in tables] == [("Three", 2), ("Three", 4)]
    for table in tables:
        for metric in ("psnr_y", "ssim_y", "psnr_rgb", "ssim_rgb"):
            means = {method: values[metric] for method, values in table["means"].items()}
            assert means["esc-tiny"] > means["lanczos"] > means["bicubic"], metric


def test_tables_files_and_timings_agree(evaluated):
    done, out = evaluated
    tables = json.loads((out / "r.json").read_text())["tables"]
    rows = list(csv.DictReader((out / "r.csv").open()))
    for table in tables:
        for method, values in table["means"].items():
            assert f"{values['psnr_y']:.2f}" in done.out
            (row,) = [
                r
                for r in rows
                if (r["image"], r["method"], r["scale"]) == ("mean", method, str(table["scale"]))
            ]
            assert float(row["psnr_y"]) == values["psnr_y"]
    assert "## Three x4" in (out / "r.md").read_text()
    assert "methods" in done.err
    assert "%" in done.err


def test_saved_results_score_the_same_when_they_are_evaluated(evaluated, esc, data, tmp_path):
    _, out = evaluated
    folder = out / "sr" / "esc-tiny" / "Three_x4"
    hr = data / "Three" / "HR"
    done = esc("eval", "--sr", folder, "--hr", hr, "-s", "4", "--json", tmp_path / "again.json")
    assert done.code == 0, done.err
    again = json.loads((tmp_path / "again.json").read_text())["tables"][0]["means"]["Three_x4"]
    first = json.loads((out / "r.json").read_text())["tables"][1]["means"]["esc-tiny"]
    assert again["psnr_y"] == pytest.approx(first["psnr_y"], abs=1e-9)
    assert again["ssim_y"] == pytest.approx(first["ssim_y"], abs=1e-9)


def test_every_table_says_how_it_was_measured(evaluated):
    done, out = evaluated
    assert "PSNR and SSIM on Y and RGB, border 2, rounded to 8 bits" in " ".join(done.out.split())
    page = " ".join((out / "r.html").read_text().split())
    for scale in (2, 4):
        assert f"border {scale}, rounded to 8 bits" in page


def test_results_a_few_pixels_off_are_told_of_the_crop(esc, data, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    for path in (data / "Three" / "HR").iterdir():
        with Image.open(path) as image:
            image.resize((image.width + 1, image.height)).save(folder / path.name)
    done = esc("eval", "--sr", folder, "--hr", data / "Three" / "HR", "-s", "4", "--no-cache")
    assert done.code == 1
    assert "cropped to a multiple of 4" in done.err
    named = esc("eval", "-d", "Three", "--data-root", data, "--sr-pattern", "{name}")
    assert named.code == 2


def test_the_report_is_one_page_with_a_slider_per_picture(evaluated):
    _, out = evaluated
    page = (out / "r.html").read_text()
    assert page.count('type="range"') >= 2 * len(SAMPLES)
    assert "http-equiv" in page


def test_a_second_run_takes_the_scores_of_the_first(evaluated, esc, data):
    done = esc("eval", "-d", "Three", "--data-root", data, "-s", "4", "--against", "bicubic")
    assert done.code == 0
    assert "6 scores are those of earlier runs" in done.err


def test_a_changed_picture_is_scored_anew(evaluated, esc, data, tmp_path):
    hr = tmp_path / "Three" / "HR"
    hr.mkdir(parents=True)
    pixels = np.array(Image.open(data / "Three/HR/city.png"))
    Image.fromarray(255 - pixels).save(hr / "city.png")
    done = esc("eval", "-d", "Three", "--data-root", tmp_path, "-s", "4", "--against", "bicubic")
    assert done.code == 0
    assert "earlier runs" not in done.err


def test_check_without_published_values_is_wrong_usage(evaluated, esc, data):
    done = esc("eval", "-d", "Three", "--data-root", data, "-s", "4", "--check", "0.02")
    assert done.code == 2
    assert "nothing is published" in done.err


def test_one_damaged_picture_fails_alone(esc, data, tmp_path):
    hr = tmp_path / "Some" / "HR"
    hr.mkdir(parents=True)
    (hr / "bad.png").write_text("no picture")
    (hr / "good.png").write_bytes((data / "Three/HR/city.png").read_bytes())
    done = esc(*("eval", "-d", "Some", "--data-root", tmp_path, "-s", "4"), "--per-picture")
    assert done.code == 1
    assert "bad.png" in done.err
    assert "good" in done.out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["-d", "Nowhere"], 2, "no dataset 'Nowhere'"),
        (["-d", "Three", "-s", "x"], 2, "no list of whole scales"),
        (["-d", "Three", "-s", "5"], 3, "it exists as x2, x3, x4"),
        (["-d", "Three", "--model", "none.pth"], 3, "none.pth"),
        (["-d", "Three", "--device", "tpu"], 2, "no such device: 'tpu'"),
        (["-s", "4"], 2, "give --dataset"),
        (["-d", "Three", "--check", "nan"], 2, "no tolerance"),
        (["-d", "Three", "--json", "x.csv"], 2, "must end in .json"),
        (["-d", "Three", "--csv", "/nowhere/x.csv"], 3, "folder is not there"),
        (["-d", "Three", "--no-reference"], 2, "nothing to measure"),
        (["-d", "Three", "--sr", "missing"], 2, "no folder of results"),
        (["-d", "Three", "-d", "Three"], 2, "two datasets are called Three x4"),
    ],
)
def test_wrong_usage_ends_with_its_exit_code(esc, data, arguments, code, message):
    done = esc("eval", "--data-root", data, *arguments)
    assert (done.code, message in done.err) == (code, True), done.err


@pytest.mark.slow
def test_an_interrupted_evaluation_writes_no_file_over_an_earlier_one(esc, data, tmp_path):
    kept = tmp_path / "kept.json"
    kept.write_text("earlier")
    words = ("eval", "-d", "Three", "--data-root", data, "--no-cache", "--self-ensemble")
    process = esc.start(*words, "--json", kept)
    assert b"3 pictures" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert b"no files are written" in err
    assert kept.read_text() == "earlier"


def test_an_lr_picture_of_the_wrong_size_is_named(esc, data, tmp_path):
    (tmp_path / "S/HR").mkdir(parents=True)
    (tmp_path / "S/LR_bicubic/X4").mkdir(parents=True)
    Image.open(data / "Three/HR/city.png").save(tmp_path / "S/HR/city.png")
    Image.new("RGB", (39, 40)).save(tmp_path / "S/LR_bicubic/X4/cityx4.png")
    done = esc("eval", "-d", "S", "--data-root", tmp_path, "-s", "4")
    assert done.code == 1
    assert "cityx4.png: HR is 160 x 160, LR times 4 156 x 160" in done.err


def test_compare_writes_a_sheet_and_a_page(evaluated, esc, data, tmp_path):
    _, out = evaluated
    pair = [out / "sr" / method / "Three_x4" / "city.png" for method in ("bicubic", "esc-tiny")]
    hr = data / "Three/HR/city.png"
    sheet, page = tmp_path / "c.png", tmp_path / "c.html"
    assert esc("compare", *pair, "--hr", hr, "-o", sheet).code == 0
    with Image.open(sheet) as image:
        assert image.width > 3 * 256
        assert np.asarray(image).std() > 20
    assert esc("compare", *pair, "--hr", hr, "-o", page).code == 0
    assert 'type="range"' in page.read_text()
    small = tmp_path / "small.png"
    Image.new("RGB", (8, 8)).save(small)
    done = esc("compare", pair[0], small, "-o", sheet)
    assert (done.code, "differ in size" in done.err) == (1, True)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs limits of memory")
def test_a_picture_too_large_for_the_memory_fails_by_name_and_the_rest_is_scored(esc, tmp_path):
    import resource

    (tmp_path / "HR").mkdir()
    Image.new("RGB", (6000, 5000), "teal").save(tmp_path / "HR" / "big.png")
    Image.effect_noise((64, 48), 40).convert("RGB").save(tmp_path / "HR" / "small.png")
    most = 1500 << 20
    done = esc(
        *("eval", "--hr", tmp_path / "HR", "-s", "4", "--no-cache", "--per-picture"),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (most, most)),
    )
    assert done.code == 1
    assert "failed: big: not enough memory" in done.err
    assert "mean of 1 pictures" in " ".join(done.out.split())
