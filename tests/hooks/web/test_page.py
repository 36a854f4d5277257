"""The server of the page as `gi-plugin ui` starts it: many visitors at once, refused requests, no connection to other machines."""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gi_plugin
from gi_plugin.arrays import Array, Bools, Bytes
from tests.hooks.pictures import picture
from tests.hooks.web import web_server
from tests.hooks.web.web_server import SETTINGS, PageServer

MISSING = [name for name in ("starlette", "uvicorn", "httpx") if find_spec(name) is None]
if MISSING:
    pytest.skip(f"not installed: {', '.join(MISSING)}; pip install 'gi-plugin[dev]'", allow_module_level=True)

import httpx  # noqa: E402  # may not be installed

from tests.hooks.web.visitor import Visitor, png  # noqa: E402  # as above

VISITORS = 20
WAITING = 32  # requests that the line holds
GROWTH = 150 * 2**20  # bytes of memory that 20 visitors may need beyond one visitor; all their pictures at once would need 700 MiB
STATIC = Path(__file__).parents[3] / "hooks" / "web" / "static"
pytestmark = pytest.mark.slow


@pytest.fixture
def visitor(server: PageServer) -> Iterator[Visitor]:
    with Visitor(server.address) as visitor:
        yield visitor


def _large(seed: int) -> tuple[Bytes, Bools]:
    """A photo of 1.5 megapixels, different for every seed, and the mask of a small hole."""
    image, mask = picture(seed)
    large, hole = np.tile(image, (16, 19, 1)), np.zeros((1024, 1520), bool)
    hole[500 : 500 + mask.shape[0], 700 : 700 + mask.shape[1]] = mask
    return large, hole


def test_twenty_visitors_at_once(server: PageServer) -> None:
    """All visitors get their own photo back, filled, and the server needs little more memory than for one visitor."""

    def visit(seed: int, start: threading.Barrier) -> tuple[Bytes, dict[str, Any]]:
        photo, hole = _large(seed)
        with Visitor(server.address) as visitor:
            start.wait()
            visitor.load(photo)
            found = visitor.fill(hole)
            return visitor.download(found["version"]), found

    visit(VISITORS, threading.Barrier(1))
    before, together = server.peak, threading.Barrier(VISITORS)
    with ThreadPoolExecutor(VISITORS) as pool:
        answers = list(pool.map(visit, range(VISITORS), repeat(together)))
    for seed, (filled, found) in enumerate(answers):
        photo, hole = _large(seed)
        np.testing.assert_array_equal(filled, gi_plugin.inpaint(photo, hole))
        assert found["filled"] == 192
    assert server.peak - before < GROWTH


def test_more_than_can_wait_are_refused(server: PageServer, visitor: Visitor) -> None:
    """While one fill runs and the line is full, further requests are refused with a message; all others succeed."""
    photo, mask = picture()
    visitor.load(photo)
    with ThreadPoolExecutor(WAITING + 1) as pool:
        with server.hold() as held:
            running = [pool.submit(visitor.fill, mask)]
            _wait_for(held.exists)
            running += [pool.submit(visitor.fill, mask) for _ in range(WAITING)]
            _wait_for(lambda: httpx.get(f"{server.address}health").json()["in_line"] == WAITING + 1)
            refused = [visitor.fill(mask), visitor.load(photo).json(), httpx.post(f"{server.address}inpaint", files={"image": b""}).json()]
            assert not any(answer.done() for answer in running)
        versions = {answer.result()["version"] for answer in running}
    assert all(answer["error"].startswith("33 requests are in line, which is the limit") for answer in refused)
    assert refused[0]["status"] == httpx.codes.SERVICE_UNAVAILABLE
    assert versions == set(range(1, WAITING + 2))


def test_the_fill_of_a_visitor_who_leaves_ends(server: PageServer, visitor: Visitor) -> None:
    """If visitors close the page, the running fill is cancelled and the waiting one left out: neither makes a version."""
    photo, mask = picture()
    visitor.load(photo)
    with server.hold() as held:
        with visitor.filling(mask) as first, visitor.filling(mask) as second:
            assert next(first.iter_lines()) == next(second.iter_lines()) == '{"progress": null}'
            _wait_for(held.exists)
        _wait_for(lambda: httpx.get(f"{server.address}health").json()["in_line"] == 0)
    assert visitor.fill(mask)["version"] == 1


@pytest.mark.parametrize("choices", [{"detail": "network"}, {"seed": 7}, {"dilate": 3}])
def test_a_visitor_chooses(visitor: Visitor, choices: dict[str, Any]) -> None:
    """The choices of the page are the options of the Python call, and change the result."""
    image, mask = picture()
    visitor.load(image)
    first, second = visitor.fill(mask, **choices), visitor.fill(mask)
    filled = visitor.download(first["version"])
    np.testing.assert_array_equal(filled, gi_plugin.inpaint(image, mask, **choices))
    assert not np.array_equal(filled, visitor.download(second["version"]))


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"detail": "paint"}, "detail = 'paint': expected 'transfer' or 'network'"),
        ({"seed": -1}, "option seed = -1: expected a whole number"),
        ({"seed": "many"}, "seed = 'many': expected a whole number"),
        ({"dilate": -2}, "option dilate = -2: expected 0 or more"),
    ],
)
def test_other_choices_are_refused(visitor: Visitor, choices: dict[str, Any], message: str) -> None:
    """Values that the page does not offer are an error, and the next fill works."""
    image, mask = picture()
    visitor.load(image)
    answer = visitor.fill(mask, **choices)
    assert (answer["status"], answer["error"][: len(message)]) == (400, message)
    assert visitor.fill(mask)["version"] == 1


@pytest.mark.parametrize(
    ("photo", "mask", "message"),
    [
        (picture()[0], np.zeros((64, 80), bool), "nothing is painted"),
        (picture()[0], np.ones((64, 80), bool), "mask marks every pixel as missing"),
        (np.zeros((1001, 2000), np.uint8), None, "my photo.png: has 2000 x 1001 pixels, the limit is 2000000 in all"),
        (b"\x89PNG\r\n\x1a\n, and no more", None, "my photo.png: cannot be read as a picture"),
    ],
    ids=["nothing painted", "all painted", "too large", "broken"],
)
def test_errors_are_told(visitor: Visitor, photo: Array | bytes, mask: Bools | None, message: str) -> None:
    """A visitor gets the text of our error."""
    loaded = visitor.load(photo, "folder/my photo.png")
    answer = loaded.json() if mask is None else visitor.fill(mask)
    assert answer["error"].startswith(message)


def test_masks_are_uploaded_and_downloaded(visitor: Visitor) -> None:
    """The mask file has the photo's size; it can be uploaded again, and one of another size is refused."""
    image, mask = picture()
    visitor.load(image)
    file = visitor.mask(mask)
    again = visitor.read_mask(file.content, "mask.png")
    other = visitor.read_mask(png(mask[1:]), "mask.png")
    assert visitor.fill(mask)["filled"] == mask.sum()
    assert (file.status_code, again.headers["content-type"]) == (200, "image/png")
    assert (other.status_code, other.json()["error"][:24]) == (422, "mask.png: has 80 x 63 pi")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "", 200),
        ("GET", "static/js/main.js", 200),
        ("GET", "static/../app.py", 404),
        ("GET", "static/%2e%2e/app.py", 404),
        ("GET", "photos", 405),
        ("GET", "docs", 404),
        ("GET", "photos/none/preview?width=8&height=8", 410),
        ("POST", "photos/none/fill", 410),
        ("POST", "photos/../../etc/leave", 404),
    ],
)
def test_only_the_pages_addresses_answer(server: PageServer, method: str, path: str, status: int) -> None:
    """The addresses of the page answer; others, and files outside the page's folder, are refused in JSON."""
    answer = httpx.request(method, server.address + path)
    assert answer.status_code == status
    assert answer.is_success or len(answer.json()["error"].split()) > 3


@pytest.mark.parametrize(
    ("path", "status"),
    [("versions/1/patch.png", 404), ("versions/0/patch.png", 404), ("download?version=1", 404), ("preview?width=81&height=64", 422)],
)
def test_only_what_exists_is_shown(visitor: Visitor, path: str, status: int) -> None:
    """Versions that were not made, and previews larger than the photo, are refused."""
    visitor.load(picture()[0])
    assert visitor.get(path).status_code == status


def test_a_photo_is_deleted_when_its_visitor_leaves(server: PageServer, visitor: Visitor) -> None:
    """After the page was closed nothing of the photo is on the disk, and its address answers that it is gone."""
    image, mask = picture()
    visitor.load(image)
    visitor.fill(mask)
    folders = list((server.folder / "tmp").rglob(visitor.photo["key"]))
    visitor.leave()
    assert [path.exists() for path in folders] == [False]
    assert visitor.get("download?version=0").json()["error"].startswith("the photo is no longer on the server")


def test_files_above_the_limit_are_refused(server: PageServer) -> None:
    """An upload of more than 300 MB is refused with a message, whether its length is told or not, and no part of it stays on the disk."""
    for headers in ({"content-length": str(301 * 2**20)}, {"transfer-encoding": "chunked"}):
        answer = httpx.post(f"{server.address}photos", content=_zeros(301), headers=headers, timeout=120)
        assert (answer.status_code, answer.json()["error"]) == (413, "the request is longer than 300 MB, which is the limit of this server")
    _wait_for(lambda: sum(path.stat().st_size for path in (server.folder / "tmp").rglob("*") if path.is_file()) < 50 * 2**20)


def test_no_other_machine_is_contacted(server: PageServer, visitor: Visitor) -> None:
    """The page names nothing of other hosts and is told to load nothing from them; the server has connected to this machine only."""
    image, mask = picture()
    visitor.load(image)
    visitor.fill(mask)
    answer = httpx.get(server.address)
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    sources = [path.read_text(encoding="utf-8") for path in STATIC.rglob("*") if path.suffix in (".html", ".css", ".js")]
    assert len(sources) > 10
    assert [found for text in sources for found in re.findall(r"https?://[^\"' )]+|@import|url\(", text)] == []
    assert [call for call in server.calls if not re.search(r"'(127\.0\.0\.1|localhost)'", call)] == []


def test_it_ends_clean(engine_cache: str, tmp_path: Path) -> None:
    """SIGTERM lets a running fill finish, ends the server with exit code 0, and every picture is deleted."""
    image, mask = picture()
    with (
        web_server.running(tmp_path / "server", SETTINGS, engine_cache) as server,
        ThreadPoolExecutor(2) as pool,
        Visitor(server.address) as visitor,
    ):
        visitor.load(image)
        with server.hold() as held:
            running = pool.submit(visitor.fill, mask)
            _wait_for(held.exists)
            ending = pool.submit(server.stop)
            time.sleep(0.5)
            assert not ending.done()
        assert running.result()["version"] == 1
        assert ending.result() == 0
        assert [path for path in (server.folder / "tmp").rglob("*") if path.is_file()] == []


def test_the_page_is_opened(engine_cache: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --open, the user's browser gets the address, with the token if there is one."""
    (tmp_path / "browser.py").write_text("import sys; open(sys.argv[1], 'w').write(sys.argv[2])", encoding="utf-8")
    monkeypatch.setenv("BROWSER", f"{sys.executable} {tmp_path / 'browser.py'} {tmp_path / 'opened'} %s")
    with web_server.running(tmp_path / "server", SETTINGS, engine_cache, "--open", "--token", "secret") as server:
        _wait_for(lambda: (tmp_path / "opened").exists() and (tmp_path / "opened").read_text(encoding="utf-8") == server.address)
    assert server.address.endswith("/?token=secret")


def test_a_port_in_use_is_an_error(server: PageServer, engine_cache: str, tmp_path: Path) -> None:
    """A second server on the same port ends with exit code 2, a message, and no file left behind."""
    port = server.address.rstrip("/").rpartition(":")[2]
    second = web_server.start(tmp_path / "second", SETTINGS, engine_cache, "--port", port)
    assert second.wait(web_server.PATIENCE) == 2
    output = (tmp_path / "second" / "output.txt").read_text(encoding="utf-8")
    assert "error: nothing can be served at 127.0.0.1, port" in output
    assert [path for path in (tmp_path / "second" / "tmp").rglob("*") if path.is_file()] == []


def _zeros(megabytes: int) -> Any:
    """A body of zeros that takes no memory."""
    return (bytes(2**20) for _ in range(megabytes))


def _wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something is true."""
    end = time.monotonic() + web_server.PATIENCE
    while not condition():
        assert time.monotonic() < end, "it does not become true"
        time.sleep(0.02)
