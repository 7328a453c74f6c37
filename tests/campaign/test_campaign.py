"""The campaign itself: its pictures are valid, its cases repeat, and its judge is no friend."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from esc_cli.errors import UnsupportedError
from esc_cli.media.archive import open_archive
from esc_cli.media.decode import decode
from tests.campaign.batches import run_batch
from tests.campaign.cases import Case, case
from tests.campaign.mutations import MUTATIONS
from tests.campaign.oracle import Outcome, of_first, of_lenient, of_second
from tests.campaign.report import table
from tests.campaign.seeds import SEEDS
from tests.campaign.worker import ROOT, Answer, Died, Hung, Worker

PICTURES = 72  # six of each format


@pytest.mark.parametrize("name", SEEDS)
def test_every_maker_makes_what_is_done_or_refused_by_name(name, tmp_path):
    for number, make in enumerate(SEEDS[name].makers):
        content = make(random.Random(number))
        if SEEDS[name].refused:
            with pytest.raises(UnsupportedError, match="are not supported"):
                decode(content, 10**5)
        elif name == "CBZ":
            (tmp_path / "a.cbz").write_bytes(content)
            with open_archive(tmp_path / "a.cbz") as archive:
                pictures = [entry for entry in archive.entries if entry.kind == "picture"]
                assert all(decode(archive.picture(entry, 10**5), 10**5) for entry in pictures)
            assert pictures
        else:
            decode(content, 10**5)


def test_a_case_follows_from_seed_and_number_alone():
    drawn = [case(5, number) for number in range(48) if "HEIC" not in case(5, number).format]
    assert drawn == [case(5, one.number) for one in drawn]
    assert any(one.intact for one in drawn)
    assert case(6, 0) != case(5, 0)


def test_files_of_ones_own_are_damaged_instead(tmp_path):
    (tmp_path / "a.QOI").write_bytes(b"some bytes" * 9)
    files = (tmp_path / "a.QOI",)
    drawn = [case(5, number, files) for number in range(9)]
    assert drawn == [case(5, number, files) for number in range(9)]
    assert len({one.content for one in drawn}) > 5
    assert drawn[3].name == "000003.qoi"


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda one: one.__name__)
def test_every_mutation_changes_files_of_any_length(mutation):
    rng, changed = random.Random(3), 0
    for length in (1, 2, 7, 5000):
        for _ in range(20):
            content = bytearray(rng.randbytes(length))
            before = bytes(content)
            mutation(content, rng, b"other")
            changed += bytes(content) != before
    assert changed >= 40


@pytest.mark.slow
def test_damaged_pictures_of_every_format_break_no_promise(tmp_path):
    command = [sys.executable, "-m", "tests.campaign", "--seed", "0", "--count", str(PICTURES)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"| all | {PICTURES} |" in done.stdout
    assert "1 processes; 0 broken promises" in done.stdout


OTHER = """
import os, signal, sys, time
os.write(int(sys.argv[1]), b"ready\\n")
for line in sys.stdin:
    if "die" in line: os.kill(os.getpid(), signal.SIGSEGV)
    if "end" in line: sys.exit("enough")
    if "hang" in line: time.sleep(9999)
    print("heard", line, end="", flush=True)
    os.write(int(sys.argv[1]), b"75\\n")
"""


def test_a_process_that_dies_or_hangs_is_found_and_replaced():
    worker = Worker(0, ("-c", OTHER))
    try:
        assert worker.run(["a"], 600) == Answer(75, 'heard ["a"]\n')
        assert worker.run(["b"], 600) == Answer(75, 'heard ["b"]\n')
        with pytest.raises(Died, match="SIGSEGV"):
            worker.run(["die"], 600)
        with pytest.raises(Died, match="exit code 1: enough"):
            worker.run(["end"], 600)
        with pytest.raises(Hung):
            worker.run(["hang"], 0.1)
        assert worker.run(["c"], 600).code == 75
        assert worker.starts == 4
    finally:
        worker.close()


def test_of_a_folder_that_ends_its_process_the_picture_is_found():
    code = OTHER.replace("75", "0").replace('"die" in line', '"/in" in line and bad(line)')
    found = (
        "import json, os\nbad = lambda line: os.path.exists(json.loads(line)[1] + '/000001.jpg')"
    )
    worker = Worker(0, ("-c", f"{found}\n{code}"))
    try:
        result = run_batch([case(0, number) for number in range(3)], worker)
    finally:
        worker.close()
    assert [broken.case for broken in result.violations if "crash" in broken.what] == [1]
    assert len(result.rows) == 3


@pytest.fixture
def done(tmp_path):
    """A case and a batch in which all is right."""
    path = tmp_path / "out" / "000007.png"
    path.parent.mkdir()
    Image.new("RGB", (16, 12)).save(path)
    item = {"input": "in/000007.png", "status": "done", "output": str(path), "reason": ""}
    item |= {"notes": [], "input_size": [8, 6], "output_size": [16, 12]}
    outcome = Outcome(Answer(0, ""), path.parent, {"000007.png": item})
    one = Case(7, "PNG", b"", intact=True, suffix=".png")
    assert list(of_first([one], outcome)) == []
    return one, outcome


def failed(item, reason):
    return item | {"status": "failed", "reason": reason, "output_size": None}


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda out: Path(out.items["000007.png"]["output"]).write_bytes(b"half"), "decoded"),
        (lambda out: Path(out.items["000007.png"]["output"]).unlink(), "is missing"),
        (lambda out: (out.results / ".000007.png.1-1.esc-part").touch(), "is there"),
        (lambda out: out.items["000007.png"].update(output_size=[16, 11]), "is not twice"),
        (lambda out: out.items["000007.png"].update(input_size=[9, 6]), "is not twice"),
        (lambda out: out.items.clear(), "no line in the report"),
    ],
)
def test_a_wrong_result_is_found(done, change, what):
    one, outcome = done
    change(outcome)
    assert any(what in broken.what for broken in of_first([one], outcome))


@pytest.mark.parametrize(
    "reason",
    ["", "'utf-8' codec can't decode", "struct.error: x", "<_io.BytesIO object at 0x7ffe>"],
)
def test_a_reason_without_words_is_found(done, reason):
    one, outcome = done
    outcome.items["000007.png"] = failed(outcome.items["000007.png"], reason)
    broken = of_first([replace(one, intact=False)], outcome)
    assert any("no words" in one.what for one in broken)


@pytest.mark.parametrize(
    "answer",
    [Answer(1, ""), Answer(3, ""), Answer(0, "TIFFReadDirectory: warning\n")],
    ids=["failed", "setup", "stderr"],
)
def test_a_wrong_code_or_a_line_of_a_decoder_is_found(done, answer):
    one, outcome = done
    assert list(of_first([one], replace(outcome, answer=answer)))


def test_what_changes_from_run_to_run_is_found(done):
    one, outcome = done
    item, before = outcome.items["000007.png"], outcome.files
    skipped = replace(outcome, items={"000007.png": item | {"status": "skipped"}})
    assert list(of_second(outcome, skipped, before)) == []
    assert list(of_second(outcome, outcome, before))
    assert list(of_second(outcome, skipped, before | {"000007.png": b"other"}))
    ones = (replace(outcome, items={"000007.png": failed(item, why)}) for why in ("this", "that"))
    assert list(of_second(*ones, before))
    assert list(of_lenient([one], outcome, outcome, before | {"000007.png": b"other"}))


def test_the_table_counts_each_picture_once():
    rows = [
        ("PNG", "", False),
        ("PNG", "the file is cut short", True),
        ("GIF", "the picture is damaged: x", False),
        ("GIF", json.dumps("?"), False),
    ]
    lines = table(rows).splitlines()
    assert lines[2].startswith("| PNG | 2 | 1 | 1 |")
    assert lines[-1] == "| all | 4 | 1 | 1 | 1 |  |  |  | 1 | 1 |"
