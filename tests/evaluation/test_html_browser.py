"""The page in a real browser: Chromium without a window."""

import io

import pytest
from browser import broken_pictures, chromium, find, look, needs_chromium, requests_of
from PIL import Image

from esc_cli.evaluation.decimals import Metric
from esc_cli.evaluation.html import Facts, render_report
from esc_cli.evaluation.results import HR, Crop, Score, Table, Visual

pytest.importorskip("selenium.webdriver")

COLOURS = {"bicubic": (255, 0, 0), "esc": (0, 0, 255), HR: (0, 255, 0)}
ROWS = 'return [...document.querySelectorAll("table.sortable tbody th")].map((e) => e.textContent)'

pytestmark = needs_chromium


def png(colour, size=(40, 30)):
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return file.getvalue()


def report():
    values = {"a10": 28.1, "a9": 9.5, "b": 101.0, "none": float("nan")}
    scores = [
        Score(image, method, {"psnr_y": value + gain})
        for image, value in values.items()
        for method, gain in (("bicubic", 0.0), ("esc", 2.0))
    ]
    metrics = (Metric("psnr_y", "PSNR (Y), dB", 2),)
    pictures = {name: png(colour) for name, colour in COLOURS.items()}
    visual = Visual("Set5", 4, "a10", (40, 30), pictures, Crop((0, 0, 0, 0), {}, {}))
    table = Table("Set5", 4, ("bicubic", "esc"), metrics, tuple(scores))
    crop = Crop((4, 4, 12, 12), pictures, {"esc": png((9, 9, 9), (8, 8))})
    framed = Visual("Set5", 4, "a9", (40, 30), pictures, crop)
    return render_report([table], [visual, framed], Facts("Report", "esc evaluate", {"esc": "1"}))


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture
def page(browser, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(report(), encoding="utf-8")
    browser.get(path.as_uri())
    return browser


def shares(page):
    """How much of the first slider shows each method, by the pixels of its lowest lines."""
    stage = look(page, find(page, ".stage"))
    strip = stage.crop((0, stage.height - 40, stage.width, stage.height - 20))
    counts = {colour: count for count, colour in strip.getcolors(strip.width * strip.height)}
    whole = strip.width * strip.height
    return {name: counts.get(colour, 0) / whole for name, colour in COLOURS.items()}


def test_the_page_opens_without_complaint_and_without_the_network(page, tmp_path):
    assert page.get_log("browser") == []
    assert requests_of(page) == []
    assert broken_pictures(page) == 0
    assert page.save_screenshot(str(tmp_path / "report.png"))
    with Image.open(tmp_path / "report.png") as shot:
        assert shot.size[0] >= 1000
        assert len(shot.convert("RGB").getcolors(1 << 24)) > 50


def test_the_policy_stops_whatever_would_ask_the_network(page):
    script = """
        const done = arguments[0], blocked = [];
        document.addEventListener("securitypolicyviolation", (event) => {
          blocked.push(event.effectiveDirective);
          if (blocked.length === 3) done(blocked.sort());
        });
        new Image().src = "http://localhost:9/a.png";
        fetch("http://localhost:9/").catch(() => {});
        const added = document.createElement("script");
        added.textContent = "window.added = true";
        document.body.append(added);
    """
    page.set_script_timeout(10)
    blocked = page.execute_async_script(script)
    assert blocked == ["connect-src", "img-src", "script-src-elem"]
    assert page.execute_script("return window.added") is None
    page.get_log("browser")


def test_the_keyboard_moves_the_divider(page):
    from selenium.webdriver.common.keys import Keys

    assert shares(page)["bicubic"] == pytest.approx(0.5, abs=0.02)
    find(page, ".stage input").send_keys(Keys.END)
    assert shares(page)["bicubic"] > 0.98
    find(page, ".stage input").send_keys(Keys.ARROW_LEFT * 20)
    assert shares(page)["bicubic"] == pytest.approx(0.8, abs=0.02)
    assert shares(page)["esc"] == pytest.approx(0.2, abs=0.02)


@pytest.mark.parametrize("kind", ["mouse", "touch"])
def test_mouse_and_finger_drag_the_divider(page, kind):
    from selenium.webdriver.common.actions.action_builder import ActionBuilder
    from selenium.webdriver.common.actions.pointer_input import PointerInput

    stage = find(page, ".stage")
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", stage)
    quarter = -int(stage.size["width"]) // 4
    actions = ActionBuilder(page, mouse=PointerInput(kind, kind))
    actions.pointer_action.move_to(stage).pointer_down()
    actions.pointer_action.move_to(stage, quarter // 2).move_to(stage, quarter).pointer_up()
    actions.perform()
    assert shares(page)["bicubic"] == pytest.approx(0.25, abs=0.02)
    assert shares(page)["esc"] == pytest.approx(0.75, abs=0.02)


def test_choosing_methods_changes_the_pictures(page):
    from selenium.webdriver.support.select import Select

    Select(find(page, "select.left")).select_by_visible_text(HR)
    assert shares(page) == pytest.approx({HR: 0.5, "esc": 0.5, "bicubic": 0}, abs=0.02)
    assert find(page, ".tag.left").text == HR
    Select(find(page, "select.right")).select_by_visible_text(HR)
    assert shares(page)[HR] > 0.98


def test_a_click_sorts_the_rows_and_a_second_one_turns_them_round(page):
    assert page.execute_script(ROWS) == ["a10", "a9", "b", "none"]
    column = find(page, 'th[data-column="2"]')
    column.find_element("css selector", "button").click()
    assert column.get_attribute("aria-sort") == "descending"
    assert page.execute_script(ROWS) == ["b", "a10", "a9", "none"]
    column.find_element("css selector", "button").click()
    assert column.get_attribute("aria-sort") == "ascending"
    assert page.execute_script(ROWS) == ["a9", "a10", "b", "none"]


def test_the_keyboard_sorts_by_name_as_people_count(page):
    from selenium.webdriver.common.keys import Keys

    find(page, 'th[data-column="1"] button').send_keys(Keys.ENTER)
    find(page, 'th[data-column="0"] button').send_keys(Keys.ENTER)
    assert page.execute_script(ROWS) == ["a9", "a10", "b", "none"]
    assert len(page.find_elements("css selector", "[aria-sort]")) == 1


def test_the_page_fits_a_telephone(page):
    size = {"width": 400, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        assert page.execute_script("return document.documentElement.scrollWidth") == 400
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_without_scripts_the_page_still_shows_both_pictures_and_hides_dead_controls(page):
    page.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        page.refresh()
        assert shares(page)["bicubic"] == pytest.approx(0.5, abs=0.02)
        assert not find(page, ".controls").is_displayed()
    finally:
        page.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
