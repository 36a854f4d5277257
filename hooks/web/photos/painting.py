"""Masks between the browser and the server: what was painted becomes a mask of the photo's full size, and mask files become paintings."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from gi_plugin import files
from gi_plugin.arrays import Array, Bools
from gi_plugin.errors import ImageError
from gi_plugin.files.coding import png
from gi_plugin.inputs.masks import check_mask

MOST_SHOWN = 40_000_000  # pixels of a picture in the browser: more than any browser's canvas has on a phone


@dataclass(frozen=True)
class Painting:
    """What a visitor painted: a part of the shown picture, which may be smaller than the photo."""

    painted: Bools  # [h, w]
    left: int  # of the part in the shown picture
    top: int
    width: int  # of the shown picture
    height: int

    def mask(self, shape: tuple[int, ...]) -> Bools:
        """Return the mask [H, W] of a photo of `shape` (rows, columns, ...).

        :raises ImageError: if nothing is painted.
        """
        if not self.painted.any():
            raise ImageError("nothing is painted: paint over the part to fill")
        mask = np.zeros(shape[:2], np.bool_)
        rows, height = _places(shape[0], self.height, self.top, self.painted.shape[0])
        columns, width = _places(shape[1], self.width, self.left, self.painted.shape[1])
        mask[rows.start : rows.stop, columns.start : columns.stop] = self.painted[np.ix_(height, width)]
        return mask


def read_painting(data: bytes, left: int, top: int, width: int, height: int) -> Painting:
    """Read a painting: a PNG in which every pixel that is not fully transparent is painted.

    :param left: place of the PNG in the shown picture, which has `width` x `height` pixels; `top` likewise.
    :raises ImageError: if it is no PNG, or does not lie inside the shown picture.
    """
    if not (width > 0 and height > 0 and width * height <= MOST_SHOWN):
        raise ImageError(f"the shown picture has {width} x {height} pixels: expected at most {MOST_SHOWN} in all")
    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            inside = 0 <= left <= left + image.width <= width and 0 <= top <= top + image.height <= height
            if not inside:
                raise ImageError(f"the painting of {image.width} x {image.height} pixels at {left}, {top} lies outside {width} x {height}")
            painted = np.asarray(image.convert("RGBA").getchannel("A")) > 0  # the soft edge of a stroke counts as painted
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        if isinstance(error, ImageError):
            raise
        raise ImageError("the painting cannot be read: expected a PNG") from error
    return Painting(painted, left, top, width, height)


def painting_of_file(path: Path, name: str, shape: tuple[int, int], max_pixels: int) -> bytes:
    """Read a mask file for a photo of `shape`, and return it as a PNG for the browser: grey with alpha, opaque = missing.

    :param name: of the file, for messages.
    :raises ImageError: if it cannot be read, or is no mask of this photo.
    """
    mask = files.read_mask(path, max_pixels)
    if mask.shape[:2] != shape:
        raise ImageError(
            f"{name}: has {mask.shape[1]} x {mask.shape[0]} pixels, the photo has {shape[1]} x {shape[0]}: use a mask of the same size"
        )
    values: Array = check_mask(mask, shape) * np.uint8(255)
    return png.encode(np.dstack([values, values]))


def mask_file(painting: Painting, shape: tuple[int, int]) -> bytes:
    """Return a painting as a mask file for a photo of `shape`: a PNG, white = missing.

    :raises ImageError: if nothing is painted.
    """
    return png.encode(painting.mask(shape) * np.uint8(255))


def _places(length: int, shown: int, start: int, count: int) -> tuple[range, Array]:
    """Return which of `length` rows show the rows from `start` to `start + count` of a picture of `shown` rows, and for each its row there.

    :return: a range of the `length` rows, and for each its row, counted from `start`.
    """
    rows = np.arange(length) * shown // length - start
    inside = np.flatnonzero((rows >= 0) & (rows < count))
    return (range(int(inside[0]), int(inside[-1]) + 1), rows[inside]) if inside.size else (range(0), inside)
