"""Masks as users hand them in: every kind of mask becomes a bool array, True = missing."""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np

from ..arrays import Array, Bools
from ..errors import ImageError
from ..image import SCAN_ROWS, wrong_shape
from .control import go_on

LABELS = 16  # an integer mask with at most so many values is one of labels: each of them above 0 means missing
RANGES = (1.0, 255.0, 65535.0)  # ends of the ranges that masks have


def check_mask(
    mask: Array,
    shape: tuple[int, int],
    *,
    alpha: bool = False,
    invert: bool = False,
    may_be_full: bool = False,
    check: Callable[[], None] = go_on,
) -> Bools:
    """Turn a mask into a bool array [H, W], True = missing.

    Non-zero means missing, as in scikit-image, with one refinement for masks that went through a lossy file or have soft edges: if a mask
    has more than `LABELS` values, a value counts if it is above half of the mask's range, which is 1, 255 or 65535: the first that its
    largest value fits into (a float mask may overshoot 0 and 1 by a half, as resizing makes it).

    :param mask: HxW or HxWx1, bool, integer or float; or a colour picture of a mask (HxWx3, HxWx4), judged by its brightest channel, or by
        its alpha channel if `alpha`.
    :param shape: (H, W) of the image.
    :param invert: zero means missing instead.
    :param may_be_full: whether every pixel may count.
    :param check: called between strips of rows; what it raises ends the work.
    :raises ImageError: if the mask does not fit the image, says that everything is missing, or has values of which none counts.
    """
    if not isinstance(mask, np.ndarray) or mask.dtype.kind not in "buif":
        raise ImageError(f"mask is {_kind(mask)}: expected a numpy array of bool, integer or float, non-zero = missing")
    if mask.shape[:2] != shape or mask.ndim not in (2, 3) or (mask.ndim == 3 and mask.shape[2] not in (1, 3, 4)):
        raise ImageError(wrong_shape(mask.shape, shape))
    if alpha and (mask.ndim != 3 or mask.shape[2] != 4):
        raise ImageError(f"mask has shape {mask.shape}, and its alpha channel was asked for: expected a mask with 4 channels")
    hole = _counting(mask, alpha, check)
    if invert:
        np.logical_not(hole, out=hole)
    if hole.all() and not may_be_full:
        raise ImageError(
            "mask marks every pixel as missing: nothing is left to fill the picture from "
            f"({'zero' if invert else 'non-zero'} = missing{_alpha_hint(mask, alpha)})"
        )
    return hole


def has_masked_pixels(image: Array) -> bool:
    """Whether an image is a masked array with masked pixels; without the slow import of `numpy.ma` there are none in the process."""
    return "numpy.ma" in sys.modules and bool(np.ma.is_masked(image))


def with_masked_pixels(hole: Bools, image: Array) -> Bools:
    """Return a hole [H, W] together with the masked pixels of an image [H, W, C], which may be a masked array.

    :raises ImageError: if nothing is left.
    """
    missing = hole | np.ma.getmaskarray(image).any(axis=2)
    if missing.all():
        raise ImageError("mask and masked pixels cover the whole image: nothing is left to fill it from")
    return np.asarray(missing)


def plane(mask: Array, alpha: bool) -> Array:
    """Return the plane [H, W] of a checked mask that says what is missing: its alpha channel, or its brightest colour."""
    if mask.ndim == 2:
        return mask
    if alpha:
        return mask[..., 3]
    if mask.shape[2] == 1:
        return mask[..., 0]
    return np.maximum(np.maximum(mask[..., 0], mask[..., 1]), mask[..., 2])  # many times as fast as `max` over so short an axis


def range_end(mask: Array, alpha: bool) -> tuple[float, float]:
    """Return the largest value of the plane of a mask, and the end of the range that it is judged by.

    :raises ImageError: if there is no such range.
    """
    if mask.dtype.kind == "b":
        return float(mask.any()), 1.0
    ends = [
        (part.min(), part.max()) for part in (plane(mask[start : start + SCAN_ROWS], alpha) for start in range(0, len(mask), SCAN_ROWS))
    ]
    low, high = float(np.min([low for low, _ in ends])), float(np.max([high for _, high in ends]))
    slack = 0.5 if mask.dtype.kind == "f" else 0.0
    if not (low >= -slack and high <= RANGES[-1]):  # NaN fails both
        raise ImageError(f"mask has values from {low:g} to {high:g}: expected 0 to 1, 0 to 255 or 0 to 65535, non-zero = missing")
    return high, next(limit for limit in RANGES if high <= limit + slack)


def _counting(mask: Array, alpha: bool, check: Callable[[], None]) -> Bools:
    """Return which pixels count."""
    largest, limit = range_end(mask, alpha)
    hole, labels = np.empty(mask.shape[:2], np.bool_), set[int]()
    for start in range(0, len(mask), SCAN_ROWS):
        check()
        part = plane(mask[start : start + SCAN_ROWS], alpha)
        hole[start : start + SCAN_ROWS] = _in_upper_half(part, limit)
        if part.dtype.kind in "iu" and limit > 1 and len(labels) <= LABELS:
            labels.update(_low_values(part, int(limit)))
    if labels and len(labels) <= LABELS and _count_values(mask, alpha) <= LABELS:
        for start in range(0, len(mask), SCAN_ROWS):
            hole[start : start + SCAN_ROWS] = plane(mask[start : start + SCAN_ROWS], alpha) > 0
    if largest > 0 and not hole.any():
        raise ImageError(
            f"mask marks nothing as missing: its largest value is {largest:g}, and in a mask with so many values only those above half of "
            f"0 to {limit:g} count; make it black and white"
        )
    return hole


def _in_upper_half(part: Array, limit: float) -> Bools:
    """Which values lie above half of the range from 0 to `limit`, an odd number."""
    if part.dtype.kind == "b":
        return part.copy()
    return part > (limit / 2 if part.dtype.kind == "f" else int(limit) // 2)  # numpy would turn integers into floats for a half


def _low_values(part: Array, limit: int) -> list[int]:
    """Return the values above 0 that do not count by the rule of the upper half, as far as `LABELS` needs them."""
    low = part[(part > 0) & (part <= limit // 2)]
    return np.unique(low)[: LABELS + 1].tolist() if low.size else []


def _count_values(mask: Array, alpha: bool) -> int:
    """Return the number of values of a mask; more than `LABELS` if there are more."""
    found = set[int]()
    for start in range(0, len(mask), SCAN_ROWS):
        found.update(np.unique(plane(mask[start : start + SCAN_ROWS], alpha))[: LABELS + 1].tolist())
        if len(found) > LABELS:
            break
    return len(found)


def _kind(value: object) -> str:
    return f"an array of {value.dtype}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"


def _alpha_hint(mask: Array, alpha: bool) -> str:
    varies = not alpha and mask.ndim == 3 and mask.shape[2] == 4 and bool(mask[..., 3].min() < mask[..., 3].max())
    return "; its alpha channel varies: if that is the mask, use mask_alpha=True" if varies else ""
