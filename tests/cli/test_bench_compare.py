"""`esc bench --compare`: ratios to an earlier run, and what is no such run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from benching import QUICK, bench

from esc_cli.errors import UsageError
from esc_cli.tasks.benchmark.report import read_earlier

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of an earlier run on this machine."""
    stored = tmp_path_factory.mktemp("bench") / "r.json"
    code, _, err = bench("-m", "esc-tiny", *QUICK, "--json", stored)
    assert code == 0, err
    return stored


def test_a_run_is_compared_with_an_earlier_one_of_this_machine(measured: Path) -> None:
    code, out, _ = bench("-m", "esc-tiny", *QUICK, "--compare", measured)
    assert code == 0
    (line,) = [line for line in out.splitlines() if "esc-tiny x4 fp32, sdpa" in line]
    before_ms, now_ms, ratio = (float(cell) for cell in line.split("│")[2:5])
    assert ratio == pytest.approx(now_ms / before_ms, rel=0.1)


def test_runs_of_different_machines_are_not_compared(measured: Path, tmp_path: Path) -> None:
    other = json.loads(measured.read_text())
    other["environment"]["processor"] = "Abacus"
    stored = tmp_path / "other.json"
    stored.write_text(json.dumps(other))
    code, out, err = bench("-m", "esc-tiny", *QUICK, "--compare", stored)
    assert (code, out) == (2, "")
    assert "other.json: is of another machine" in err
    assert "processor Abacus" in err


def test_an_earlier_run_with_nothing_in_common_is_refused_before_measuring(
    measured: Path,
) -> None:
    code, out, err = bench("-m", "esc-tiny", "-s", "2", *QUICK, "--compare", measured)
    assert (code, out) == (2, "")
    assert "to measure" not in err
    assert "r.json: holds none of the configurations asked for" in err
    assert "it holds esc-tiny x4 fp32, sdpa, on cpu, batch 1, input 48x32" in err


def test_what_an_earlier_run_did_not_measure_is_named(measured: Path) -> None:
    code, out, err = bench("-m", "esc-tiny", "-s", "4,2", *QUICK, "--compare", measured)
    assert code == 0
    assert "without a ratio: esc-tiny x2 fp32, sdpa" in " ".join(err.split())
    table = out.partition("compared with the earlier run")[2]
    assert "esc-tiny x4" in table
    assert "esc-tiny x2" not in table


EDITED = [
    ({"median_ms": 0}, "row 1: median_ms is 0, and must be a time above 0"),
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
    ({"input_size": 48}, "input_size is 48, and must be a width and a height"),
    ({"compiled": 1}, "compiled is 1"),
]


@pytest.mark.parametrize(("edit", "word"), EDITED)
def test_an_edited_value_of_an_earlier_run_is_named(
    measured: Path, tmp_path: Path, edit: dict[str, object], word: str
) -> None:
    content = json.loads(measured.read_text())
    content["rows"][0] |= edit
    stored = tmp_path / "edited.json"
    stored.write_text(json.dumps(content))
    with pytest.raises(UsageError) as caught:
        read_earlier(stored)
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
        read_earlier(stored)
    assert "list.json: " in str(caught.value)
    assert "esc bench --json" in caught.value.advice
    assert not any(word in str(caught.value) for word in ("Error", "indices", "codec", "NoneType"))
