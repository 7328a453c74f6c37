"""A page to look at: sliders, failures with reasons, totals; from a run or from reports."""

from __future__ import annotations

import json
import re
import shutil

import pytest
from archives import book, picture
from browser import broken_pictures, chromium, find, look, needs_chromium, requests_of
from PIL import Image

from esc_cli.tasks.compare_folder import AFTER, BEFORE


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
    assert "<dt>not on this page</dt><dd>1 picture</dd>" in text


def test_what_has_no_slider_is_counted(photos, esc, tmp_path):
    book(photos / "b.cbz", [("1.png", picture("PNG"))])
    page = tmp_path / "page.html"
    esc(photos, "-s", "2", "--html", page)
    assert "<dt>not on this page</dt><dd>1 of videos and archives</dd>" in page.read_text()


def test_results_in_a_store_are_counted_and_not_taken_for_failures(esc_command, tmp_path):
    lines = [
        {"input": "s3://shop/in/a.png", "output": "s3://shop/out/a.png", "status": "done"},
        {"input": "https://example.org/b.png", "output": "/gone/b.png", "status": "skipped"},
        {"input": "s3://shop/in/c.png", "status": "failed", "reason": "is no picture"},
    ]
    report = tmp_path / "r.jsonl"
    report.write_text("".join(json.dumps(line) + "\n" for line in lines))
    ran = esc_command("report", "html", report, "-o", tmp_path / "page.html")
    assert ran.code == 0, ran.err
    text = (tmp_path / "page.html").read_text()
    assert "<dt>not on this page</dt><dd>2 pictures in stores</dd>" in text
    assert "cannot be shown" not in text
    assert "s3://shop/in/c.png</strong>: is no picture" in text


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


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    pytest.importorskip("selenium.webdriver")
    with chromium(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture
def pages(tmp_path, esc, esc_command):
    """(the page of a run, one of its report once the result is blue), all else being gone."""
    folder, run, report = tmp_path / "in", tmp_path / "run.html", tmp_path / "report.html"
    folder.mkdir()
    Image.new("RGB", (40, 30), (200, 40, 40)).save(folder / "red.png")
    (folder / "bad <b>.png").write_bytes(b"\x89PNG\r\n\x1a\n and no picture")
    lines = tmp_path / "r.jsonl"
    assert esc(folder, "-s", "2", "--html", run, "--report", lines).code == 1
    Image.new("RGB", (80, 60), (40, 40, 200)).save(tmp_path / "in_x2" / "red.png")
    assert esc_command("report", "html", lines, "-o", report).code == 0
    for path in (folder, tmp_path / "in_x2"):
        shutil.rmtree(path)
    return run, report


@needs_chromium
def test_a_browser_shows_failures_totals_and_times_and_asks_for_nothing(browser, pages):
    browser.get(pages[0].as_uri())
    assert browser.get_log("browser") == []
    assert requests_of(browser) == []
    assert broken_pictures(browser) == 0
    (failure,) = browser.find_elements("css selector", "#failures li")
    assert failure.is_displayed()
    assert "bad <b>.png: the picture is damaged" in failure.text
    totals = {
        one.find_element("css selector", "dt").text: one.find_element("css selector", "dd").text
        for one in browser.find_elements("css selector", ".facts div")
    }
    assert (totals["done"], totals["skipped"], totals["failed"]) == ("1", "0", "1")
    assert totals["seconds of work"]
    assert re.search(r"red\.png, \d+\.\d s", find(browser, ".visual h3").text)
    assert len(browser.find_elements("css selector", ".slider")) == 1


@needs_chromium
def test_the_slider_of_a_browser_lies_between_source_and_result(browser, pages):
    from selenium.webdriver.common.keys import Keys

    browser.get(pages[1].as_uri())
    divider, stage = find(browser, ".stage input"), find(browser, ".stage")
    assert (find(browser, ".tag.left").text, find(browser, ".tag.right").text) == (BEFORE, AFTER)
    for key, shown in ((Keys.END, "red"), (Keys.HOME, "blue")):
        divider.send_keys(key)
        seen = look(browser, stage)
        red, _, blue = seen.getpixel((seen.width // 2, seen.height - 20))
        assert ("red" if red > blue else "blue") == shown
