import base64
import math
import re
import subprocess
import sys
from dataclasses import replace

import pytest

from esc_cli.evaluation.decimals import Metric
from esc_cli.evaluation.html import Facts, _ticks, render_comparison, render_report
from esc_cli.evaluation.results import HR, Crop, Score, Table, Visual

PSNR = Metric("psnr_y", "PSNR (Y), dB", 2)
LPIPS = Metric("lpips", "LPIPS", 4, lower_is_better=True)
FACTS = Facts("Evaluation", "esc evaluate Set5", {"esc": "0.1.0", "device": "cpu"})
PNG = b"\x89PNG\r\n\x1a\n one picture"


def table(dataset="Set5", images=("baby", "bird"), **changes):
    scores = [
        Score(image, method, {"psnr_y": first + place, "lpips": 0.5 - first / 100})
        for place, image in enumerate(images)
        for method, first in (("bicubic", 28.0), ("esc", 32.0))
    ]
    whole = Table(dataset, 4, ("bicubic", "esc"), (PSNR, LPIPS), tuple(scores))
    return replace(whole, **changes)


def visual(image="baby", dataset="Set5", picture=PNG):
    pictures = dict.fromkeys((HR, "bicubic", "esc"), picture)
    crop = Crop((4, 6, 14, 18), pictures, dict.fromkeys(("bicubic", "esc"), picture))
    return Visual(dataset, 4, image, (40, 30), pictures, crop)


def summary(page):
    return page.split('<section id="summary">')[1].split("</section>")[0]


def plain(html):
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def test_the_page_names_nothing_outside_itself():
    page = render_report([table()], [visual()], FACTS)
    assert "http:" not in page
    assert "https:" not in page
    assert not re.search(r"""(src|href|action)\s*=\s*["']?\s*(?!data:|#|["'])""", page)
    assert not re.search(r"""@import|url\(|srcset|["']//""", page)
    assert set(re.findall(r'src="([^,]*)', page)) == {"data:image/png;base64"}


def test_the_policy_allows_its_own_script_and_style_by_their_hashes_and_nothing_else():
    from hashlib import sha256

    page = render_report([table()], [visual()], FACTS)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    policy = policy.replace("&#39;", "'")
    assert policy.startswith("default-src 'none'; img-src data:; ")
    assert "unsafe" not in policy
    for kind in ("style", "script"):
        (inline,) = re.findall(rf"<{kind}>(.*?)</{kind}>", page, re.DOTALL)
        digest = base64.b64encode(sha256(inline.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert not re.search(r"\s(style|on\w+)=", page)


def test_names_from_the_outside_are_text_and_never_markup():
    evil = "<script>alert(1)</script>\"'&\n<img src=x onerror=y>.png"
    facts = Facts(evil, evil, {evil: evil})
    metric = replace(PSNR, label=evil)
    scores = (Score(evil, evil, {"psnr_y": 30.0}), Score("b", evil, {"psnr_y": 31.0}))
    odd = Table(evil, 4, (evil,), (metric,), scores, {evil: {"psnr_y": 30.1}})
    crop = Crop((0, 0, 4, 4), {evil: PNG}, {evil: PNG})
    page = render_report([odd], [Visual(evil, 4, evil, (8, 8), {evil: PNG}, crop)], facts)
    assert page.count("<script") == 1
    assert "<img src=x" not in page
    assert "\"'&" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_a_name_whose_bytes_are_no_text_can_still_be_written():
    page = render_report([table(images=("a\udcff", "b"))], [visual("a\udcff")], FACTS)
    assert "a\\xff" in page
    page.encode("utf-8")


def test_the_summary_has_means_and_arrows_and_the_best_in_bold():
    text = summary(render_report([table()], [], FACTS))
    assert "<b>32.50</b>" in text
    assert "<b>28.50</b>" not in text
    assert "28.50" in text
    assert "<b>0.1800</b>" in text
    assert "PSNR (Y), dB ↑" in plain(text).replace("&nbsp;", "")
    assert "LPIPS ↓" in plain(text).replace("&nbsp;", "")


def test_equal_digits_are_equally_good():
    scores = (Score("a", "bicubic", {"psnr_y": 30.001}), Score("a", "esc", {"psnr_y": 30.002}))
    assert summary(render_report([table(scores=scores)], [], FACTS)).count("<b>30.00</b>") == 2


def test_a_published_mean_stands_with_the_difference_from_it():
    published = {"esc": {"psnr_y": 32.68, "lpips": 0.1799996}, "bicubic": {"psnr_y": 28.43}}
    text = plain(summary(render_report([table(published=published)], [], FACTS)))
    assert "32.50 32.68 -0.18" in text
    assert "28.50 28.43 +0.07" in text
    assert "0.1800 0.1800 +0.0000" in text
    assert "published" not in render_report([table()], [], FACTS)


def test_every_table_has_its_plot_and_its_sortable_rows():
    page = render_report([table(), table("Set14", ("zebra", "comic", "man"))], [], FACTS)
    assert page.count('<figure class="plot">') == page.count('<table class="sortable">') == 2
    assert "Set5 &times;4" in page
    assert "Set14 &times;4" in page
    assert "<title>zebra, esc: 32.00</title>" in page
    assert len(re.findall(r"</title></path>", page)) == (2 + 3) * 2
    assert page.count('<th scope="col" data-column=') == 2 * 4


def test_tables_with_different_metrics_share_a_summary():
    scores = (Score("a", "esc", {"lpips": 0.2}),)
    only = table("Set14", methods=("esc",), metrics=(LPIPS,), scores=scores)
    text = summary(render_report([table(metrics=(PSNR,)), only], [], FACTS))
    assert re.search(r"Set14 &times;4</th>.*?<td>1</td>\s*<td>-\s*</td>", text, re.DOTALL)


def test_values_that_are_no_numbers_are_shown_and_not_drawn():
    scores = (
        Score("same", "bicubic", {"psnr_y": math.inf}),
        Score("none", "bicubic", {"psnr_y": math.nan}),
        Score("good", "bicubic", {"psnr_y": 30.0}),
    )
    page = render_report([table(scores=scores)], [], FACTS)
    assert page.count("</title></path>") == 1
    assert 'data-value="Infinity"' in page
    assert 'data-value="nan"' not in page
    nothing = table(scores=(Score("same", "esc", {"psnr_y": math.inf}),))
    assert '<figure class="plot">' not in render_report([nothing], [], FACTS)


@pytest.mark.parametrize(
    "values", [[28.1, 28.1], [0.0], [20.3, 39.7], [0.7512, 0.7519], [-3.0, 4.0], [1e-9, 1e9]]
)
def test_ticks_are_few_and_enclose_the_values(values):
    ticks = _ticks(values)
    assert ticks[0] <= min(values) <= max(values) <= ticks[-1]
    assert ticks == sorted(set(ticks))
    assert 2 <= len(ticks) <= 7


def test_every_visual_has_one_slider_from_the_first_method_to_the_last():
    page = render_report([table()], [visual("baby"), visual("bird")], FACTS)
    assert page.count('<div class="slider">') == page.count('type="range"') == 2
    assert page.count('<img class="left "') == page.count('<img class="right"') == 2
    first = page.split('<select class="left">')[1].split("</select>")[0]
    assert re.findall(r"<option[^>]*>(\w+)", first) == ["bicubic", "esc", "HR"]
    assert '<option value="0" selected>bicubic' in first


def test_a_slider_with_one_method_compares_it_with_the_reference():
    pictures = {HR: PNG, "esc": PNG}
    page = render_comparison([replace(visual(), pictures=pictures)], FACTS)
    assert '<span class="tag left">esc</span><span class="tag right">HR</span>' in page


def test_details_carry_the_values_of_their_picture_and_the_frame_shows_where():
    page = render_report([table()], [visual("bird")], FACTS)
    captions = [
        plain(text) for text in re.findall(r"<figcaption>(.*?)</figcaption>", page, re.DOTALL)
    ]
    assert captions[1:] == ["bicubic 29.00 / 0.2200", "esc 33.00 / 0.1800", "HR"]
    assert page.count('x="4" y="6" width="10" height="12"') == 2
    assert page.count('alt="Difference from the reference') == 2


def test_a_visual_of_another_dataset_has_no_values():
    page = render_report([table()], [visual(dataset="Set14")], FACTS)
    assert "Values of the whole picture" not in page


def test_a_report_without_pictures_or_tables_is_a_page():
    for page in (render_report([table()], [], FACTS), render_report([], [], FACTS)):
        assert page.startswith("<!DOCTYPE html>")
        assert '<div class="slider">' not in page
        assert "Visual comparison" not in page


def test_the_comparison_has_sliders_and_details_but_no_tables():
    page = render_comparison([visual(dataset="")], FACTS)
    assert page.count('<div class="slider">') == 1
    assert '<div class="crops">' in page
    assert "<table" not in page
    assert "esc evaluate Set5" in page
    assert "&times;4" not in page


@pytest.mark.parametrize(
    ("picture", "kind"),
    [(PNG, "png"), (b"\xff\xd8\xff\xe0", "jpeg"), (b"RIFF\0\0\0\0WEBPVP8 ", "webp")],
)
def test_pictures_are_embedded_byte_for_byte_with_their_type(picture, kind):
    page = render_comparison([visual(picture=picture)], FACTS)
    embedded = set(re.findall(r'src="data:image/(\w+);base64,([^"]*)"', page))
    assert {(name, base64.b64decode(text)) for name, text in embedded} == {(kind, picture)}


def test_another_kind_of_picture_is_refused():
    with pytest.raises(ValueError, match="neither PNG, JPEG nor WebP"):
        render_comparison([visual(picture=b"GIF89a")], FACTS)


def test_the_page_is_made_without_torch_and_codecs():
    code = "import sys, esc_cli.evaluation.html; print({'torch', 'PIL'} & set(sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "set()"
