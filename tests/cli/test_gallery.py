"""A page to look at: sliders, failures with reasons, totals; from a run or from reports."""

from __future__ import annotations

import pytest


@pytest.fixture
def photos(tmp_path, draw):
    for number in range(3):
        draw(tmp_path / "in" / f"{number}.png", number)
    (tmp_path / "in" / "bad <b>.png").write_bytes(b"\x89PNG\r\n\x1a\n and no picture")
    return tmp_path / "in"


def test_a_run_writes_its_page(photos, esc, tmp_path):
    page = tmp_path / "page.html"
    ran = esc(photos, "-s", "2", "--html", page)
    assert ran.code == 1
    text = page.read_text()
    assert text.count('<div class="slider">') == 3
    assert "bad &lt;b&gt;.png</strong>: " in text
    assert "<dt>failed</dt><dd>1</dd>" in text
    assert "<dt>done</dt><dd>3</dd>" in text
    assert "seconds of work" in text
    assert "http://" not in text.replace("http://www.w3.org", "")


def test_reports_of_several_runs_make_one_page(photos, esc, esc_command, tmp_path):
    for index in (1, 2):
        esc(photos, "-s", "2", "--shard", f"{index}/2", "--report", tmp_path / f"{index}.jsonl")
    reports = [tmp_path / "1.jsonl", tmp_path / "2.jsonl"]
    ran = esc_command("report", "html", *reports, "-o", tmp_path / "page.html", "--limit", "2")
    assert ran.code == 0, ran.err
    text = (tmp_path / "page.html").read_text()
    assert text.count('<div class="slider">') == 2
    assert "<dt>not on this page</dt><dd>1 pictures</dd>" in text


def test_results_that_are_gone_are_among_the_failures(photos, esc, esc_command, tmp_path):
    esc(photos, "-s", "2", "--report", tmp_path / "r.jsonl")
    (tmp_path / "in_x2" / "1.png").unlink()
    esc_command("report", "html", tmp_path / "r.jsonl", "-o", tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    assert text.count('<div class="slider">') == 2
    assert "1.png</strong>: cannot be shown" in text


def test_a_page_that_cannot_be_written_is_found_before_the_work(photos, esc, tmp_path):
    for place, code in ((tmp_path / "page.txt", 2), (tmp_path / "no" / "page.html", 3)):
        ran = esc(photos, "--html", place)
        assert ran.code == code
        assert not photos.with_name("in_x4").exists()
