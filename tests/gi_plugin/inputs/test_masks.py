"""Masks of every kind, and what is doubtful about them."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from gi_plugin.arrays import Array
from gi_plugin.errors import ImageError
from gi_plugin.inputs import masks
from gi_plugin.inputs.doubts import doubts
from gi_plugin.inputs.masks import check_mask

RNG = np.random.default_rng(7)
SHAPE = (6, 8)
HALF = np.arange(48).reshape(SHAPE) % 3 == 0
NOISE = RNG.integers(0, 60, SHAPE)
OPAQUE = np.full(SHAPE, 255, np.uint8)


@pytest.mark.parametrize(
    "mask",
    [
        HALF,
        HALF[..., None],
        np.asfortranarray(HALF),
        *(HALF.astype(dtype) for dtype in ("uint8", "int8", "uint16", "int64", "float16", "float32", "float64")),
        *((255 * HALF.astype(np.int64)).astype(dtype) for dtype in ("uint8", "int32", "uint16", "float32")),
        *((65535 * HALF.astype(np.int64)).astype(dtype) for dtype in ("uint16", "int64", "float64")),
        np.where(HALF, 0.51, 0.49),
        np.where(HALF, 1.4, -0.4),  # overshoots, as resizing makes it
        np.where(HALF, 200, NOISE).astype(np.uint8),
        np.where(HALF, 32768, 32767 - NOISE).astype(np.uint16),
        np.where(HALF, 255 - NOISE, NOISE).astype(np.uint8),  # went through JPEG
        np.where(HALF, 65535 - 256 * NOISE, 256 * NOISE).astype(np.uint16),
        np.repeat(HALF[..., None], 3, axis=2),
        np.where(HALF[..., None], [255, 200, 190], NOISE[..., None] + [0, 9, 30]).astype(np.uint8),
        np.where(HALF[..., None], [255, 0, 0], 0).astype(np.uint8),  # red on black
        np.where(HALF, RNG.choice([1, 100, 200, 255], SHAPE), 0).astype(np.uint8),  # labels
        np.where(HALF, RNG.integers(1, 9, SHAPE), 0),
        np.dstack([np.where(HALF, 30, 0).astype(np.uint8)] * 3 + [OPAQUE]),  # judged without its alpha
        np.dstack([255 * HALF.astype(np.uint8)] * 3 + [OPAQUE]),
    ],
)
def test_masks_of_all_kinds_mean_the_same(mask: Array) -> None:
    """Non-zero is missing whatever the range, and the noise of a lossy file changes nothing."""
    hole = check_mask(mask, SHAPE)
    assert hole.dtype == np.bool_
    np.testing.assert_array_equal(hole, HALF)


def test_an_empty_mask_is_no_mistake() -> None:
    """Nothing missing gives an empty hole, in every dtype."""
    for dtype in ("bool", "uint8", "int64", "float32"):
        assert not check_mask(np.zeros(SHAPE, dtype), SHAPE).any()


def test_the_alpha_channel_is_read_only_when_asked_for() -> None:
    """A four-channel mask is judged by its colours, or by its alpha if the caller says so."""
    mask = np.dstack([255 * HALF.astype(np.uint8)] * 3 + [255 * (~HALF).astype(np.uint8)])
    np.testing.assert_array_equal(check_mask(mask, SHAPE), HALF)
    np.testing.assert_array_equal(check_mask(mask, SHAPE, alpha=True), ~HALF)


def test_a_mask_may_be_inverted() -> None:
    """With `invert`, zero is missing, also in the alpha channel: an object that was erased to transparency."""
    erased = np.dstack([NOISE.astype(np.uint8)] * 3 + [255 * (~HALF).astype(np.uint8)])
    np.testing.assert_array_equal(check_mask(~HALF, SHAPE, invert=True), HALF)
    np.testing.assert_array_equal(check_mask(erased, SHAPE, alpha=True, invert=True), HALF)
    with pytest.raises(ImageError, match=r"every pixel as missing.*\(zero = missing\)"):
        check_mask(np.zeros(SHAPE, np.uint8), SHAPE, invert=True)


def test_labels_are_counted_in_all_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of values decides over the whole mask, however they are spread over its strips of rows."""
    monkeypatch.setattr(masks, "SCAN_ROWS", 2)
    few = np.zeros((40, 3), np.uint8)
    few[::2, 1] = np.arange(20) % 15 + 1
    np.testing.assert_array_equal(check_mask(few, (40, 3)), few > 0)
    many = few.copy()
    many[::2, 1] = np.arange(20) * 12 + 1
    np.testing.assert_array_equal(check_mask(many, (40, 3)), many > 127)


BAD_MASKS: list[tuple[Any, bool, str]] = [
    ([[0, 1]], False, "mask is a list: expected a numpy array"),
    (np.zeros(SHAPE, "U1"), False, "mask is an array of <U1"),
    (np.zeros(SHAPE, np.complex64), False, "mask is an array of complex64"),
    (np.zeros((8, 6), np.bool_), False, r"shape \(8, 6\), the image is 6 x 8 \(rows x columns\): expected shape \(6, 8\)"),
    (np.zeros((*SHAPE, 2), np.bool_), False, r"shape \(6, 8, 2\)"),
    (np.zeros((*SHAPE, 0), np.bool_), False, r"shape \(6, 8, 0\)"),
    (np.zeros((*SHAPE, 3, 1), np.bool_), False, r"shape \(6, 8, 3, 1\)"),
    (np.zeros(6, np.bool_), False, r"shape \(6,\)"),
    (HALF, True, r"shape \(6, 8\), and its alpha channel was asked for: expected a mask with 4 channels"),
    (-HALF.astype(np.int8), False, "values from -1 to 0: expected 0 to 1, 0 to 255 or 0 to 65535"),
    (70000 * HALF.astype(np.int64), False, "values from 0 to 70000"),
    (np.where(HALF, np.nan, 0), False, "values from nan to nan"),
    (np.where(HALF, np.inf, 0), False, "values from 0 to inf"),
    (
        np.arange(48).reshape(SHAPE).astype(np.uint8),
        False,
        "its largest value is 47.*above half of 0 to 255 count; make it black",
    ),
    (np.ones(SHAPE, np.bool_), False, r"marks every pixel as missing: .* \(non-zero = missing\)$"),
    (np.dstack([OPAQUE] * 3 + [255 * HALF.astype(np.uint8)]), False, r"every pixel.*alpha channel varies.*mask_alpha=True\)$"),
    (np.dstack([OPAQUE] * 4), False, r"\(non-zero = missing\)$"),
    (np.dstack([255 * HALF.astype(np.uint8)] * 3 + [OPAQUE]), True, r"\(non-zero = missing\)$"),
]


@pytest.mark.parametrize(("mask", "alpha", "message"), BAD_MASKS)
def test_an_unusable_mask_is_refused(mask: Any, alpha: bool, message: str) -> None:
    """The message says what was given, what was expected, and hints at the alpha channel where that is likely meant."""
    with pytest.raises(ImageError, match=message):
        check_mask(mask, SHAPE, alpha=alpha)


GREYS = np.linspace(0, 255, 48).reshape(SHAPE).astype(np.uint8)


@pytest.mark.parametrize(
    ("mask", "options", "expected"),
    [
        (HALF, {}, []),
        (np.where(HALF, NOISE // 16 * 40 + 40, 0).astype(np.uint8), {}, []),  # few greys: labels
        (~HALF, {}, ["marks 67 % of the picture.*invert_mask=True$"]),
        (HALF, {"invert": True}, ["marks 67 % of the picture.*invert_mask=False$"]),
        (np.zeros(SHAPE, np.uint8), {}, ["marks nothing as missing: the picture stays as it is$"]),
        (GREYS, {}, ["looks like a picture, 75 % of it is grey: are image and mask swapped.*above half of 0 to 255 count"]),
        (
            np.dstack([np.zeros(SHAPE, np.uint8)] * 3 + [255 * (~HALF).astype(np.uint8)]),
            {},
            ["nothing.*alpha channel varies: if that is the mask, use mask_alpha=True, and invert_mask=True if the object was erased"],
        ),
    ],
)
def test_a_doubtful_mask_is_described(mask: Array, options: dict[str, bool], expected: list[str]) -> None:
    """A mask that marks nothing or most of the picture, or that looks like a picture, is described with the remedy."""
    found = doubts(mask, check_mask(mask, SHAPE, **options), **options)
    assert len(found) == len(expected)
    assert all(re.search(pattern, text) for pattern, text in zip(expected, found, strict=True)), found
