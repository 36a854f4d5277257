"""The array contract between a host and its plugins: masks as bool, results that keep shape, dtype and known pixels."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from gi_plugin.arrays import Array, Bools
from gi_plugin.config import Config
from gi_plugin.errors import ImageError, MaskWarning, PluginError
from gi_plugin.image import SCAN_ROWS
from gi_plugin.inputs.doubts import doubts
from gi_plugin.inputs.masks import has_masked_pixels, with_masked_pixels
from gi_plugin.planning.hole import grown_hole

from ..markers import NAME
from .call_options import CallOptions


def channel_axis(image: Array, options: CallOptions) -> int | None:
    """The axis of the channels of an image, according to the options of a call; None if it has none.

    :raises ImageError: if the image is no array with rows and columns.
    """
    axis = options.get(NAME, options).get("channel_axis", -1)
    if not isinstance(image, np.ndarray) or image.ndim < 2:
        raise ImageError(f"image is {kind(image)}: expected a numpy array HxW or HxWxC")
    return axis if image.ndim > 2 and isinstance(axis, int) and -image.ndim <= axis < image.ndim else None


def hole_of(image: Array, mask: Array, options: CallOptions, config: Config) -> Bools:
    """Turn the mask of a call into bool HxW and grow it; the options say so afterwards. Masked pixels of an image are missing, too.

    A `MaskWarning` tells if the mask is probably not what the caller meant.

    :raises ImageError: if the mask cannot be used.
    """
    ours, axis = options.get(NAME, options), channel_axis(image, options)
    dilate = ours.get("dilate")
    alpha, invert, dilate = ours.get("mask_alpha", False), ours.get("invert_mask", False), config.hook.dilate if dilate is None else dilate
    hole = grown_hole(mask, spatial(image, axis), alpha=alpha, invert=invert, dilate=int(dilate))
    for table in {id(table): table for table in (options, ours)}.values():
        table.update(dilate=0, mask_alpha=False, invert_mask=False)
    if has_masked_pixels(image):
        return with_masked_pixels(hole, image[..., None] if axis is None else np.moveaxis(image, axis, -1))
    for doubt in doubts(mask, hole, alpha=alpha, invert=invert):
        warnings.warn(doubt, MaskWarning, stacklevel=3)
    return hole


def spatial(image: Array, axis: int | None) -> tuple[int, int]:
    """Rows and columns of an image with its channels at `axis`."""
    rows, columns = (image if axis is None else np.moveaxis(image, axis, -1)).shape[:2]
    return rows, columns


def prepared(name: str, result: Any, image: Array, hole: Bools, axis: int | None) -> tuple[Array, Bools]:
    """Check what a plugin returned for `prepare_input`.

    :raises PluginError: if it is no pair of an image of the same rows and columns and a bool mask.
    """
    if isinstance(result, tuple) and len(result) == 2 and all(isinstance(array, np.ndarray) for array in result):
        changed, mask = result
        if spatial(changed, axis) == hole.shape and mask.shape == hole.shape and mask.dtype == np.bool_:
            return changed, mask
    raise PluginError(name, f"prepare_input: expected an image of {kind(image)} and a bool mask {hole.shape}")


def known_restored(image: Array, hole: Bools, filled: Array, axis: int | None) -> Array:
    """Take the pixels outside the hole from `image`.

    :raises PluginError: if the arrays have different shapes or dtypes.
    """
    if filled.shape != image.shape or filled.dtype != image.dtype:
        raise PluginError("finish", f"the image is {kind(filled)} at the end: expected {kind(image)}, as it was before prepare_input")
    result = image.copy()
    ours, theirs = (array if axis is None else np.moveaxis(array, axis, -1) for array in (result, filled))
    ours[hole] = theirs[hole]
    return result


def check(name: str, image: Array, hole: Bools, result: Any, axis: int | None) -> None:
    """Check what a plugin returned for `finish`.

    :raises PluginError: if it breaks the contract.
    """
    if problem := wrong(image, hole, result, axis):
        raise PluginError(name, f"finish: {problem}")


def check_frame(name: str, frame: Array, result: Any) -> None:
    """Check a filled frame of a sequence.

    :raises PluginError: if its shape or dtype is not that of the frame.
    """
    if not isinstance(result, np.ndarray) or (result.shape, result.dtype) != (frame.shape, frame.dtype):
        raise PluginError(name, f"a frame is {kind(result)}: expected {kind(frame)}")


def wrong(image: Array, hole: Bools, result: Any, axis: int | None) -> str:
    """Say what is wrong with a filled image; an empty string if it keeps the contract."""
    if not isinstance(result, np.ndarray) or result.shape != image.shape or result.dtype != image.dtype:
        return f"the result is {kind(result)}: expected {kind(image)}"
    before, after = (array if axis is None or array.ndim == 2 else np.moveaxis(array, axis, -1) for array in (image, result))
    for start in range(0, len(hole), SCAN_ROWS):
        rows = slice(start, start + SCAN_ROWS)
        changed = (before[rows] != after[rows]) & ~hole[rows].reshape(*hole[rows].shape, *([1] * (before.ndim - 2)))
        if changed.any() and not _only_nan(before[rows], after[rows], changed):
            return f"the result changes {np.count_nonzero(changed)} known values in rows {start} to {start + len(hole[rows]) - 1}"
    return ""


def _only_nan(before: Array, after: Array, changed: Array) -> bool:
    return before.dtype.kind == "f" and bool((np.isnan(before) & np.isnan(after))[changed].all())


def kind(value: Any) -> str:
    """Describe a value in a message."""
    return f"an array of {value.dtype} and shape {value.shape}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"
