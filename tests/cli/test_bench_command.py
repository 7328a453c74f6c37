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
        (("--end-to-end", ".", "--plot", "p.png"), 2, "not for --end-to-end"),
    ],
)
def test_what_cannot_be_done_is_refused_before_any_work(
    arguments: tuple[object, ...], code: int, word: str
) -> None:
    found, out, err = bench(*arguments)
    assert (found, out) == (code, "")
    assert word in err


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
    scratch, stored = tmp_path / "scratch", tmp_path / "r.json"
    scratch.mkdir()
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
