"""Images as users hand them in, and the float windows that the network reads: checks, cropping, writing back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .arrays import Array, Bools, Floats, Indices
from .box import area_of, mirrored
from .errors import ImageError

DTYPES = ("uint8", "uint16", "float16", "float32", "float64")
SCAN_ROWS = 256  # rows per step of a scan over a whole image, so that scans need no image-sized temporaries


@dataclass(frozen=True)
class Picture:
    """A checked image with its hole.

    `pixels` is [H, W, C], C in 1, 3, 4 (a view of the caller's array, or of the result that is being filled); `hole` is [H, W],
    True = missing; values run from `low` to `high`.
    """

    pixels: Array
    hole: Bools
    low: float
    high: float
    check: Callable[[], None] = lambda: None  # called between strips of rows; what it raises ends the work

    def window(self, top: int, left: int, side: int, scale: int = 1) -> tuple[Floats, Bools]:
        """Read a square at 1/`scale` of its size, mirrored where it leaves the image.

        :return: [S, S, 3] in [-1, 1] (0 in the hole) and its hole [S, S]; S = side / scale.
        """
        return self.read(top, left, side, side, scale)

    def read(self, top: int, left: int, height: int, width: int, scale: int = 1) -> tuple[Floats, Bools]:
        """Read a rectangle at 1/`scale` of its size, mirrored where it leaves the image: see `window`."""
        rows, columns = mirrored(top, height, self.hole.shape[0]), mirrored(left, width, self.hole.shape[1])
        step = max(SCAN_ROWS // scale, 1) * scale
        pixels, hole = np.empty((height // scale, width // scale, 3), np.float32), np.empty((height // scale, width // scale), np.bool_)
        for start in range(0, height, step):
            strip = slice(start // scale, (start + step) // scale)
            self.check()
            pixels[strip], hole[strip] = self._strip(rows[start : start + step], columns, scale)
        return pixels, hole

    def at(self, rows: Indices, columns: Indices) -> Floats:
        """Pixels [..., 3] in [-1, 1] at the given rows and columns."""
        self.check()
        pixels = self._scaled(self.pixels[rows, columns, :3])
        return np.repeat(pixels, 3, axis=-1) if pixels.shape[-1] == 1 else pixels

    def _scaled(self, values: Array) -> Floats:
        with np.errstate(over="ignore", invalid="ignore"):  # what stands in a hole may be anything, even NaN
            kind = np.result_type(values.dtype, np.float32).type  # float64 with a large offset would lose its digits in float32
            offset = values.astype(kind)  # a copy, which the following steps change in place
            offset -= kind(self.low)
            scaled: Floats = offset.astype(np.float32, copy=False)
            scaled *= np.float32(2 / (self.high - self.low))
            scaled -= 1
            return scaled.clip(-1, 1, out=scaled)

    def _strip(self, rows: Indices, columns: Indices, scale: int) -> tuple[Floats, Bools]:
        """Some rows of a rectangle: [h, w, C] with C = 1 or 3, and their hole [h, w]."""
        area = area_of(rows, columns)
        hole = self.hole[area]
        pixels = self._scaled(self.pixels[..., :3][area])
        np.copyto(pixels, 0, where=hole[..., None])
        return shrink(pixels, hole, scale)

    def write(self, top: int, left: int, fill: Floats) -> None:
        """Write the hole's pixels, and only those, from `fill` [h, w, 3] in [-1, 1] whose corner stands at (top, left)."""
        for start in range(0, fill.shape[0], SCAN_ROWS):
            self.check()
            self._write_strip(top + start, left, fill[start : start + SCAN_ROWS])

    def _write_strip(self, top: int, left: int, fill: Floats) -> None:
        rows, columns = slice(top, top + fill.shape[0]), slice(left, left + fill.shape[1])
        missing = self.hole[rows, columns]
        colour = self.pixels[rows, columns, :3]  # alpha is carried through
        values: Array = fill[: missing.shape[0], : missing.shape[1]][missing]  # [K, 3]
        if colour.shape[2] == 1:
            values = values.mean(axis=1, keepdims=True)
        kind = np.result_type(colour.dtype, np.float32).type
        values = (values.clip(-1, 1) + 1).astype(kind, copy=False) / 2 * kind(self.high - self.low) + kind(self.low)
        colour[missing] = np.rint(values) if np.issubdtype(colour.dtype, np.integer) else values


def check_image(image: Array, channel_axis: int | None = -1) -> Array:
    """View an image as [H, W, C].

    :param image: HxW, HxWx1, HxWx3 or HxWx4 (channels at `channel_axis`); uint8, uint16 or float.
    :raises ImageError: if the image is none of these.
    """
    if not isinstance(image, np.ndarray):
        raise ImageError(f"image is a {type(image).__name__}: expected a numpy array; wrap it in numpy.asarray()")
    if image.dtype.name not in DTYPES:
        raise ImageError(f"image has dtype {image.dtype}: expected one of {', '.join(DTYPES)}; convert it with astype()")
    if image.size == 0:
        raise ImageError(f"image has shape {image.shape}: there is no pixel in it")
    return _channels_last(image, channel_axis)


def wrong_shape(mask: tuple[int, ...], image: tuple[int, int]) -> str:
    """Message about a mask whose shape is not that of the image (rows, columns)."""
    return f"mask has shape {mask}, the image is {image[0]} x {image[1]} (rows x columns): expected shape {image}"


def dilated(hole: Bools, radius: int) -> Bools:
    """Grow a hole by `radius` pixels in every direction (a square neighbourhood)."""
    radius = min(radius, max(hole.shape))
    return _grown_along(_grown_along(hole, radius, 0), radius, 1) if radius else hole


def _grown_along(hole: Bools, radius: int, axis: int) -> Bools:
    """Grow a hole [H, W] by `radius` pixels both ways along an axis: each step doubles the length that a pixel has grown to."""
    grown = np.pad(hole, [(0, radius if number == axis else 0) for number in range(2)])
    covered, length = 1, 2 * radius + 1
    while covered < length:
        step = min(covered, length - covered)
        later, earlier = (np.s_[step:], np.s_[:-step]) if axis == 0 else (np.s_[:, step:], np.s_[:, :-step])
        grown[later] |= grown[earlier]
        covered += step
    return grown[radius:] if axis == 0 else grown[:, radius:]


def check_values(picture: Picture) -> None:
    """Look for known pixels that cannot be pictures' values (float images only).

    :raises ImageError: if a known pixel is NaN or infinite, or most of them are far outside the range.
    """
    if np.issubdtype(picture.pixels.dtype, np.integer):
        return
    margin = (picture.high - picture.low) / 2
    count = outside = 0
    for start in range(0, picture.hole.shape[0], SCAN_ROWS):
        everything, hole = picture.pixels[start : start + SCAN_ROWS], picture.hole[start : start + SCAN_ROWS]
        if picture.low - margin <= everything.min() and everything.max() <= picture.high + margin:  # NaN fails both
            count += (hole.size - np.count_nonzero(hole)) * everything.shape[2]
            continue  # many times as fast as picking out the known pixels
        known = everything[~hole].astype(np.float64)
        if not np.isfinite(known).all():
            raise ImageError(f"image has NaN or infinite values outside the hole, first seen in rows {start} to {start + SCAN_ROWS - 1}")
        count, outside = count + known.size, outside + int(((known < picture.low - margin) | (known > picture.high + margin)).sum())
    if 2 * outside > count:
        raise ImageError(
            f"most values of the image are far outside data_range=({picture.low:g}, {picture.high:g}): correct it or leave it out"
        )


def shrink(pixels: Floats, hole: Bools, factor: int) -> tuple[Floats, Bools]:
    """Reduce by an integer factor, each pixel the mean of its known ones; what has no known pixel is hole.

    :param pixels: [H, W, C], 0 in the hole; `hole` [H, W]; H and W multiples of `factor`.
    """
    if factor == 1:
        return pixels, hole
    height, width, channels = pixels.shape
    blocks = (height // factor, factor, width // factor, factor)
    known = (~hole).reshape(blocks).sum(axis=(1, 3), dtype=np.float32)  # [h, w]
    total = pixels.reshape(*blocks, channels).sum(axis=(1, 3))
    return np.asarray(total / np.maximum(known, 1)[..., None], dtype=np.float32), known == 0


def _channels_last(image: Array, channel_axis: int | None) -> Array:
    if image.ndim == 2:
        return image[..., None]
    if image.ndim == 3 and channel_axis is not None and -3 <= channel_axis < 3:
        pixels = np.moveaxis(image, channel_axis, -1)
        if pixels.shape[2] in (1, 3, 4):
            return pixels
    hint = "; the channels seem to come first: pass channel_axis=0" if image.ndim == 3 and image.shape[0] in (1, 3, 4) else ""
    raise ImageError(f"image has shape {image.shape} (channel_axis={channel_axis}): expected HxW, HxWx1, HxWx3 or HxWx4{hint}")
