"""The server of the web page as `gi-plugin ui` starts it: many visitors at once, refused requests, no connection to other machines."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import gi_plugin
from gi_plugin.arrays import Array, Bools, Bytes
from gi_plugin.hooks.web.page import is_loopback
from tests.hooks.pictures import picture
from tests.hooks.web import web_server
from tests.hooks.web.web_server import SETTINGS, PageServer

if find_spec("gradio") is None:
    pytest.skip("gradio is not installed: pip install 'gi-plugin[ui]'", allow_module_level=True)

import httpx
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

VISITORS = 20
WAITING = 32  # requests that the queue holds
GROWTH = 150 * 2**20  # bytes of memory that 20 visitors may need beyond one visitor; all their pictures at once would need 700 MiB
pytestmark = pytest.mark.slow


class Visitor:
    """A visitor who uses the page through Gradio's own client."""

    def __init__(self, server: PageServer, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self._client = Client(
            server.address,
            verbose=False,
            analytics_enabled=False,
            download_files=str(folder),
            ssl_verify=False,  # the page is served by http: loading certificates for each request only takes time
            httpx_kwargs={"timeout": 300},
        )

    def load(self, photo: Array | bytes, name: str = "photo.png") -> dict[str, Any]:
        """Upload a photo and return the content of the editor."""
        path = self._folder / name
        if isinstance(photo, bytes):
            path.write_bytes(photo)
        else:
            Image.fromarray(photo).save(path)
        shown: dict[str, Any] = self._client.predict(handle_file(path), api_name="/load")
        return shown

    def fill(self, mask: Bools, **choices: Any) -> tuple[Bytes, Bools, str]:
        """Paint a mask and fill; return the downloaded picture, the downloaded mask and the report.

        :param choices: `detail` and `seed`; by default what the page shows first.
        """
        layer = np.zeros((*mask.shape, 4), np.uint8)
        layer[mask] = 255
        Image.fromarray(layer).save(self._folder / "layer.png")
        painting = {"background": None, "layers": [handle_file(self._folder / "layer.png")], "composite": None}
        _, _, report, download, painted = self._client.predict(painting, api_name="/fill", **choices)
        return _pixels(download["value"]), _pixels(painted["value"]) > 0, report

    def go_on(self) -> None:
        """Press *Go on with the result*."""
        self._client.predict(api_name="/go_on")


def _pixels(path: str) -> Bytes:
    with Image.open(path) as image:
        return np.asarray(image)


def _large(seed: int) -> tuple[Bytes, Bools]:
    """A photo of 1.5 megapixels, different for every seed, and the mask of a small hole."""
    image, mask = picture(seed)
    large, hole = np.tile(image, (16, 19, 1)), np.zeros((1024, 1520), bool)
    hole[500 : 500 + mask.shape[0], 700 : 700 + mask.shape[1]] = mask
    return large, hole


def test_twenty_visitors_at_once(server: PageServer, tmp_path: Path) -> None:
    """All visitors get their own photo back, filled, and the server needs little more memory than for one visitor."""

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


def test_more_than_can_wait_are_refused(server: PageServer, tmp_path: Path) -> None:
    """While one fill runs and the queue is full, further requests are refused with a message; the fill itself succeeds."""
    visitor, (photo, mask) = Visitor(server, tmp_path), picture()
    visitor.load(photo)
    with ThreadPoolExecutor(1) as pool, httpx.Client(timeout=60) as client:
        with server.hold() as held:
            running = pool.submit(visitor.fill, mask)
            _wait_for(held)
            step = _step_number(server, "load")
            answers = [_join(server, step, None, f"visit{number}", client.post) for number in range(WAITING + 5)]
            assert not running.done()
        filled, _, _ = running.result()
    assert [answer.status_code for answer in answers] == WAITING * [httpx.codes.OK] + 5 * [httpx.codes.SERVICE_UNAVAILABLE]
    assert all(answer.json()["detail"].startswith("Queue is full.") for answer in answers[WAITING:])
    np.testing.assert_array_equal(filled, gi_plugin.inpaint(photo, mask))


@pytest.mark.parametrize("choices", [{"detail": "network"}, {"seed": 7}])
def test_a_visitor_chooses_detail_and_seed(server: PageServer, tmp_path: Path, choices: dict[str, Any]) -> None:
    """The choices of the page are the options of the Python call, and change the result."""
    visitor, (image, mask) = Visitor(server, tmp_path), picture()
    visitor.load(image)
    filled, _, _ = visitor.fill(mask, **choices)
    np.testing.assert_array_equal(filled, gi_plugin.inpaint(image, mask, **choices))
    assert not np.array_equal(filled, visitor.fill(mask)[0])


@pytest.mark.parametrize("choices", [{"detail": "paint"}, {"seed": -1}, {"seed": 2**31}])
def test_other_choices_are_refused(server: PageServer, tmp_path: Path, choices: dict[str, Any]) -> None:
    """Values that the page does not offer are an error, and the next fill works."""
    visitor, (image, mask) = Visitor(server, tmp_path), picture()
    visitor.load(image)
    with pytest.raises(AppError):
        visitor.fill(mask, **choices)
    visitor.fill(mask)


def test_a_second_round_starts_from_the_result(server: PageServer, tmp_path: Path) -> None:
    """The second round fills the result of the first."""
    visitor, (image, mask) = Visitor(server, tmp_path), picture()
    visitor.load(image)
    first, _, _ = visitor.fill(mask)
    visitor.go_on()
    second, again, _ = visitor.fill(np.roll(mask, -20, axis=1))
    np.testing.assert_array_equal(second, gi_plugin.inpaint(first, again))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize(
    ("photo", "mask", "message"),
    [
        (None, picture()[1], "there is no photo: load one first"),
        (picture()[0], np.zeros((64, 80), bool), "nothing is painted"),
        (picture()[0], np.ones((64, 80), bool), "mask marks every pixel as missing"),
        (np.zeros((1001, 2000), np.uint8), None, r"photo\.png: has 2000 x 1001 pixels, the limit is 2000000 in all"),
        (b"\x89PNG\r\n\x1a\n, and no more", None, r"photo\.png: cannot be read as a picture"),
    ],
    ids=["no photo", "nothing painted", "all painted", "too large", "broken"],
)
def test_errors_are_shown(server: PageServer, tmp_path: Path, photo: Array | bytes | None, mask: Bools | None, message: str) -> None:
    """A visitor sees the text of our error."""
    visitor = Visitor(server, tmp_path)
    with pytest.raises(AppError, match=f"^{message}"):  # noqa: PT012  # either call may raise
        if photo is not None:
            visitor.load(photo)
        if mask is not None:
            visitor.fill(mask)


def test_going_on_without_a_result_is_an_error(server: PageServer, tmp_path: Path) -> None:
    """*Go on with the result* before the first fill shows an error."""
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
def test_the_gate(server: PageServer, method: str, address: str, status: int) -> None:
    """The addresses of the page answer; Gradio's other addresses, and files outside the server's folder, are refused."""
    assert httpx.request(method, server.address + address).status_code == status


def test_long_requests_are_refused(server: PageServer) -> None:
    """A request other than an upload must not be larger than 1 MiB."""
    assert _join(server, _step_number(server, "load"), "x" * 2**20).status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE


def test_files_above_the_limit_are_refused(server: PageServer) -> None:
    """An upload of more than 300 MB is refused with a message, and no part of it stays on the disk."""
    answer = httpx.post(f"{server.address}gradio_api/upload", files={"files": ("photo.png", _Zeros(301 * 2**20))}, timeout=120)
    assert (answer.status_code, answer.text) == (413, f"File size exceeded maximum allowed size of {300 * 2**20} bytes.")
    assert sum(path.stat().st_size for path in (server.folder / "tmp").rglob("*") if path.is_file()) < 100 * 2**20


def test_only_uploaded_files_are_taken(server: PageServer, tmp_path: Path) -> None:
    """A request cannot make the server read a picture that was not uploaded, or download one."""
    Image.fromarray(picture()[0]).save(tmp_path / "mine.png")
    step = _step_number(server, "load")
    assert _join(server, step, {"path": str(tmp_path / "mine.png"), "meta": {"_type": "gradio.FileData"}}, "thief").is_success
    events = httpx.get(f"{server.address}gradio_api/queue/data?session_hash=thief", timeout=60).text
    assert '"success":false' in events
    answer = _join(server, step, {"path": "http://127.0.0.1:9/photo.png", "meta": {"_type": "gradio.FileData"}})
    assert (answer.status_code, answer.text) == (403, "Files are uploaded, not fetched from an address.")


def test_no_other_machine_is_contacted(server: PageServer, tmp_path: Path) -> None:
    """The page names no scripts, styles or pictures of other hosts, and the server has connected to and looked up this machine only."""
    visitor, (image, mask) = Visitor(server, tmp_path), picture()
    visitor.load(image)
    visitor.fill(mask)
    page = httpx.get(server.address).text
    assert "gradio_config" in page
    assert re.findall(r"""<(?:script|link|img|iframe)[^>]*(?:src|href)=["']?(?:https?:)?//[^>]*""", page) == []
    assert re.findall(r"fonts\.g|@import", httpx.get(f"{server.address}theme.css").text) == []
    assert server.calls
    assert [call for call in server.calls if not re.search(r"'(127\.0\.0\.1|localhost)'", call)] == []


def test_it_ends_clean(engine_cache: str, tmp_path: Path) -> None:
    """SIGTERM ends the server with exit code 0, and every picture is deleted."""
    with web_server.running(tmp_path / "server", SETTINGS, engine_cache) as server:
        Visitor(server, tmp_path / "visitor").load(picture()[0])
        assert [path for path in (server.folder / "tmp").rglob("*.png") if path.name == "photo.png"]
        assert server.stop() == 0
        assert [path for path in (server.folder / "tmp").rglob("*") if path.is_file()] == []


def test_a_port_in_use_is_an_error(server: PageServer, engine_cache: str, tmp_path: Path) -> None:
    """A second server on the same port ends with exit code 2, a message, and no file left behind."""
    port = server.address.rstrip("/").rpartition(":")[2]
    second = web_server.start(tmp_path / "second", SETTINGS, engine_cache, "--port", port)
    assert second.wait(web_server.PATIENCE) == 2
    output = (tmp_path / "second" / "output.txt").read_text(encoding="utf-8")
    assert "error: the page cannot be served at 127.0.0.1, port" in output
    assert [path for path in (tmp_path / "second" / "tmp").rglob("*") if path.is_file()] == []


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
    """Addresses that only this machine can reach are recognised."""
    assert is_loopback(host) == expected


class _Zeros:
    """A file of zeros that takes no memory."""

    def __init__(self, size: int) -> None:
        self._left = size

    def read(self, size: int = -1) -> bytes:
        part = self._left if size < 0 else min(size, self._left)
        self._left -= part
        return bytes(part)


def _step_number(server: PageServer, name: str) -> int:
    """Gradio's number of a function of the page."""
    steps = httpx.get(f"{server.address}config").json()["dependencies"]
    return next(int(step["id"]) for step in steps if step["api_name"] == name)


def _join(
    server: PageServer, step: int, value: object, visit: str = "visit", post: Callable[..., httpx.Response] = httpx.post
) -> httpx.Response:
    """Send a raw request to the queue, without Gradio's client."""
    body = json.dumps({"data": [value], "fn_index": step, "session_hash": visit})
    address, headers = f"{server.address}gradio_api/queue/join", {"content-type": "application/json"}
    return post(address, content=body, headers=headers, timeout=60)


def _wait_for(path: Path) -> None:
    """Wait until a file exists."""
    end = time.monotonic() + web_server.PATIENCE
    while not path.exists():
        assert time.monotonic() < end, f"{path} does not appear"
        time.sleep(0.02)
