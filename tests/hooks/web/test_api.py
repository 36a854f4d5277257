"""The HTTP API as `gi-plugin serve` offers it: pictures in, pictures out, clear refusals, many clients at once."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
import tifffile
from PIL import Image

import gi_plugin
from gi_plugin.arrays import Array
from tests.hooks.pictures import picture
from tests.hooks.web import web_server
from tests.hooks.web.web_server import LIMIT, SETTINGS, PageServer

MISSING = [name for name in ("starlette", "uvicorn", "httpx") if find_spec(name) is None]
if MISSING:
    pytest.skip(f"not installed: {', '.join(MISSING)}; pip install 'gi-plugin[dev]'", allow_module_level=True)

import httpx  # noqa: E402  # may not be installed

from tests.hooks.web.visitor import pixels, png  # noqa: E402  # as above

CLIENTS, REQUESTS = 20, 60
IMAGE, MASK = picture()
TOKEN = "correct horse"  # noqa: S105  # of a test
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def guarded(engine_cache: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageServer]:
    """A server with a token and narrow limits."""
    limits = ("--token", TOKEN, "--upload", "1", "--waiting", "0", "--seconds", "3")
    with web_server.running(tmp_path_factory.mktemp("guarded"), SETTINGS, engine_cache, *limits, command="serve") as running:
        yield running


def _post(
    server: PageServer, image: Array | bytes = IMAGE, name: str = "photo.png", mask: Array | None = MASK, **fields: Any
) -> httpx.Response:
    files = {"image": (name, image if isinstance(image, bytes) else png(image))}
    if mask is not None:
        files["mask"] = ("mask.png", png(mask))
    return httpx.post(f"{server.address}inpaint", files=files, data=fields, timeout=300)


@pytest.mark.parametrize(
    "options",
    [{}, {"detail": "network"}, {"seed": 5}, {"dilate": 2}, {"invert_mask": True}],
    ids=lambda options: "".join(options) or "none",
)
def test_a_picture_is_filled_as_the_python_call_fills_it(server: PageServer, options: dict[str, Any]) -> None:
    """The answer is a picture file that equals the Python call with the same options, and tells how much was filled."""
    mask = ~MASK if "invert_mask" in options else MASK
    answer = _post(server, mask=mask, **options)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert 'filename="photo-filled.png"' in answer.headers["content-disposition"]
    np.testing.assert_array_equal(pixels(answer.content), gi_plugin.inpaint(IMAGE, mask, **options))
    assert int(answer.headers["x-filled-pixels"]) >= MASK.sum()


def test_depth_and_format_are_kept(server: PageServer) -> None:
    """A TIFF of 16 bits comes back as a TIFF of 16 bits with bit-identical known pixels."""
    deep, file = IMAGE.astype(np.uint16) * 257 + 1, io.BytesIO()
    tifffile.imwrite(file, deep, photometric="rgb")
    answer = _post(server, file.getvalue(), "scan.tif")
    np.testing.assert_array_equal(tifffile.imread(io.BytesIO(answer.content)), gi_plugin.inpaint(deep, MASK))


def test_a_jpeg_comes_back_without_loss_unless_a_format_is_asked_for(server: PageServer) -> None:
    """A JPEG becomes a PNG, so that known pixels stay; `format` asks for another format."""
    file = io.BytesIO()
    Image.fromarray(IMAGE).save(file, "JPEG")
    kept, small = _post(server, file.getvalue(), "photo.jpg"), _post(server, file.getvalue(), "photo.jpg", format="jpg")
    assert [answer.headers["content-type"] for answer in (kept, small)] == ["image/png", "image/jpeg"]
    np.testing.assert_array_equal(pixels(kept.content)[~MASK], pixels(file.getvalue())[~MASK])


def test_transparent_pixels_are_the_mask(server: PageServer) -> None:
    """Without a mask the transparent pixels are filled, and are opaque in the result."""
    erased = np.dstack([IMAGE, np.where(MASK, 0, 255).astype(np.uint8)])
    filled = pixels(_post(server, erased, mask=None).content)
    np.testing.assert_array_equal(filled[..., :3], gi_plugin.inpaint(IMAGE, MASK))
    assert filled[..., 3].min() == 255


def test_doubts_about_a_mask_are_told(server: PageServer) -> None:
    """A mask that marks most of the picture is used, and the header X-Notes says that it is doubtful."""
    answer = _post(server, mask=~MASK)
    assert "of the picture as missing" in unquote(answer.headers["x-notes"])
    assert unquote(answer.headers["x-notes"]).startswith("mask.png: ")
    assert "use invert_mask=true" in unquote(answer.headers["x-notes"])


@pytest.mark.parametrize(
    ("given", "status", "message"),
    [
        ({"mask": None}, 422, "there is no mask, and the picture has no transparent pixels: send a mask in the field 'mask'"),
        ({"mask": MASK[1:]}, 422, "photo.png with mask.png: mask has shape (63, 80)"),
        ({"image": b"no picture"}, 422, "photo.png: cannot be read as a picture"),
        ({"image": np.zeros((1001, 2000), np.uint8)}, 422, "photo.png: has 2000 x 1001 pixels, the limit is 2000000"),
        ({"seed": "-1"}, 400, "option seed = -1"),
        ({"detail": "magic"}, 400, "detail = 'magic': expected 'transfer' or 'network'"),
        ({"invert_mask": "perhaps"}, 400, "invert_mask = 'perhaps': expected true or false"),
        ({"sed": "1"}, 400, "there is no field 'sed': did you mean 'seed'?"),
        ({"format": "exe"}, 422, "photo-filled.exe: cannot write files ending in '.exe'"),
        ({"name": "../../etc/passwd", "image": b"x"}, 422, "passwd: cannot be read as a picture"),
    ],
)
def test_wrong_requests_are_refused(server: PageServer, given: dict[str, Any], status: int, message: str) -> None:
    """The status tells what kind of error it is; the message in JSON names what was sent, but no folder of the server."""
    answer = _post(server, **given)
    assert answer.status_code == status
    assert message in answer.json()["error"]
    assert str(server.folder) not in answer.text


def test_requests_without_a_picture_are_refused(server: PageServer) -> None:
    """No field, and a field that is no file: the message says how to send it."""
    nothing = httpx.post(f"{server.address}inpaint")
    text = httpx.post(f"{server.address}inpaint", data={"image": "photo.png"})
    assert (nothing.status_code, nothing.json()["error"][:27]) == (400, "there is no field 'image': ")
    assert (text.status_code, text.json()["error"][:29]) == (400, "the field 'image' is text: ex")


def test_nothing_is_left_of_a_request(server: PageServer) -> None:
    """After an answer, and after a refusal, the server's folder for requests is empty."""
    _post(server)
    _post(server, b"no picture")
    assert [path for folder in (server.folder / "tmp").rglob("single") for path in folder.iterdir()] == []


def test_the_description_is_true(server: PageServer) -> None:
    """Every address that /openapi.json names answers to its method, and its fields are those that are accepted."""
    description = httpx.get(f"{server.address}openapi.json").json()
    methods = {(path, method) for path, entry in description["paths"].items() for method in entry}
    for path, method in methods:
        assert httpx.request(method.upper(), server.address + path[1:]).status_code in (200, 400)
    assert methods == {("/inpaint", "post"), ("/health", "get"), ("/openapi.json", "get")}
    form = description["paths"]["/inpaint"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    texts = {"dilate": "1", "detail": "network", "seed": "2", "invert_mask": "false", "mask_alpha": "false", "format": "png"}
    assert form["properties"].keys() == {"image", "mask", *texts}
    assert _post(server, **texts).status_code == 200


def test_health(server: PageServer) -> None:
    """The answer tells the version and how full the line is."""
    assert httpx.get(f"{server.address}health").json() == {"status": "ok", "version": gi_plugin.__version__, "in_line": 0, "places": 33}


def test_many_clients_lose_nothing(server: PageServer) -> None:
    """Twenty clients send requests without a pause: each gets the fill of its own picture."""

    def ask(seed: int) -> bool:
        image, mask = picture(seed)
        answer = _post(server, image, mask=mask)
        return answer.status_code == 200 and np.array_equal(pixels(answer.content)[~mask], image[~mask])

    with ThreadPoolExecutor(CLIENTS) as pool:
        assert Counter(pool.map(ask, range(REQUESTS))) == {True: REQUESTS}


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("", {}, 401),
        ("settings", {"authorization": "Bearer wrong"}, 401),
        ("settings", {"authorization": f"Bearer {TOKEN}"}, 200),
        ("settings", {"cookie": "gi-plugin-token=wrong"}, 401),
        ("health", {}, 200),
        ("openapi.json", {}, 200),
        ("health", {"host": "photos.example"}, 200),
    ],
)
def test_the_token(guarded: PageServer, path: str, headers: dict[str, str], status: int) -> None:
    """With a token, only those who know it are answered, except about the server's health and the API."""
    base = guarded.address.partition("?")[0]
    assert httpx.get(base + path, headers=headers).status_code == status


def test_the_address_lets_a_visitor_in(guarded: PageServer) -> None:
    """The address that is printed leads to the page without the token in it; a cookie that scripts cannot read keeps it."""
    with httpx.Client() as client:
        answer = client.get(guarded.address)
        assert answer.status_code == 303
        assert answer.headers["location"] == "/"
        assert "httponly" in answer.headers["set-cookie"].lower()
        assert client.get(guarded.address.partition("?")[0]).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 422),
        ({"host": "attacker.example"}, 403),
        ({"host": "127.0.0.1.attacker.example:7860"}, 403),
        ({"host": "localhost:7860"}, 422),
        ({"host": "[::1]:7860"}, 422),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-origin"}, 422),
    ],
)
def test_pages_of_other_sites_are_refused(server: PageServer, headers: dict[str, str], status: int) -> None:
    """Without a token, only requests to a name of this machine are answered, and none from a page of another site."""
    files = {"image": ("photo.png", b"no picture")}
    assert httpx.post(f"{server.address}inpaint", files=files, headers=headers).status_code == status


def test_limits(guarded: PageServer) -> None:
    """A request that is too long, one that does not fit into the line, one that takes too long: each has its own status."""
    base, headers = guarded.address.partition("?")[0], {"authorization": f"Bearer {TOKEN}"}

    def post(content: bytes) -> httpx.Response:
        files = {"image": ("photo.png", content), "mask": ("mask.png", png(MASK))}
        return httpx.post(f"{base}inpaint", files=files, headers=headers, timeout=60)

    long = post(bytes(2 * 2**20))
    with ThreadPoolExecutor(1) as pool:
        with guarded.hold() as held:
            slow = pool.submit(post, png(IMAGE))
            while not held.exists():
                pass
            full = post(png(IMAGE))
        assert slow.result().status_code == 200
    assert [(answer.status_code, bool(answer.json()["error"])) for answer in (long, full)] == [(413, True), (503, True)]
    assert full.headers["retry-after"] == "2"


def test_a_request_that_does_not_arrive_in_time_is_refused(guarded: PageServer) -> None:
    """A client that sends its body too slowly gets the status 408, and its place in the line is free again."""
    import time  # noqa: PLC0415

    def slowly() -> Iterator[bytes]:
        for _ in range(8):
            yield b"-"
            time.sleep(1)

    base, headers = guarded.address.partition("?")[0], {"authorization": f"Bearer {TOKEN}"}
    answer = httpx.post(f"{base}photos", content=slowly(), headers=headers, timeout=60)
    assert (answer.status_code, answer.json()["error"]) == (408, "the request did not arrive within 3 s")
    assert httpx.get(f"{base}health").json()["in_line"] == 0


def test_a_fill_above_its_time_is_refused(engine_cache: str, tmp_path: Path) -> None:
    """A fill that takes longer than the limit ends with the status 504."""
    noise = np.random.default_rng(0).integers(0, 255, (LIMIT // 1500, 1400, 3), dtype=np.uint8)
    mask = np.zeros(noise.shape[:2], bool)
    mask[100:-100, 100:-100] = True
    with web_server.running(tmp_path / "server", SETTINGS, engine_cache, "--seconds", "1", command="serve") as server:
        answer = _post(server, noise, mask=mask)
    assert (answer.status_code, answer.json()["error"][-45:]) == (504, "the call took longer than its deadline of 1 s")


def test_other_machines_need_a_token(engine_cache: str, tmp_path: Path) -> None:
    """On an address that other machines reach, a token is made and printed, and nothing is answered without it."""
    with web_server.running(tmp_path / "server", SETTINGS, engine_cache, "--host", "0.0.0.0") as server:  # noqa: S104
        base, _, token = server.address.replace("0.0.0.0", "127.0.0.1").partition("?token=")  # noqa: S104
        answers = [httpx.get(f"{base}settings", headers=headers) for headers in ({}, {"authorization": f"Bearer {token}"})]
    assert len(token) > 16
    assert [answer.status_code for answer in answers] == [401, 200]
    assert json.loads(answers[0].text)["error"].startswith("the token is missing or wrong")
