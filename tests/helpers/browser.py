"""A real browser, Chromium without a window, where there is one."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")
DRIVER = shutil.which("chromedriver")
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --window-size=1100,900"
)
needs_chromium = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="chromium and chromedriver (chromium-driver) not installed"
)


@contextmanager
def chromium(profile: Path) -> Iterator[Any]:
    """The browser, with a profile of its own."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for flag in (*FLAGS.split(), f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    try:
        yield browser
    finally:
        browser.quit()


def find(page: Any, selector: str) -> Any:
    return page.find_element("css selector", selector)


def look(page: Any, element: Any) -> Image.Image:
    """An element as it is drawn."""
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
    return Image.open(io.BytesIO(element.screenshot_as_png)).convert("RGB")


def requests_of(page: Any) -> list[str]:
    """What the page has asked for besides itself and the pictures inside of it."""
    entries = "return performance.getEntriesByType('resource').map((e) => e.name)"
    return [name for name in page.execute_script(entries) if not name.startswith("data:")]


def broken_pictures(page: Any) -> int:
    """How many pictures could not be shown."""
    script = "return [...document.images].filter((i) => i.complete && !i.naturalWidth).length"
    return int(page.execute_script(script))
