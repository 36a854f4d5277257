"""The web page in a real Chromium: fifteen actions of a visitor with mouse and keyboard, and with fingers on a phone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlparse

import numpy as np
import pytest
import tifffile
from PIL import Image

import gi_plugin
from gi_plugin.arrays import Bytes
from tests.hooks.pictures import picture
from tests.hooks.web.browser import DEVICES, NEEDS_CHROMIUM, Browser, opened
from tests.hooks.web.web_server import LIMIT, PageServer

PHOTO = np.tile(picture()[0], (5, 6, 1))  # 320 x 480
FILES = """(bytes) => {
  const files = new DataTransfer();
  files.items.add(new File([new Uint8Array(bytes)], "dropped.png", { type: "image/png" }));
  return files;
}"""
pytestmark = NEEDS_CHROMIUM


@pytest.fixture(params=DEVICES)
def browser(request: pytest.FixtureRequest, server: PageServer, tmp_path: Path) -> Iterator[Browser]:
    with opened(server.address, request.param, tmp_path / "profile") as browser:
        yield browser
        outside = {urlparse(url).hostname for url in browser.requested if not url.startswith(("blob:", "data:"))}
        assert outside == {"127.0.0.1"}
        assert browser.script_errors == []


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    Image.fromarray(PHOTO).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_fifteen_actions(browser: Browser, photo: Path, tmp_path: Path) -> None:
    """Each action does what it says; every fill equals the Python call with the mask and the choices that the page shows."""
    browser.load(photo)  # 1
    browser.drag((0.3, 0.5), (0.5, 0.5))  # 2
    first = browser.mask()
    assert first[160, 144:240].all()
    assert 1000 < first.sum() < 20_000
    _larger_brush(browser)  # 3
    browser.drag((0.3, 0.8), (0.5, 0.8))
    both = browser.mask()
    assert both[:200].sum() == first.sum()
    assert both[200:].sum() > 1.5 * first.sum()
    browser.press("#eraser", "e")  # 4
    browser.drag((0.25, 0.8), (0.4, 0.8))
    erased = browser.mask()
    assert erased[200:].sum() < 0.7 * both[200:].sum()
    browser.press("#undo", "Control+z")  # 5
    np.testing.assert_array_equal(browser.mask(), both)
    browser.press("#redo", "Control+y")  # 6
    np.testing.assert_array_equal(browser.mask(), erased)
    whole = browser.box()
    browser.zoom((0.5, 0.5))  # 7
    zoomed = browser.box()
    assert zoomed["width"] > 1.3 * whole["width"]
    browser.move(40, 30)  # 8
    moved = browser.box()
    assert (moved["x"] - zoomed["x"], moved["y"] - zoomed["y"]) == pytest.approx((40, 30), abs=3)
    np.testing.assert_array_equal(browser.mask(), erased)  # neither painted
    browser.tap("#fit")
    assert browser.box() == pytest.approx(whole, abs=1)
    browser.fill()  # 9
    filled = _downloaded(browser)
    np.testing.assert_array_equal(filled, gi_plugin.inpaint(PHOTO, erased, dilate=2))
    browser.press("#compare", "c")  # 10
    _check_divider(browser)
    browser.press("#compare", "c")
    browser.press("#again", "r")  # 11
    browser.filled()
    np.testing.assert_array_equal(_downloaded(browser), gi_plugin.inpaint(PHOTO, erased, dilate=2, seed=1))
    browser.press("#undo", "Control+z")  # 12
    np.testing.assert_array_equal(browser.mask(), erased)
    _masks_go_around(browser, tmp_path, first)  # 13
    browser.settings()  # 14
    browser.tap("text=the network")
    browser.page.locator("#dilate").fill("0")
    browser.close_settings()
    browser.fill()
    assert browser.page.locator("#file").inner_text().count("filled") == 1
    name, filled = browser.download("#download")  # 15
    assert name == "photo-filled.png"
    np.testing.assert_array_equal(filled, gi_plugin.inpaint(PHOTO, first, detail="network"))


def _larger_brush(browser: Browser) -> None:
    size = browser.page.locator("#size")
    before = int(size.input_value())
    if browser.touch:
        size.fill("76")
    else:
        for _ in range(5):
            browser.page.keyboard.press("]")
    assert int(size.input_value()) > 2 * before


def _check_divider(browser: Browser) -> None:
    """Left of the divider is the photo, right of it the result; it can be dragged."""
    box = browser.page.locator("#divider").bounding_box()
    assert box
    everything = browser.seen()
    browser.page.locator("#divider").focus()
    for _ in range(15):
        browser.page.keyboard.press("ArrowLeft")
    result = browser.seen()
    for _ in range(30):
        browser.page.keyboard.press("ArrowRight")
    before = browser.seen()
    assert (result != before).any()
    middle = everything.shape[1] // 2
    here = np.s_[everything.shape[0] // 3 :, : middle - 60], np.s_[everything.shape[0] // 3 :, middle + 60 :]
    assert (
        np.abs(everything[here[0]].astype(int) - before[here[0]]).mean() < np.abs(everything[here[0]].astype(int) - result[here[0]]).mean()
    )
    assert np.abs(everything[here[1]].astype(int) - result[here[1]]).mean() < 2


def _masks_go_around(browser: Browser, folder: Path, mask: Bytes) -> None:
    """Clear, upload, invert twice: the mask is the uploaded file, and an inverted one is its opposite."""
    Image.fromarray(mask).save(folder / "mask.png")
    browser.settings()
    browser.tap("#clear")
    assert browser.page.locator("#fill").is_disabled()
    browser.page.set_input_files("#mask-file", folder / "mask.png")
    browser.page.locator("#fill:enabled").wait_for()
    browser.tap("#invert")
    np.testing.assert_array_equal(browser.mask(), ~mask)
    browser.settings()
    browser.tap("#invert")
    np.testing.assert_array_equal(browser.mask(), mask)


def _downloaded(browser: Browser) -> Bytes:
    return browser.download("#download")[1]


def test_an_example_is_filled(browser: Browser) -> None:
    """A click on an example loads a photo with its mask, and *Fill* fills it."""
    browser.tap("text=Two towers")
    browser.page.locator("#fill:enabled").wait_for()
    before = browser.seen()
    browser.fill()
    assert (browser.seen() != before).any(axis=2).mean() > 0.01
    assert browser.page.get_by_text(re.compile(r"rocket\.jpg.+640.+427.+filled")).is_visible()


def test_errors_are_words_that_go_away(browser: Browser, photo: Path, tmp_path: Path) -> None:
    """A file that is no picture, a photo that is too large, a mask of another size: each is said in a sentence that can be closed."""
    (tmp_path / "notes.png").write_text("no picture", encoding="utf-8")
    browser.page.set_input_files("#photo-file", tmp_path / "notes.png")
    browser.page.get_by_text("notes.png: cannot be read as a picture: unknown format, or the file is damaged").wait_for()
    browser.tap(".message button")
    assert browser.page.locator(".message").count() == 0
    Image.fromarray(np.zeros((LIMIT // 1000 + 1, 1000), np.uint8)).save(tmp_path / "huge.png")
    browser.page.set_input_files("#photo-file", tmp_path / "huge.png")
    browser.page.get_by_text("huge.png: has 1000 x 2001 pixels, the limit is 2000000").wait_for()
    browser.load(photo)
    assert browser.page.locator(".message").count() == 0
    Image.fromarray(np.ones((10, 10), bool)).save(tmp_path / "mask.png")
    browser.page.set_input_files("#mask-file", tmp_path / "mask.png")
    browser.page.get_by_text("mask.png: has 10 x 10 pixels, the photo has 480 x 320: use a mask of the same size").wait_for()


def test_a_photo_stays_if_the_next_one_cannot_be_read(browser: Browser, photo: Path, tmp_path: Path) -> None:
    """What was filled and painted is still there, and can be undone and filled, after a file that is no picture was chosen."""
    browser.load(photo)
    browser.drag((0.3, 0.5), (0.5, 0.5))
    browser.fill()
    browser.drag((0.3, 0.2), (0.5, 0.2))
    mask, seen = browser.mask(), browser.seen()
    (tmp_path / "notes.png").write_text("no picture", encoding="utf-8")
    browser.page.set_input_files("#photo-file", tmp_path / "notes.png")
    browser.page.get_by_text("notes.png: cannot be read as a picture").wait_for()
    browser.tap(".message button")
    np.testing.assert_array_equal(browser.mask(), mask)
    np.testing.assert_array_equal(browser.seen(), seen)
    browser.fill()
    assert browser.page.locator("#undo:enabled").count() == 1
    assert _downloaded(browser).shape == PHOTO.shape


def test_a_fill_is_cancelled(browser: Browser, photo: Path, server: PageServer) -> None:
    """*Cancel* ends a running fill: what was painted stays, and the next fill works."""
    browser.load(photo)
    browser.drag((0.3, 0.5), (0.5, 0.5))
    mask = browser.mask()
    with server.hold() as held:
        browser.press("#fill", "Enter")
        browser.page.locator("#fill:text('Cancel')").wait_for()
        while not held.exists():
            browser.page.wait_for_timeout(50)
        browser.press("#fill", "Escape")
        browser.page.locator("#fill:text('Fill')").wait_for()
    np.testing.assert_array_equal(browser.mask(), mask)
    browser.fill()
    np.testing.assert_array_equal(_downloaded(browser), gi_plugin.inpaint(PHOTO, mask, dilate=2))


def test_a_scan_of_16_bits_is_shown_and_kept(browser: Browser, tmp_path: Path) -> None:
    """A TIFF of 16 bits, which no browser shows, is painted on by a preview, and the download is a TIFF of 16 bits."""
    deep = PHOTO.astype(np.uint16) * 257
    tifffile.imwrite(tmp_path / "scan.tif", deep, photometric="rgb")
    browser.load(tmp_path / "scan.tif")
    browser.page.locator("#picture").wait_for()
    assert browser.seen().std() > 10
    browser.drag((0.3, 0.5), (0.5, 0.5))
    mask = browser.mask()
    browser.fill()
    with browser.page.expect_download() as started:
        browser.tap("#download")
    np.testing.assert_array_equal(tifffile.imread(started.value.path()), gi_plugin.inpaint(deep, mask, dilate=2))


def test_a_large_photo_is_filled_at_full_size(browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A JPEG becomes a JPEG of the same size; without loss it becomes a PNG whose known pixels are those of the file."""
    monkeypatch.chdir(tmp_path)
    large = np.tile(picture(3)[0], (16, 20, 1))  # 1024 x 1600
    Image.fromarray(large).save("large.jpg", quality=92)
    browser.load(tmp_path / "large.jpg")
    browser.drag((0.3, 0.5), (0.4, 0.5))
    mask = browser.mask()
    browser.fill()
    name, _ = browser.download("#download")
    browser.settings()
    browser.tap("#lossless")
    lossless, filled = browser.download("#download")
    assert (name, lossless) == ("large-filled.jpg", "large-filled.png")
    with Image.open("large.jpg") as image:
        np.testing.assert_array_equal(filled, gi_plugin.inpaint(np.asarray(image), mask, dilate=2))


def test_a_second_photo_is_dropped_and_pasted(browser: Browser, photo: Path, server: PageServer) -> None:
    """A dropped or pasted picture replaces the photo, and the one before is deleted from the server."""
    stored: Callable[[], set[Path]] = lambda: set((server.folder / "tmp").glob("*/photos/*"))  # noqa: E731  # short
    others = stored()
    browser.load(photo)
    files = browser.page.evaluate_handle(FILES, list(photo.read_bytes()))
    for give in ("drop", "paste"):
        (before,) = stored() - others
        browser.drag((0.3, 0.5), (0.5, 0.5))
        files.evaluate(give_event(give))
        while before in stored() or len(stored() - others) != 1:
            browser.page.wait_for_timeout(50)
        browser.page.get_by_text(re.compile(r"dropped\.png +· +480")).wait_for()
        browser.page.locator("#fill:disabled").wait_for()


def give_event(kind: str) -> str:
    """The script that gives files to the page."""
    event = {"drop": 'DragEvent("drop", { dataTransfer: files', "paste": 'ClipboardEvent("paste", { clipboardData: files'}[kind]
    return f"(files) => document.body.dispatchEvent(new {event}, bubbles: true, cancelable: true }}))"
