"""The web page's server, as `gi-plugin ui` starts it: many visitors at once, what it refuses, and that it keeps to itself."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import gi_plugin
from gi_plugin.arrays import Array
from gi_plugin.hooks.web.page import is_loopback
from tests.hooks.pictures import Bools, Bytes, picture
from tests.hooks.web import web_server
from tests.hooks.web.web_server import Server

if find_spec("gradio") is None:
    pytest.skip("gradio is not installed: pip install 'gi-plugin[ui]'", allow_module_level=True)

import httpx
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

VISITORS = 20
LIMIT = 2_000_000  # pixels
SETTINGS = f"[hook]\nmax_pixels = {LIMIT}\n"
GROWTH = 150 * 2**20  # bytes of memory for 20 visitors beyond what one needs; together their pictures would need 700 MiB
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with web_server.running(tmp_path_factory.mktemp("server"), SETTINGS) as running:
        yield running


class Visitor:
    """Somebody who uses the page by Gradio's own client."""

    def __init__(self, server: Server, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self._client = Client(
            server.address, verbose=False, analytics_enabled=False, download_files=str(folder), httpx_kwargs={"timeout": 300}
        )

    def load(self, photo: Array | bytes, name: str = "photo.png") -> dict[str, Any]:
        """Upload a photo; what the editor shows."""
        path = self._folder / name
        if isinstance(photo, bytes):
            path.write_bytes(photo)
        else:
            Image.fromarray(photo).save(path)
        shown: dict[str, Any] = self._client.predict(handle_file(path), api_name="/load")
        return shown

    def fill(self, mask: Bools) -> tuple[Bytes, Bools, str]:
        """Paint and fill; the download, the mask, and what the page says of it."""
        layer = np.zeros((*mask.shape, 4), np.uint8)
        layer[mask] = 255
        Image.fromarray(layer).save(self._folder / "layer.png")
        painting = {"background": None, "layers": [handle_file(self._folder / "layer.png")], "composite": None}
        _, _, report, download, painted = self._client.predict(painting, api_name="/fill")
        return _pixels(download["value"]), _pixels(painted["value"]) > 0, report

    def go_on(self) -> None:
        """Take the result as the photo."""
        self._client.predict(api_name="/go_on")


def _pixels(path: str) -> Bytes:
    with Image.open(path) as image:
        return np.asarray(image)


def _large(seed: int) -> tuple[Bytes, Bools]:
    """A photo of 1.5 megapixels that is like no other, and a small hole in it."""
    image, mask = picture(seed)
    large, hole = np.tile(image, (16, 19, 1)), np.zeros((1024, 1520), bool)
    hole[500 : 500 + mask.shape[0], 700 : 700 + mask.shape[1]] = mask
    return large, hole


def test_twenty_visitors_at_once(server: Server, tmp_path: Path) -> None:
    """All are answered, each with their own photo filled, and the server needs hardly more memory than for one."""

    def visit(seed: int, start: threading.Barrier) -> tuple[Bytes, Bools, str]:
        visitor, (photo, hole) = Visitor(server, tmp_path / str(seed)), _large(seed)
        start.wait()
        visitor.load(photo)
        return visitor.fill(hole)

    visit(VISITORS, threading.Barrier(1))
    before, together = server.peak, threading.Barrier(VISITORS)
    with ThreadPoolExecutor(VISITORS) as pool:
        answers = list(pool.map(visit, range(VISITORS), repeat(together)))
    for seed, (filled, painted, report) in enumerate(answers):
        photo, hole = _large(seed)
        np.testing.assert_array_equal(painted, hole)
        np.testing.assert_array_equal(filled, gi_plugin.inpaint(photo, hole))
        assert re.fullmatch(r"Filled 192 pixels in \d+\.\d\d s\.", report)
    assert server.peak - before < GROWTH


def test_more_than_can_wait_are_refused(server: Server, tmp_path: Path) -> None:
    """While one photo is filled and the line behind it is full, the next one is told so."""
    visitor, (photo, _) = Visitor(server, tmp_path), _large(0)
    visitor.load(photo)
    many = np.zeros(photo.shape[:2], bool)
    many[100:1000:150, 100:1500:150] = True  # 60 holes: some seconds
    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(visitor.fill, many)
        answers = [_join(server, "load", None, f"visit{number}") for number in range(60)]
        assert not working.done()
        filled, _, _ = working.result()
    refused = [answer for answer in answers if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE]
    assert len(answers) - len(refused) in (32, 33)
    assert all(answer.json()["detail"].startswith("Queue is full.") for answer in refused)
    np.testing.assert_array_equal(filled[~many], photo[~many])


def test_a_second_round_starts_from_the_result(server: Server, tmp_path: Path) -> None:
    """What is painted in the second round is filled in the result of the first."""
    visitor, (image, mask) = Visitor(server, tmp_path), picture()
    visitor.load(image)
    first, _, _ = visitor.fill(mask)
    visitor.go_on()
    second, again, _ = visitor.fill(np.roll(mask, -20, axis=1))
    np.testing.assert_array_equal(second, gi_plugin.inpaint(first, again))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize(
    ("photo", "mask", "said"),
    [
        (None, picture()[1], "there is no photo: load one first"),
        (picture()[0], np.zeros((64, 80), bool), "nothing is painted"),
        (picture()[0], np.ones((64, 80), bool), "mask marks every pixel as missing"),
        (np.zeros((1001, 2000), np.uint8), None, r"photo\.png: has 2000 x 1001 pixels, the limit is 2000000 in all"),
        (b"\x89PNG\r\n\x1a\n, and no more", None, r"photo\.png: cannot be read as a picture"),
    ],
    ids=["no photo", "nothing painted", "all painted", "too large", "broken"],
)
def test_what_is_wrong_is_told(server: Server, tmp_path: Path, photo: Array | bytes | None, mask: Bools | None, said: str) -> None:
    """A visitor sees the text of our error."""
    visitor = Visitor(server, tmp_path)
    with pytest.raises(AppError, match=f"^{said}"):  # noqa: PT012  # the one or the other
        if photo is not None:
            visitor.load(photo)
        if mask is not None:
            visitor.fill(mask)


def test_there_is_nothing_to_go_on_with(server: Server, tmp_path: Path) -> None:
    """Without a result the button's action says so."""
    with pytest.raises(AppError, match="there is no result"):
        Visitor(server, tmp_path).go_on()


@pytest.mark.parametrize(
    ("method", "address", "status"),
    [
        ("GET", "", 200),
        ("GET", "theme.css", 200),
        ("GET", "gradio_api/file=/etc/hostname", 403),
        ("GET", "gradio_api/file=http://127.0.0.1:9/", 404),
        ("GET", "gradio_api/proxy=http://127.0.0.1:9/", 404),
        ("GET", "gradio_api/deep_link?session_hash=a", 404),
        ("GET", "monitoring", 404),
        ("GET", "docs", 404),
        ("POST", "gradio_api/run/fill", 404),
        ("POST", "gradio_api/call/fill", 404),
        ("POST", "gradio_api/component_server", 404),
    ],
)
def test_the_gate(server: Server, method: str, address: str, status: int) -> None:
    """The page's own addresses answer; what else Gradio offers, and files outside of the server's folder, do not."""
    assert httpx.request(method, server.address + address).status_code == status


def test_long_requests_are_refused(server: Server) -> None:
    """Only uploads may be large."""
    assert _join(server, "load", "x" * 2**20).status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE


def test_files_above_the_limit_are_refused(server: Server) -> None:
    """An upload of more than 300 MB ends with a message, and nothing of it stays."""
    answer = httpx.post(f"{server.address}gradio_api/upload", files={"files": ("photo.png", _Zeros(301 * 2**20))}, timeout=120)
    assert (answer.status_code, answer.text) == (413, f"File size exceeded maximum allowed size of {300 * 2**20} bytes.")
    assert sum(path.stat().st_size for path in (server.folder / "tmp").rglob("*") if path.is_file()) < 100 * 2**20


def test_only_uploaded_files_are_taken(server: Server, tmp_path: Path) -> None:
    """A request cannot make the server read a picture that was not uploaded to it, or fetch one."""
    Image.fromarray(picture()[0]).save(tmp_path / "mine.png")
    assert _join(server, "load", {"path": str(tmp_path / "mine.png"), "meta": {"_type": "gradio.FileData"}}, "thief").is_success
    told = httpx.get(f"{server.address}gradio_api/queue/data?session_hash=thief", timeout=60).text
    assert '"success":false' in told
    answer = _join(server, "load", {"path": "http://127.0.0.1:9/photo.png", "meta": {"_type": "gradio.FileData"}})
    assert (answer.status_code, answer.text) == (403, "Files are uploaded, not fetched from an address.")


def test_nobody_else_is_asked(server: Server, tmp_path: Path) -> None:
    """The page names no other host's scripts, styles or pictures, and the server has connected to and looked up this machine only."""
    visitor, (image, mask) = Visitor(server, tmp_path), picture()
    visitor.load(image)
    visitor.fill(mask)
    page = httpx.get(server.address).text
    assert "gradio_config" in page
    assert re.findall(r"""<(?:script|link|img|iframe)[^>]*(?:src|href)=["']?(?:https?:)?//[^>]*""", page) == []
    assert re.findall(r"fonts\.g|@import", httpx.get(f"{server.address}theme.css").text) == []
    assert server.calls
    assert [call for call in server.calls if not re.search(r"'(127\.0\.0\.1|localhost)'", call)] == []


def test_it_ends_clean(tmp_path: Path) -> None:
    """`kill` ends it with exit code 0, and every picture is deleted; a second one on its port says that it is taken."""
    with web_server.running(tmp_path / "server", SETTINGS) as server:
        visitor = Visitor(server, tmp_path / "visitor")
        visitor.load(picture()[0])
        assert [path for path in (server.folder / "tmp").rglob("*.png") if path.name == "photo.png"]
        second = web_server.start(tmp_path / "second", SETTINGS, "--port", server.address.rstrip("/").rpartition(":")[2])
        assert second.wait(web_server.PATIENCE) == 2
        assert "error: the page cannot be served at 127.0.0.1, port" in (tmp_path / "second" / "said.txt").read_text(encoding="utf-8")
        assert server.stop() == 0
        for folder in (server.folder, tmp_path / "second"):
            assert [path for path in (folder / "tmp").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("localhost", True),
        ("::1", True),
        ("127.1.2.3", True),
        ("0.0.0.0", False),  # noqa: S104
        ("192.168.1.7", False),
        ("::", False),
    ],
)
def test_is_loopback(host: str, expected: bool) -> None:
    """Who can reach an address is known before it is listened on."""
    assert is_loopback(host) == expected


class _Zeros:
    """A file of zeros that is not in memory."""

    def __init__(self, size: int) -> None:
        self._left = size

    def read(self, size: int = -1) -> bytes:
        part = self._left if size < 0 else min(size, self._left)
        self._left -= part
        return bytes(part)


def _join(server: Server, name: str, value: object, visit: str = "visit") -> httpx.Response:
    """Ask for a step of the page by hand."""
    steps = httpx.get(f"{server.address}config").json()["dependencies"]
    number = next(step["id"] for step in steps if step["api_name"] == name)
    body = json.dumps({"data": [value], "fn_index": number, "session_hash": visit})
    return httpx.post(f"{server.address}gradio_api/queue/join", content=body, headers={"content-type": "application/json"}, timeout=60)
