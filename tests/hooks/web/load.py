"""Load test of the HTTP API, to run by hand: python -m tests.hooks.web.load ADDRESS [CLIENTS] [REQUESTS].

Start the server first: gi-plugin serve. Then this program fills the same pictures by the Python call, and prints both.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np

import gi_plugin
from tests.hooks.pictures import picture
from tests.hooks.web.visitor import pixels, png

TILES = 8  # a picture is 512 x 640
KINDS = 20  # different pictures


def _case(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A picture, and a hole of 96 x 128 pixels in it."""
    image, _ = picture(seed)
    large = np.tile(image, (TILES, TILES, 1))
    mask = np.zeros(large.shape[:2], bool)
    mask[200:296, 250:378] = True
    return large, mask


def _ask(client: httpx.Client, image: bytes, mask: bytes) -> tuple[float, httpx.Response]:
    """Send a request until the line has a place for it; return the seconds from its first try."""
    start = time.perf_counter()
    while True:
        answer = client.post("inpaint", files={"image": ("photo.png", image), "mask": ("mask.png", mask)})
        if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
            return time.perf_counter() - start, answer
        time.sleep(0.1)


def main(address: str, clients: int = 20, requests: int = 500) -> None:
    """Measure the server, then the plain call, and print a table."""
    cases = [_case(seed) for seed in range(KINDS)]
    files = [(png(image), png(mask)) for image, mask in cases]
    with ThreadPoolExecutor(clients) as pool, httpx.Client(base_url=address, timeout=300) as client:
        _ask(client, *files[0])
        start = time.perf_counter()
        answers = list(pool.map(lambda number: _ask(client, *files[number % KINDS]), range(requests)))
        server = time.perf_counter() - start
    expected = [gi_plugin.inpaint(*case) for case in cases]
    lost = sum(not answer.is_success for _, answer in answers)
    wrong = sum(
        not np.array_equal(pixels(answer.content), expected[number % KINDS])
        for number, (_, answer) in enumerate(answers)
        if answer.is_success
    )
    start = time.perf_counter()
    for number in range(KINDS):
        gi_plugin.inpaint(*cases[number])
    plain = (time.perf_counter() - start) / KINDS
    waits = np.percentile([seconds for seconds, _ in answers], (50, 95, 100))
    print(f"{clients} clients, {requests} requests: {lost} lost, {wrong} wrong; {requests / server:.1f} per second")
    print("time of a request: median {:.2f} s, p95 {:.2f} s, longest {:.2f} s".format(*waits))
    print(f"plain call, one after the other: {1 / plain:.1f} per second; the server reaches {100 * plain * requests / server:.0f} % of it")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
