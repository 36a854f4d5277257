"""A visitor with a real Chromium, with mouse and keyboard or with fingers on a phone, for the tests of the page."""

from __future__ import annotations

import io
import itertools
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from gi_plugin.arrays import Bools, Bytes

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
DEVICES: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1280, "height": 800}},
    "phone": {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "has_touch": True, "is_mobile": True},
}
MISSING = [name for name in ("starlette", "playwright") if find_spec(name) is None]
NEEDS_CHROMIUM = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}; pip install 'gi-plugin[dev]'"),
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium: apt-get install chromium"),
]
WAIT = 60  # seconds: limit for one action on a busy machine
Place = tuple[float, float]  # across and down, as shares of the shown picture


class Browser:
    """A visitor; places are shares of the shown picture's width and height."""

    def __init__(self, page: Page, device: str) -> None:
        self.page, self.touch = page, device == "phone"
        self.requested, self.script_errors = set[str](), list[str]()
        page.set_default_timeout(1000 * WAIT)
        page.context.on("request", lambda request: self.requested.add(request.url))
        page.on("pageerror", lambda error: self.script_errors.append(str(error)))

    def load(self, path: Path) -> None:
        """Choose a photo and wait until the server has it."""
        self.page.set_input_files("#photo-file", path)
        self.page.get_by_text(f"{path.name} · ").wait_for()

    def press(self, button: str, key: str) -> None:
        """Use a button on the phone, its key on the desktop."""
        if self.touch:
            self.tap(button)
        else:
            self.page.keyboard.press(key)

    def tap(self, selector: str) -> None:
        """Tap a button, or click it."""
        place = self.page.locator(selector)
        place.tap() if self.touch else place.click()

    def drag(self, *places: Place, steps: int = 6) -> None:
        """Drag with the left button or with one finger."""
        points = [self._on_screen(place) for place in places]
        if self.touch:
            return self._fingers([[point] for point in _between(points, steps)])
        self.page.mouse.move(*points[0])
        self.page.mouse.down()
        for point in points[1:]:
            self.page.mouse.move(*point, steps=steps)
        return self.page.mouse.up()

    def zoom(self, place: Place) -> None:
        """Zoom in with the wheel, or with two fingers."""
        x, y = self._on_screen(place)
        if self.touch:
            return self._fingers([[(x - reach, y), (x + reach, y)] for reach in range(20, 70, 8)])
        self.page.mouse.move(x, y)
        return self.page.mouse.wheel(0, -300)

    def move(self, across: float, down: float) -> None:
        """Move the picture by a number of pixels of the screen: with Space, or with two fingers."""
        x, y = self._on_screen((0.5, 0.5))
        if self.touch:
            steps = [(x + across * share / 6, y + down * share / 6) for share in range(7)]
            return self._fingers([[(a - 30, b), (a + 30, b)] for a, b in steps])
        self.page.keyboard.down("Space")
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.mouse.move(x + across, y + down, steps=5)
        self.page.mouse.up()
        return self.page.keyboard.up("Space")

    def fill(self) -> None:
        """Fill, and wait for the result."""
        self.press("#fill", "Enter")
        self.filled()

    def filled(self) -> None:
        """Wait until a running fill has ended."""
        self.page.locator("#progress").wait_for(state="hidden")
        self.page.locator("#stage:not(.busy)").wait_for()

    def settings(self) -> None:
        """Open the settings."""
        if not self.page.locator("#panel").is_visible():
            self.tap("#more")

    def close_settings(self) -> None:
        """Close the settings."""
        if self.page.locator("#panel").is_visible():
            self.tap("#more")

    def download(self, selector: str) -> tuple[str, Bytes]:
        """Press a download button; return the file's name and its pixels."""
        with self.page.expect_download() as started:
            self.tap(selector)
        with Image.open(started.value.path()) as image:
            return started.value.suggested_filename, np.asarray(image)

    def mask(self) -> Bools:
        """Download what is painted."""
        self.settings()
        _, mask = self.download("#download-mask")
        self.close_settings()
        return mask > 0

    def box(self) -> dict[str, float]:
        """Place and size of the shown picture on the screen."""
        box = self.page.locator("#picture").bounding_box()
        assert box
        return dict(box)

    def seen(self) -> Bytes:
        """What is visible on the stage."""
        with Image.open(io.BytesIO(self.page.locator("#stage").screenshot())) as shot:
            return np.asarray(shot.convert("RGB"))

    def _on_screen(self, place: Place) -> tuple[float, float]:
        box = self.box()
        return box["x"] + box["width"] * place[0], box["y"] + box["height"] * place[1]

    def _fingers(self, frames: Sequence[Sequence[tuple[float, float]]]) -> None:
        """Put fingers on the screen, move them and lift them; a frame is where they are."""
        session = self.page.context.new_cdp_session(self.page)
        for number, frame in enumerate(frames):
            points = [{"x": x, "y": y, "id": finger} for finger, (x, y) in enumerate(frame)]
            session.send("Input.dispatchTouchEvent", {"type": "touchMove" if number else "touchStart", "touchPoints": points})
        session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def _between(points: Sequence[tuple[float, float]], steps: int) -> Iterator[tuple[float, float]]:
    yield points[0]
    for start, end in itertools.pairwise(points):
        for step in range(1, steps + 1):
            yield start[0] + (end[0] - start[0]) * step / steps, start[1] + (end[1] - start[1]) * step / steps


@contextmanager
def opened(address: str, device: str, profile: Path) -> Iterator[Browser]:
    """Open the page in a new browser."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  # may not be installed

    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(profile, executable_path=CHROMIUM, args=FLAGS, **DEVICES[device])
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        try:
            browser = Browser(context.new_page(), device)
            browser.page.goto(address)
            yield browser
        finally:
            context.close()
