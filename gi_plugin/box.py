"""Boxes: rectangles of pixels, which may extend beyond the picture."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from .arrays import Bools, Indices
from .errors import ImageError

T = TypeVar("T", bound=np.generic)


class Box(NamedTuple):
    """A rectangle of pixels; `bottom` and `right` are exclusive."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def longest(self) -> int:
        """The longer side, in pixels."""
        return max(self.shape)

    def union(self, other: Box) -> Box:
        """The smallest box around both boxes."""
        return Box(min(self.top, other.top), min(self.left, other.left), max(self.bottom, other.bottom), max(self.right, other.right))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.bottom - self.top, self.right - self.left

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index of the box in an array: its rows and columns."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def grown(self, margin: int) -> Box:
        """The box, enlarged by `margin` pixels on every side."""
        return Box(self.top - margin, self.left - margin, self.bottom + margin, self.right + margin)

    def inside(self, shape: tuple[int, ...]) -> Box:
        """The part of the box that lies in a picture of this shape, (rows, columns, …)."""
        return Box(max(self.top, 0), max(self.left, 0), min(self.bottom, shape[0]), min(self.right, shape[1]))

    def cut(self, array: npt.NDArray[T]) -> npt.NDArray[T]:
        """Copy the box [h, w, ...] out of an array [H, W, ...]; 0 outside the array."""
        part = self.inside(array.shape)
        result = np.zeros((*self.shape, *array.shape[2:]), array.dtype)
        result[part.top - self.top : part.bottom - self.top, part.left - self.left : part.right - self.left] = array[part.slices]
        return result

    def within(self, outer: Box) -> tuple[slice, slice]:
        """Index of the box in an array that covers the box `outer`."""
        return Box(self.top - outer.top, self.left - outer.left, self.bottom - outer.top, self.right - outer.left).slices


def boxes_as_hole(boxes: Iterable[Box], shape: tuple[int, ...]) -> Bools:
    """Return a hole [H, W] that is True inside boxes, as far as they lie in a picture of this shape.

    :raises ImageError: if a box lies outside the picture.
    """
    hole = np.zeros(shape[:2], np.bool_)
    for box in boxes:
        part = box.inside(shape)
        if part.top >= part.bottom or part.left >= part.right:
            raise ImageError(f"a box from ({box.left}, {box.top}) lies outside the picture, which has {shape[1]} x {shape[0]} pixels")
        hole[part.slices] = True
    return hole


def around(mask: Bools) -> Box:
    """The smallest box that contains every True pixel of `mask` [H, W], which must have at least one."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return Box(int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1)


def area_of(rows: Indices, columns: Indices) -> tuple[Any, ...]:
    """The index of a rectangle: slices, which are many times as fast, where no line is mirrored."""
    if all(line[-1] - line[0] == line.size - 1 for line in (rows, columns)):
        return tuple(slice(line[0], line[-1] + 1) for line in (rows, columns))
    return np.ix_(rows, columns)


def mirrored(start: int, length: int, limit: int) -> Indices:
    """Indices start, start + 1, … of `length` pixels, reflected at the image's end."""
    inside = np.arange(start, min(start + length, limit))
    return np.pad(inside, (0, length - inside.size), mode="symmetric")
