"""The web page in a real browser: load a photo, paint with the mouse, fill and download, in two rounds."""

from __future__ import annotations

import io
import shutil
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlparse

import numpy as np
import pytest
from PIL import Image

import gi_plugin
from gi_plugin.arrays import Array, Bytes
from gi_plugin.config import Detail
from tests.hooks.pictures import picture
from tests.hooks.web.web_server import PATIENCE, PageServer

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
BRUSH = (255, 45, 85)
MISSING = [name for name in ("gradio", "playwright") if find_spec(name) is None]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}; pip install 'gi-plugin[dev]'"),
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium: apt-get install chromium"),
]


class Browser:
    """A visitor with a browser and a mouse."""

    def __init__(self, page: Page, address: str) -> None:
        self.page, self.requested, self.script_errors = page, set[str](), list[str]()
        page.set_default_timeout(1000 * PATIENCE)
        page.context.on("request", lambda request: self.requested.add(request.url))
        page.on("pageerror", lambda error: self.script_errors.append(str(error)))
        page.goto(address)

    def load(self, path: Path) -> None:
        """Choose a file and wait until the editor shows it."""
        self.page.set_input_files("input[type=file]", path)
        self._until(lambda seen: bool(seen.std() > 10), "the photo is not shown")

    def paint(self, height: float) -> None:
        """Draw a short stroke in the middle of the picture.

        :param height: of the stroke, as a share of the picture's height.
        """
        box = self.page.locator("canvas").first.bounding_box()
        assert box
        across, down = box["x"] + box["width"] / 2, box["y"] + box["height"] * height
        self.page.mouse.move(across - 20, down)
        self.page.mouse.down()
        self.page.mouse.move(across + 20, down, steps=5)
        self.page.mouse.up()
        self._until(lambda seen: _painted(seen) > 100, "no stroke is shown")

    def choose(self, origin: str, number: int) -> None:
        """Choose where the pixels come from, and the number of the result."""
        self.page.get_by_label(origin, exact=True).check()
        self.page.get_by_label("Another number gives another result").fill(str(number))

    def fill(self) -> str:
        """Press *Fill*, wait for the result and return the report."""
        report = self.page.get_by_text("pixels in")
        before = report.inner_text() if report.count() else ""
        self.page.get_by_role("button", name="Fill", exact=True).click()
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if report.count() and report.inner_text() != before:
                return report.inner_text()
            self.page.wait_for_timeout(200)
        raise AssertionError(self.page.inner_text("body"))

    def download(self, button: str) -> tuple[str, Bytes]:
        """Press a download button; return the file's name and its pixels."""
        with self.page.expect_download() as started:
            self.page.get_by_role("button", name=button, exact=True).click()
        with Image.open(started.value.path()) as image:
            return started.value.suggested_filename, np.asarray(image)

    def go_on(self) -> None:
        """Press *Go on with the result* and wait until the editor shows it."""
        self.page.get_by_role("button", name="Go on with the result").click()
        self._until(lambda seen: bool(seen.std() > 10) and _painted(seen) == 0, "the result is not shown")

    def _until(self, expected: Callable[[Array], bool], otherwise: str) -> None:
        """Wait until the middle of the editor looks as expected; `otherwise` is the message if it never does."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            with Image.open(io.BytesIO(self.page.locator("canvas").first.screenshot())) as shot:
                width, height = shot.size
                middle = shot.convert("RGB").crop((width // 4, height // 4, 3 * width // 4, 3 * height // 4))
            if expected(np.asarray(middle).astype(int)):
                return
            self.page.wait_for_timeout(200)
        raise AssertionError(f"{otherwise}; the page says: {self.page.inner_text('body')}")


def _painted(seen: Array) -> int:
    return int((np.abs(seen - BRUSH).max(axis=2) < 8).sum())


@pytest.fixture
def browser(server: PageServer, tmp_path: Path) -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  # may not be installed

    with sync_playwright() as playwright:
        window = {"width": 1280, "height": 1000}
        chromium = playwright.chromium.launch_persistent_context(
            tmp_path / "profile", executable_path=CHROMIUM, args=FLAGS, viewport=window
        )
        yield Browser(chromium.new_page(), server.address)
        chromium.close()


def test_a_photo_is_painted_on_and_filled_twice(browser: Browser, tmp_path: Path) -> None:
    """The downloads equal the Python call with the chosen detail and seed; only this machine is contacted, and no script fails."""
    photo = np.tile(picture()[0], (5, 6, 1))  # 320 x 480
    Image.fromarray(photo).save(tmp_path / "photo.png")
    browser.load(tmp_path / "photo.png")
    rounds: list[tuple[float, str, Detail, int]] = [(0.45, "the network", "network", 0), (0.6, "the photo", "transfer", 2)]
    for height, origin, detail, seed in rounds:
        browser.paint(height)
        browser.choose(origin, seed)
        report = browser.fill()
        name, filled = browser.download("Download")
        mask_name, mask = browser.download("Download the mask")
        hole = mask > 0
        assert (name, mask_name) == ("photo-filled.png", "photo-mask.png")
        assert 200 < hole.sum() < 20_000
        assert report.startswith(f"Filled {hole.sum():,} pixels in ")
        np.testing.assert_array_equal(filled[~hole], photo[~hole])
        np.testing.assert_array_equal(filled, gi_plugin.inpaint(photo, mask, detail=detail, seed=seed))
        photo = filled
        browser.go_on()
    assert {urlparse(url).hostname for url in browser.requested if not url.startswith(("blob:", "data:"))} == {"127.0.0.1"}
    assert browser.script_errors == []


def test_the_browser_shows_errors(browser: Browser, tmp_path: Path) -> None:
    """Filling with nothing painted, and a file that is no picture: both messages are shown."""
    Image.fromarray(np.tile(picture()[0], (5, 6, 1))).save(tmp_path / "photo.png")
    browser.load(tmp_path / "photo.png")
    browser.page.get_by_role("button", name="Fill", exact=True).click()
    browser.page.get_by_text("nothing is painted: paint over the part to fill").wait_for()
    (tmp_path / "notes.png").write_text("no picture", encoding="utf-8")
    browser.page.get_by_role("button", name="Clear", exact=True).first.click()
    browser.page.set_input_files("input[type=file]", tmp_path / "notes.png")
    browser.page.get_by_text("notes.png: cannot be read as a picture: unknown format, or the file is damaged").wait_for()
