"""Enlarges a transfer that ran at reduced size, by copying pixels of the full size.

The search ran on a picture reduced by a factor r. Every missing full-size pixel copies the pixel at r times its source, plus the reduced
fill at the missing pixel minus the reduced picture at the source. So high frequencies are copied at full size, and low frequencies are
those of the reduced fill.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import Field, Floats, Integers
from ..box import Box
from ..image import Picture
from ..transfer import Transferred

STRIP = 32  # rows of pixels with one offset that are computed at a time


@dataclass(frozen=True)
class Reduced:
    """A region of a picture at 1/`factor` of its size, and the result of its transfer."""

    region: Box  # in pixels of the picture
    factor: int
    pixels: Floats  # [h, w, 3] the input of the transfer
    done: Transferred


def enlarge(pixels: Floats, factor: int, top: int, left: int, height: int, width: int) -> Floats:
    """Enlarge a part of a reduced window back: [height, width, 3] whose corner is (top, left) at full size (bicubic)."""
    if factor == 1:
        return pixels[top : top + height, left : left + width]
    from PIL import Image  # noqa: PLC0415  # slow import, needed only for large holes

    box = (left / factor, top / factor, (left + width) / factor, (top + height) / factor)
    planes = [Image.fromarray(np.ascontiguousarray(pixels[..., channel])) for channel in range(3)]
    return np.stack([np.asarray(plane.resize((width, height), Image.Resampling.BICUBIC, box=box)) for plane in planes], axis=2)


def enlarged(picture: Picture, reduced: Reduced, own: Box) -> tuple[Floats, Field]:
    """Compute the fill of the box `own` of the picture at full size.

    :return: pixels [H, W, 3] in [-1, 1], and their sources [H, W, 2] in the picture, -1 where there is none.
    """
    factor, region = reduced.factor, reduced.region
    fill = np.zeros((*own.shape, 3), np.float32)
    sources = np.full((*fill.shape[:2], 2), -1, np.int32)
    for down, right in np.ndindex(factor, factor):
        rows, columns = (
            np.arange(start - (start - origin - phase) % -factor, end, factor)
            for start, end, origin, phase in ((own.top, own.bottom, region.top, down), (own.left, own.right, region.left, right))
        )
        for start in range(0, rows.size if columns.size else 0, STRIP):  # strips keep the temporary arrays small
            some = rows[start : start + STRIP]
            place = np.ix_(some - own.top, columns - own.left)
            fill[place], sources[place] = _phase(picture, reduced, some, columns, (down, right))
    return fill, sources


def _phase(picture: Picture, reduced: Reduced, rows: Integers, columns: Integers, phase: tuple[int, int]) -> tuple[Floats, Integers]:
    """Fill the pixels at `rows` and `columns`, which all have the same offset (down, right) inside their reduced pixels."""
    factor, region, found = reduced.factor, reduced.region, reduced.done.sources
    assert found is not None  # noqa: S101  # the caller checks this
    here = np.stack(np.broadcast_arrays(*np.ix_((rows - region.top) // factor, (columns - region.left) // factor)), axis=-1)  # [h, w, 2]
    source = found[here[..., 0], here[..., 1]].astype(np.int64)
    known = source[..., 0] >= 0
    there = np.where(known[..., None], source, 0)
    place = there * factor + np.array([region.top + phase[0], region.left + phase[1]])
    copied = picture.at(place[..., 0], place[..., 1])
    change = _between(reduced.done.pixels, here, phase, factor) - _between(reduced.pixels, there, phase, factor)
    return np.where(known[..., None], (copied + change).clip(-1, 1), 0), np.where(known[..., None], place, -1)


def _between(pixels: Floats, places: Integers, phase: tuple[int, int], factor: int) -> Floats:
    """Bilinear values [h, w, 3] of a reduced picture at the offset `phase` inside its pixels `places` [h, w, 2]."""
    total = np.zeros((*places.shape[:2], 3), np.float32)
    steps = [(offset + 0.5) / factor - 0.5 for offset in phase]  # from the centre of the reduced pixel, -0.5 to 0.5
    for down, right in np.ndindex(2, 2):
        share = np.float32(1)
        index = []
        for axis, (step, take) in enumerate(zip(steps, (down, right), strict=True)):
            share *= np.float32(abs(step) if take else 1 - abs(step))
            index.append((places[..., axis] + take * (1 if step > 0 else -1)).clip(0, pixels.shape[axis] - 1))
        total += share * pixels[index[0], index[1]]
    return total
