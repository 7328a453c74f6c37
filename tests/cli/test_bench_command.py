"""`esc bench` as a command, at sizes that take no time."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from esc_cli.cli import bench_run, parsing
from esc_cli.errors import UsageError
from esc_cli.evaluation.bench_results import BenchRow

ROOT = Path(__file__).parents[2]
TINY_X2 = ROOT / "weights/esc-tiny-x2.safetensors"
QUICK = ("--size", "192x128", "--warmup", "1", "--runs", "2", "--device", "cpu")


def start(*arguments: object) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    words = [sys.executable, "-m", "esc_cli", "bench", *map(str, arguments)]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(words, env=environment, text=True, **pipes)


def bench(*arguments: object) -> tuple[int, str, str]:
    process = start(*arguments)
    out, err = process.communicate(timeout=120)
    assert "Traceback" not in err
    return process.returncode, out, err


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """A run of two networks with every output."""
    folder = tmp_path_factory.mktemp("bench")
    files = [(f"--{kind}", folder / f"r.{kind}") for kind in ("json", "csv")]
    more = ("--markdown", folder / "r.md", "--plot", folder / "r.png")
    options = (word for pair in files for word in pair)
    code, out, err = bench("-m", "esc-tiny,esc-fp", *QUICK, *options, *more)
    assert code == 0, err
    return folder, out, err


def test_the_json_holds_each_configuration_and_the_machine(
    measured: tuple[Path, str, str],
) -> None:
    found = json.loads((measured[0] / "r.json").read_text())
    tiny, plain = found["rows"]
    assert (tiny["model"], tiny["weights"], tiny["parameters"]) == (
        *("esc-tiny", "esc-tiny-x4"),
        112_052,
    )
    assert (plain["model"], plain["weights"]) == ("esc-fp", "fresh")
    assert tiny["input_size"] == [48, 32]
    assert len(tiny["wall_ms"]) == 2
    assert 0 < tiny["median_ms"] < plain["median_ms"]
    assert tiny["images_per_s"] == pytest.approx(1000 / tiny["median_ms"])
    assert tiny["peak_bytes"] > tiny["idle_bytes"] > 0
    assert (tiny["psnr_source"], plain["psnr_source"]) == ("measured", "published")
    assert {"processor", "cores", "torch", "threads"} <= found["environment"].keys()


def test_every_output_names_the_machine_and_says_what_is_fresh(
    measured: tuple[Path, str, str],
) -> None:
    folder, out, err = measured
    processor = json.loads((folder / "r.json").read_text())["environment"]["processor"]
    assert "esc-tiny x4" in out
    for text in (err, (folder / "r.md").read_text()):
        assert processor in text
        assert "never trained" in text
    lines = list(csv.DictReader((folder / "r.csv").open()))
    assert [line["model"] for line in lines] == ["esc-tiny", "esc-fp"]
    assert {line["processor"] for line in lines} == {processor}


def test_the_plot_is_a_picture(measured: tuple[Path, str, str]) -> None:
    with Image.open(measured[0] / "r.png") as image:
        image.load()
        assert len(image.convert("RGB").getcolors(1 << 24)) > 3


def test_a_run_is_compared_with_an_earlier_one_of_this_machine(
    measured: tuple[Path, str, str],
) -> None:
    code, out, _ = bench("-m", "esc-tiny", *QUICK, "--compare", measured[0] / "r.json")
    assert code == 0
    (line,) = [line for line in out.splitlines() if "esc-tiny x4 fp32, sdpa" in line]
    before_ms, now_ms, ratio = (float(cell) for cell in line.split("│")[2:5])
    assert ratio == pytest.approx(now_ms / before_ms, rel=0.1)


def test_runs_of_different_machines_are_not_compared(
    measured: tuple[Path, str, str], tmp_path: Path
) -> None:
    other = json.loads((measured[0] / "r.json").read_text())
    other["environment"]["processor"] = "Abacus"
    stored = tmp_path / "other.json"
    stored.write_text(json.dumps(other))
    code, out, err = bench("-m", "esc-tiny", *QUICK, "--compare", stored)
    assert (code, out) == (2, "")
    assert "other.json: is of another machine" in err
    assert "processor Abacus" in err


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (("-m", "missing.pth"), 3, "missing.pth"),
        (("-m", "esc-tiny", "--device", "cuda:63"), 3, "cuda:63"),
        (("-m", "esc-tiny", "--device", "tpu"), 2, "no such device: 'tpu'"),
        (("-m", "esc-tiny", "--json", "nowhere/r.json"), 3, "nowhere"),
        (("-m", "esc-real", "--plot", "r.png"), 2, "no PSNR"),
        (("-m", "esc-tiny", "--compare", "missing.json"), 2, "missing.json"),
        (("-m", "esc-tiny", "-s", "7"), 2, "cannot be built for scale 7 (has 2, 3, 4)"),
        (("-m", TINY_X2, "-s", "4"), 2, "upscales by 2, and 4 is asked for"),
        (("-m", ","), 2, "names nothing"),
        (("-m", "esc-tiny", "--out", "."), 2, "is for --end-to-end"),
        (("--end-to-end", ".", "--plot", "p.png"), 2, "--plot is for networks"),
        (("--end-to-end", ".", "--compare", "r.json"), 2, "--compare is for networks"),
        (("--end-to-end", ".", "--runs", "3"), 2, "--runs is for networks"),
        (("--end-to-end", ".", "--warmup", "1"), 2, "--warmup is for networks"),
        (("--end-to-end", ".", "--size", "1280x720"), 2, "--size is for networks"),
        (("--end-to-end", ".", "--batch", "1"), 2, "--batch is for networks"),
        (("--end-to-end", ".", "--attention", "auto,sdpa"), 2, "--attention auto"),
    ],
)
def test_what_cannot_be_done_is_refused_before_any_work(
    arguments: tuple[object, ...], code: int, word: str
) -> None:
    found, out, err = bench(*arguments)
    assert (found, out) == (code, "")
    assert word in err


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, Any]], str]:
    """The rows of a run that asks for configurations several times over, and its stderr."""
    stored = tmp_path_factory.mktemp("several") / "r.json"
    names = ("-m", "esc-tiny,esc-tiny-x4", "-s", "4,04", "--precision", "fp32,auto,fp32")
    kernels = ("--attention", "auto,flashbias,sdpa,flex")
    code, _, err = bench(*names, *kernels, *QUICK, "--json", stored)
    assert code == 0, err
    return json.loads(stored.read_text())["rows"], " ".join(err.split())


def test_each_configuration_is_measured_once(
    several: tuple[list[dict[str, Any]], str],
) -> None:
    rows, err = several
    assert "3 to measure" in err
    named = [(row["model"], row["scale"], row["precision"], row["attention"]) for row in rows]
    kernels = ("sdpa", "flashbias", "flex")
    assert named == [("esc-tiny", 4, "fp32", kernel) for kernel in kernels]


def test_the_same_configuration_of_other_weights_is_another_one(tmp_path: Path) -> None:
    other, stored = tmp_path / "esc-tiny.safetensors", tmp_path / "r.json"
    other.write_bytes((ROOT / "weights/esc-tiny-x4.safetensors").read_bytes())
    code, _, err = bench("-m", f"esc-tiny,{other}", *QUICK, "--json", stored)
    assert code == 0, err
    rows = json.loads(stored.read_text())["rows"]
    assert [row["weights"] for row in rows] == ["esc-tiny-x4", "esc-tiny.safetensors"]


def test_a_checkpoint_made_into_factors_has_neither_its_name_nor_its_psnr(
    several: tuple[list[dict[str, Any]], str],
) -> None:
    rows, err = several
    found = {row["attention"]: (row["weights"], row["psnr"] is not None) for row in rows}
    assert found == {
        "sdpa": ("esc-tiny-x4", True),
        "flashbias": ("esc-tiny-x4, factored", False),
        "flex": ("esc-tiny-x4", True),
    }
    assert "weights factored: " in err
    assert "never trained" not in err


def test_flex_on_a_cpu_is_said_to_be_slow_without_advice_to_programmers(
    several: tuple[list[dict[str, Any]], str],
) -> None:
    assert "attention flex is compiled on CUDA only: here it is slow" in several[1]
    assert "torch.compile" not in several[1]
    assert "Warning" not in several[1]


def test_an_earlier_run_with_nothing_in_common_is_refused_before_measuring(
    measured: tuple[Path, str, str],
) -> None:
    stored = measured[0] / "r.json"
    code, out, err = bench("-m", "esc-tiny", "-s", "2", *QUICK, "--compare", stored)
    assert (code, out) == (2, "")
    assert "to measure" not in err
    assert "r.json: holds none of the 1 configuration asked for" in err
    assert "esc-tiny x4 fp32, sdpa, on cpu, batch 1, input 48x32; esc-fp x4" in err


def test_what_an_earlier_run_did_not_measure_is_named(measured: tuple[Path, str, str]) -> None:
    stored = measured[0] / "r.json"
    code, out, err = bench("-m", "esc-tiny", "-s", "4,2", *QUICK, "--compare", stored)
    assert code == 0
    assert "without a ratio: esc-tiny x2 fp32, sdpa" in " ".join(err.split())
    table = out.partition("compared with the earlier run")[2]
    assert "esc-tiny x4" in table
    assert "esc-tiny x2" not in table


EDITED = [
    ({"median_ms": 0}, "row 1: median_ms is 0, which is no time above 0"),
    ({"median_ms": -3.5}, "median_ms is -3.5"),
    ({"median_ms": float("nan")}, "median_ms is NaN"),
    ({"median_ms": float("inf")}, "median_ms is Infinity"),
    ({"median_ms": "12"}, 'median_ms is "12"'),
    ({"median_ms": True}, "median_ms is true"),
    ({"median_ms": 10**400}, "median_ms is 1000"),
    ({"median_ms": None}, "median_ms is null"),
    ({"peak_bytes": "much"}, "peak_bytes is"),
    ({"peak_bytes": 0}, "peak_bytes is 0"),
    ({"model": ["esc"]}, "model is"),
    ({"scale": "4"}, "scale is"),
    ({"input_size": 48}, "input_size is 48, which is no width and height"),
    ({"compiled": 1}, "compiled is 1"),
]


@pytest.mark.parametrize(("edit", "word"), EDITED)
def test_an_edited_value_of_an_earlier_run_is_named(
    measured: tuple[Path, str, str], tmp_path: Path, edit: dict[str, object], word: str
) -> None:
    content = json.loads((measured[0] / "r.json").read_text())
    content["rows"][0] |= edit
    stored = tmp_path / "edited.json"
    stored.write_text(json.dumps(content))
    with pytest.raises(UsageError) as caught:
        bench_run.read_earlier(stored)
    assert caught.value.path == stored
    assert word in caught.value.what
    assert "esc bench --json" in caught.value.advice


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "is no JSON"),
        (b"\xff\xfe", "is no JSON"),
        (b"[" * 100_000, "is no JSON"),
        (b'{\n"rows": x}', "is no JSON, line 2"),
        (b"[1, 2]", "holds no benchmark of esc"),
        (b"null", "holds no benchmark of esc"),
        (b'{"rows": {}}', "holds no benchmark of esc"),
        (b'{"rows": [1]}', "on which machine"),
        (b'{"rows": [], "environment": {}}', "no measured network"),
        (b'{"rows": [1], "environment": {}}', "row 1 is no benchmark"),
        (b'{"rows": [{}], "environment": {}}', "row 1 has no model"),
    ],
)
def test_what_is_no_earlier_run_is_refused_in_plain_words(
    tmp_path: Path, content: bytes, word: str
) -> None:
    stored = tmp_path / "list.json"
    stored.write_bytes(content)
    with pytest.raises(UsageError, match=word) as caught:
        bench_run.read_earlier(stored)
    assert "list.json: " in str(caught.value)
    assert "esc bench --json" in caught.value.advice
    assert not any(word in str(caught.value) for word in ("Error", "indices", "codec", "NoneType"))


@pytest.mark.parametrize("text", ["", "1280", "1280x", "x720", "0x720", "-1x5", "axb", "1x2x3"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no size"):
        parsing.size(text)


def test_a_word_that_is_not_known_is_named() -> None:
    assert parsing.one_of("b, a", ("a", "b", "c"), "letter") == ("b", "a")
    with pytest.raises(UsageError, match="no letter 'd'"):
        parsing.one_of("a,d", ("a", "b"), "letter")
    with pytest.raises(UsageError, match="empty"):
        parsing.one_of(" ,", ("a", "b"), "letter")


def row(cpu_ms: float) -> BenchRow:
    sizes = {"batch": 1, "input_size": (8, 8), "output_size": (16, 16)}
    counts = {"parameters": 1, "gmacs": 1.0, "threads": 1, "wall_ms": (100.0,)}
    times = {f"{kind}_ms": 100.0 for kind in ("median", "mean", "p10", "p90")}
    rates = {"images_per_s": 10.0, "megapixels_per_s": 1.0}
    memory = {"peak_bytes": 1, "reserved_bytes": None, "idle_bytes": 1}
    kind = {"device": "cpu", "precision": "fp32", "attention": "sdpa", "compiled": False}
    named = {"model": "esc", "scale": 2, "weights": "fresh"}
    values = named | kind | sizes | counts | times | rates | memory
    return BenchRow(cpu_ms=cpu_ms, **values)


def test_times_on_a_busy_processor_come_with_a_warning() -> None:
    assert list(bench_run._busy([row(99.0), row(180.0)])) == []
    (note,) = bench_run._busy([row(99.0), row(40.0)])
    assert "40%" in note


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five small pictures of two sizes."""
    home = tmp_path / "pictures"
    home.mkdir()
    for number in range(5):
        size = (40, 32 + number % 2)
        Image.effect_noise(size, 40 + number).convert("RGB").save(home / f"{number}.png")
    return home


def test_a_folder_goes_through_the_whole_pipeline_and_leaves_nothing(
    folder: Path, tmp_path: Path
) -> None:
    scratch, stored = tmp_path / "not there yet" / "scratch", tmp_path / "r.json"
    options = ("--end-to-end", folder, "--out", scratch, "--json", stored, "-s", "2")
    code, out, err = bench("-m", "esc-tiny", *options, "--device", "cpu")
    assert code == 0, err
    (job,) = json.loads(stored.read_text())["whole_jobs"]
    assert (job["model"], job["pictures"]) == ("esc-tiny", 5)
    assert job["megapixels"] == pytest.approx((3 * 80 * 64 + 2 * 80 * 66) / 1e6)
    seconds = {stage["name"]: stage["seconds"] for stage in job["stages"]}
    assert min(seconds[name] for name in ("decode", "network", "encode")) > 0
    assert job["idle_s"] == pytest.approx(max(0, job["seconds"] - seconds["network"]))
    assert job["ratio"] == pytest.approx(job["images_per_s"] / job["alone_images_per_s"])
    assert "device waited s" in out
    assert list(scratch.iterdir()) == []
    assert len(list(folder.iterdir())) == 5


def test_a_network_without_weights_goes_through_the_pipeline_too(folder: Path) -> None:
    for path in sorted(folder.iterdir())[1:]:
        path.unlink()
    code, out, _ = bench("-m", "esc-fp", "--end-to-end", folder, "-s", "2", "--device", "cpu")
    assert code == 0
    assert "esc-fp x2" in out


def test_a_picture_that_fails_is_named(folder: Path) -> None:
    (folder / "0.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    code, out, err = bench("-m", "esc-tiny", "--end-to-end", folder, "--device", "cpu")
    assert (code, out) == (1, "")
    assert "0.png" in err


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    code, _, err = bench("-m", "esc-tiny", "--end-to-end", tmp_path, "--device", "cpu")
    assert code == 2
    assert "no pictures" in err


def test_a_signal_ends_it_with_the_documented_code() -> None:
    process = start("-m", "esc-tiny", *QUICK[:4], "--runs", "100000", "--device", "cpu")
    assert process.stderr is not None
    assert "to measure" in process.stderr.readline()
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "no files are written" in err
