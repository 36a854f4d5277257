"""Doubts about a mask that can be used but is probably not what its author meant."""

from __future__ import annotations

import math

import numpy as np

from ..arrays import Array, Bools
from .masks import plane, range_end

MOST = 2**20  # pixels that are looked at
MOST_MISSING = 0.5  # share of a picture that is rarely missing on purpose
NEARLY_ALL = 0.99  # share of the pixels of a mask that are black or white
MOST_GREY = 0.1  # share of grey pixels that a mask with soft edges rarely has


def doubts(mask: Array, hole: Bools, *, alpha: bool = False, invert: bool = False) -> list[str]:
    """Return what makes a mask doubtful, one sentence each.

    :param mask: a mask that `check_mask` accepts, also for `alpha` and `invert`.
    :param hole: what is missing, [H, W].
    """
    share, found = np.count_nonzero(hole) / hole.size, []
    if not hole.any():
        found.append(f"mask marks nothing as missing: the picture stays as it is{_alpha(mask, alpha)}")
    elif share > MOST_MISSING:
        found.append(
            f"mask marks {100 * share:.0f} % of the picture as missing: if black and white are swapped, use invert_mask={not invert}"
            f"{_alpha(mask, alpha)}"
        )
    if (grey := _grey_share(mask, alpha)) > MOST_GREY:
        end = range_end(mask, alpha)[1]
        found.append(
            f"mask looks like a picture, {100 * grey:.0f} % of it is grey: are image and mask swapped? Values above half of 0 to {end:g} "
            f"count as missing{_alpha(mask, alpha)}"
        )
    return found


def looks_like_picture(mask: Array, alpha: bool) -> bool:
    """Return whether so much of a mask is grey that it is probably a picture."""
    return _grey_share(mask, alpha) > MOST_GREY


def looks_like_mask(pixels: Array) -> bool:
    """Return whether nearly every pixel of a picture [H, W] or [H, W, C] of integers is black or white, and both are there."""
    if pixels.dtype.kind != "u":
        return False
    step = math.ceil(math.sqrt(pixels.shape[0] * pixels.shape[1] / MOST))
    part, white = np.atleast_3d(pixels[::step, ::step])[..., :3], np.iinfo(pixels.dtype).max
    black_pixels, white_pixels = ((part < white / 8).all(axis=2), (part > white * 7 / 8).all(axis=2))
    return bool(black_pixels.any() and white_pixels.any() and (black_pixels | white_pixels).mean() > NEARLY_ALL)


def _grey_share(mask: Array, alpha: bool) -> float:
    """Return the share of pixels that are neither nearly black nor nearly white."""
    if mask.dtype.kind == "b":
        return 0.0
    step = math.ceil(math.sqrt(mask.shape[0] * mask.shape[1] / MOST))
    part, end = plane(mask[::step, ::step], alpha), range_end(mask, alpha)[1]
    if end <= 1 and part.dtype.kind != "f":
        return 0.0
    grey = (part > end / 8) & (part < end * 7 / 8)
    few = part.dtype.kind != "f" and len(np.unique(part[grey])) <= 16  # labels
    return 0.0 if few else float(grey.mean())


def _alpha(mask: Array, alpha: bool) -> str:
    """Return a hint at an alpha channel that is not used but may be the mask."""
    if alpha or mask.ndim != 3 or mask.shape[2] != 4 or mask[..., 3].min() == mask[..., 3].max():
        return ""
    return "; its alpha channel varies: if that is the mask, use mask_alpha=True, and invert_mask=True if the object was erased"
