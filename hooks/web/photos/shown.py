"""Pictures as the browser shows them: 8 bits, with the colour profile of their file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from gi_plugin.arrays import Array, Bools
from gi_plugin.files import PictureFile, formats
from gi_plugin.files.coding import png
from gi_plugin.inputs.value_range import Range, value_range

BY_BROWSERS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "AVIF")  # formats
PLAIN = ("1", "L", "LA", "P", "RGB", "RGBA")  # modes that a browser shows as Pillow reads them
COLOUR_SPACES = {1: b"GRAY", 3: b"RGB "}  # by number of colours: what bytes 16 to 20 of a fitting ICC profile say


def is_shown_alike(picture: PictureFile, name: str) -> bool:
    """Return whether a browser that opens the file itself shows the pixels of `picture`."""
    source = picture.source
    return isinstance(source, Image.Image) and source.mode in PLAIN and formats.format_of(Path(name)) in BY_BROWSERS


def shown_range(pixels: Array) -> Range:
    """Return the values of a picture [H, W] or [H, W, C] that are shown as black and white."""
    if pixels.dtype == np.uint8:
        return 0, 255
    return value_range(pixels if pixels.ndim == 3 else pixels[..., None], np.zeros(pixels.shape[:2], np.bool_))


def preview(picture: PictureFile, width: int, height: int) -> bytes:
    """Return a picture as a PNG of the given size."""
    pixels = picture.pixels
    step = max(1, min(pixels.shape[0] // (2 * height), pixels.shape[1] // (2 * width)))  # of a huge picture: saves memory and time
    image = Image.fromarray(_as_uint8(pixels[::step, ::step], shown_range(pixels)))
    image = image if image.size == (width, height) else image.resize((width, height), Image.Resampling.LANCZOS)
    return _encoded(np.asarray(image), picture)


def cut_out(picture: PictureFile, pixels: Array, visible: Bools, limits: Range) -> bytes:
    """Return a part of a filled picture as a PNG that is transparent except for the `visible` pixels.

    :param pixels: [h, w] or [h, w, C], the part.
    :param visible: [h, w].
    :param limits: what `shown_range` says about the whole picture.
    """
    colours = _as_uint8(pixels if pixels.ndim == 2 else pixels[..., :3], limits)
    return _encoded(np.dstack([colours, visible * np.uint8(255)]), picture)


def _encoded(pixels: Array, picture: PictureFile) -> bytes:
    """Encode pixels of 8 bits; with the profile of their picture, except of CMYK, whose pixels were converted to RGB."""
    profile, colours = picture.metadata.profile or b"", 1 if pixels.ndim == 2 or pixels.shape[2] == 2 else 3
    fits = profile[16:20] == COLOUR_SPACES[colours]
    return png.with_metadata(png.encode(pixels), {"profile": profile} if fits else {})


def _as_uint8(pixels: Array, limits: Range) -> Array:
    if pixels.dtype == np.uint8:
        return np.ascontiguousarray(pixels)
    low, high = limits
    values = np.nan_to_num(pixels.astype(np.float32), nan=low, posinf=high, neginf=low)
    return np.asarray(((values - low) * (255 / (high - low))).clip(0, 255), dtype=np.uint8)
