"""Opening picture files with Pillow, and the check that a file holds one picture of an allowed size."""

from __future__ import annotations

import threading
from pathlib import Path

from PIL import Image

from ..errors import ImageError

_limit_lock = threading.Lock()  # Pillow has one pixel limit for all threads


def open_image(path: Path) -> Image.Image:
    """Open a picture file with Pillow, without a limit of its size: [hook] max_pixels replaces it."""
    with _limit_lock:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(path)
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def check_size(width: int, height: int, frames: int, max_pixels: int) -> None:
    """Check that a file holds one picture of at most `max_pixels` pixels.

    :raises ImageError: if it is larger or empty, or has several frames or pages.
    """
    if width < 1 or height < 1:
        raise ImageError(f"has {width} x {height} pixels: the file is damaged")
    if width * height > max_pixels:
        raise ImageError(f"has {width} x {height} pixels, the limit is {max_pixels} in all: raise [hook] max_pixels to allow it")
    if frames > 1:
        raise ImageError(f"has {frames} frames or pages: expected one; split it first")
