"""A visitor of the web page without a browser: the same requests as the page's scripts make."""

from __future__ import annotations

import io
import json
from contextlib import AbstractContextManager
from typing import Any, Self

import httpx
import numpy as np
from PIL import Image

from gi_plugin.arrays import Array, Bools, Bytes


class Visitor:
    """Somebody who loads photos, paints and fills.

    :param address: of the page.
    """

    def __init__(self, address: str) -> None:
        self.client = httpx.Client(base_url=address, timeout=300)
        self.photo: dict[str, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def load(self, photo: Array | bytes, name: str = "photo.png") -> httpx.Response:
        """Load a photo."""
        answer = self.client.post("photos", params={"name": name}, content=photo if isinstance(photo, bytes) else png(photo))
        self.photo = answer.json() if answer.is_success else {}
        return answer

    def fill(self, mask: Bools, version: int = 0, **options: Any) -> dict[str, Any]:
        """Paint a mask on a version and fill; return the last line of the answer."""
        with self.filling(mask, version, **options) as answer:
            if answer.is_error:
                answer.read()
                return {"status": answer.status_code, **answer.json()}
            last: dict[str, Any] = [json.loads(line) for line in answer.iter_lines()][-1]
            return last

    def filling(self, mask: Bools, version: int = 0, **options: Any) -> AbstractContextManager[httpx.Response]:
        """Paint a mask on a version and start a fill; the answer arrives line by line."""
        values = {**_whole(mask), "version": version, **options}
        return self.client.stream("POST", self._of("fill"), params=values, content=_painting(mask))

    def download(self, version: int) -> Bytes:
        """Download a version, and return its pixels."""
        answer = self.client.get(self._of("download"), params={"version": version})
        assert answer.is_success, answer.text
        return pixels(answer.content)

    def mask(self, mask: Bools) -> httpx.Response:
        """Download what is painted as a mask file."""
        return self.client.post(self._of("mask"), params=_whole(mask), content=_painting(mask))

    def read_mask(self, content: bytes, name: str) -> httpx.Response:
        """Upload a mask file."""
        return self.client.post(self._of("read-mask"), params={"name": name}, content=content)

    def get(self, path: str) -> httpx.Response:
        """Ask for something of the photo."""
        return self.client.get(self._of(path))

    def leave(self) -> None:
        """Close the page."""
        self.client.post(self._of("leave"))

    def _of(self, path: str) -> str:
        return f"photos/{self.photo.get('key', 'none')}/{path}"


def png(array: Array) -> bytes:
    """Encode an array as PNG."""
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG")
    return file.getvalue()


def pixels(content: bytes) -> Bytes:
    """Decode a picture."""
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image)


def _painting(mask: Bools) -> bytes:
    """What the page sends: coloured where it was painted, transparent elsewhere."""
    layer = np.zeros((*mask.shape, 4), np.uint8)
    layer[mask] = (255, 59, 107, 255)
    return png(layer)


def _whole(mask: Bools) -> dict[str, int]:
    return {"left": 0, "top": 0, "width": mask.shape[1], "height": mask.shape[0]}
