"""Shares: what they hold, and how schedulers name them."""

from __future__ import annotations

from pathlib import Path

import pytest

from esc_cli.errors import UsageError
from esc_cli.media.paths import Source
from esc_cli.tasks.upscale.shard import Shard, parse_shard


def source(name):
    return Source(Path("photos") / name, Path("photos"))


def holders(name, count):
    return [i for i in range(1, count + 1) if Shard(i, count).holds(source(name))]


@pytest.mark.parametrize("count", [1, 2, 7, 20])
def test_each_input_is_of_one_share_and_shares_are_about_equal(count):
    inputs = 30 * count
    found = [holders(f"album{n % 9}/{n:05}.jpg", count) for n in range(inputs)]
    assert all(len(one) == 1 for one in found)
    sizes = [sum(one == [i] for one in found) for i in range(1, count + 1)]
    assert min(sizes) > 0.3 * 30


def test_a_share_is_the_same_on_every_machine_and_in_every_version():
    assert [holders(name, 8)[0] for name in ("a.jpg", "b/c.png", "\u00e9.tif")] == [3, 2, 4]


def test_inputs_whose_results_could_share_a_name_are_of_one_share():
    names = ("sub/\u00e9t\u00e9.jpg", "sub/e\u0301te\u0301.png", "SUB/\u00c9T\u00c9.webp")
    assert len({holders(name, 97)[0] for name in names}) == 1


def test_a_name_that_is_no_utf8_has_a_share():
    assert len(holders("a\udcff.jpg", 5)) == 1


@pytest.mark.parametrize(
    ("text", "variables", "share"),
    [
        ("3/8", {}, (3, 8)),
        ("auto", {"SLURM_ARRAY_TASK_ID": "0", "SLURM_ARRAY_TASK_COUNT": "4"}, (1, 4)),
        (
            "auto",
            {
                "SLURM_ARRAY_TASK_ID": "14",
                "SLURM_ARRAY_TASK_MIN": "10",
                "SLURM_ARRAY_TASK_STEP": "2",
                "SLURM_ARRAY_TASK_COUNT": "5",
            },
            (3, 5),
        ),
        ("auto/6", {"JOB_COMPLETION_INDEX": "0"}, (1, 6)),
        ("auto/6", {"JOB_COMPLETION_INDEX": "5"}, (6, 6)),
        ("auto", {"LSB_JOBINDEX": "2", "LSB_JOBINDEX_END": "9"}, (2, 9)),
        (
            "auto",
            {"LSB_JOBINDEX": "5", "LSB_JOBINDEX_END": "9", "LSB_JOBINDEX_STEP": "2"},
            (3, 5),
        ),
        ("auto/4", {"SLURM_ARRAY_TASK_ID": "2", "SLURM_ARRAY_TASK_COUNT": "9"}, (3, 4)),
    ],
)
def test_shares_are_given_or_come_from_the_scheduler(text, variables, share):
    found = parse_shard(text, variables)
    assert (found.index, found.count) == share


@pytest.mark.parametrize(
    ("text", "variables", "words"),
    [
        ("0/8", {}, "no such share"),
        ("9/8", {}, "no such share"),
        ("1/0", {}, "no such share"),
        ("3", {}, "is no share"),
        ("a/8", {}, "is no number"),
        ("-1/8", {}, "is no number"),
        ("\u0663/8", {}, "is no number"),
        ("auto", {}, "no array"),
        ("auto", {"LSB_JOBINDEX": "0"}, "no array"),
        ("auto", {"JOB_COMPLETION_INDEX": "0"}, "how many shares"),
        ("auto", {"SLURM_ARRAY_TASK_ID": "x"}, "is no number"),
        ("auto/2", {"JOB_COMPLETION_INDEX": "4"}, "no such share"),
    ],
)
def test_what_is_no_share_is_refused(text, variables, words):
    with pytest.raises(UsageError, match=words):
        parse_shard(text, variables)
