"""Checks of what users hand in: images, masks, and values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gi_plugin.arrays import Array
from gi_plugin.errors import ImageError
from gi_plugin.image import Picture, check_image, check_mask, check_values, dilated

RNG = np.random.default_rng(7)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float16", "float32", "float64"])
def test_every_image_is_viewed_as_rows_columns_channels(dtype: str, channels: int) -> None:
    """All layouts of one picture give the same view of the caller's memory, and the range of its dtype."""
    pixels = RNG.integers(0, 2, (5, 6, channels)).astype(dtype)
    expected_high = {"uint8": 255.0, "uint16": 65535.0}.get(dtype, 1.0)
    layouts: list[tuple[Array, int | None]] = [(pixels, -1), (pixels, 2), (np.moveaxis(pixels, -1, 0), 0), (np.moveaxis(pixels, -1, 1), 1)]
    if channels == 1:
        layouts += [(pixels[..., 0], None), (pixels[..., 0], -1)]
    for image, axis in layouts:
        view, low, high = check_image(image, axis)
        np.testing.assert_array_equal(view, pixels)
        assert np.shares_memory(view, image)
        assert (low, high) == (0.0, expected_high)


BAD_IMAGES: list[tuple[Any, dict[str, Any], str]] = [
    ([[1, 2], [3, 4]], {}, "image is a list: expected a numpy array"),
    (None, {}, "image is a NoneType"),
    (np.zeros((4, 4), np.int64), {}, "dtype int64: expected one of uint8, uint16, float16, float32, float64"),
    (np.zeros((4, 4), np.bool_), {}, "dtype bool"),
    (np.zeros((4, 4), np.complex64), {}, "dtype complex64"),
    (np.zeros((0, 4), np.uint8), {}, r"shape \(0, 4\): there is no pixel"),
    (np.zeros((4, 4, 0), np.uint8), {}, r"shape \(4, 4, 0\): there is no pixel"),
    (np.zeros(4, np.uint8), {}, r"shape \(4,\)"),
    (np.zeros((5, 5, 2), np.uint8), {}, "expected HxW, HxWx1, HxWx3 or HxWx4$"),
    (np.zeros((1, 4, 4, 3), np.uint8), {}, "expected HxW, HxWx1, HxWx3 or HxWx4$"),
    (np.zeros((3, 9, 9), np.uint8), {}, r"shape \(3, 9, 9\) \(channel_axis=-1\).*pass channel_axis=0"),
    (np.zeros((9, 9, 3), np.uint8), {"channel_axis": 0}, r"channel_axis=0\): expected"),
    (np.zeros((9, 9, 3), np.uint8), {"channel_axis": None}, "channel_axis=None"),
    (np.zeros((9, 9, 3), np.uint8), {"channel_axis": 3}, "channel_axis=3"),
    (np.zeros((4, 4), np.uint8), {"data_range": (0, 1)}, "data_range=.* uint8 image: it applies to float images only"),
    (np.zeros((4, 4)), {"data_range": (1, 0)}, "finite and in this order"),
    (np.zeros((4, 4)), {"data_range": (1, 1)}, "finite and in this order"),
    (np.zeros((4, 4)), {"data_range": (0, np.inf)}, "finite and in this order"),
    (np.zeros((4, 4)), {"data_range": (np.nan, 1)}, "finite and in this order"),
]


@pytest.mark.parametrize(("image", "options", "message"), BAD_IMAGES)
def test_an_unusable_image_is_refused(image: Any, options: dict[str, Any], message: str) -> None:
    """The message says what was given and what was expected."""
    with pytest.raises(ImageError, match=message):
        check_image(image, **options)


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
        np.where(HALF, 128, 127).astype(np.uint8),
        np.where(HALF, 32768, 32767).astype(np.uint16),
        np.where(HALF[..., None], [128, 128, 127], [128, 127, 127]).astype(np.uint8),
        np.where(HALF, 255 - NOISE, NOISE).astype(np.uint8),  # went through JPEG
        np.where(HALF, 65535 - 256 * NOISE, 256 * NOISE).astype(np.uint16),
        np.repeat(HALF[..., None], 3, axis=2),
        np.where(HALF[..., None], [255, 200, 190], [0, 60, 90]).astype(np.uint8),
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
    (np.ones(SHAPE, np.bool_), False, r"marks every pixel as missing: .* \(non-zero = missing\)$"),
    (np.dstack([OPAQUE] * 3 + [255 * HALF.astype(np.uint8)]), False, r"every pixel.*alpha channel varies.*\(mask_alpha\)$"),
    (np.dstack([OPAQUE] * 4), False, r"\(non-zero = missing\)$"),
    (np.dstack([255 * HALF.astype(np.uint8)] * 3 + [OPAQUE]), True, r"\(non-zero = missing\)$"),
]


@pytest.mark.parametrize(("mask", "alpha", "message"), BAD_MASKS)
def test_an_unusable_mask_is_refused(mask: Any, alpha: bool, message: str) -> None:
    """The message says what was given, what was expected, and hints at the alpha channel where that is likely meant."""
    with pytest.raises(ImageError, match=message):
        check_mask(mask, SHAPE, alpha=alpha)


@pytest.mark.parametrize(("low", "high", "known"), [(0.0, 1.0, [-0.5, 1.5]), (-1.0, 1.0, [-2.0, 2.0]), (0.0, 255.0, [-1.0, 382.0])])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_known_values_may_leave_the_range_by_half_of_it(dtype: str, low: float, high: float, known: list[float]) -> None:
    """Small excursions are clipped later; NaN, infinity and another range are errors, unless they stand in the hole."""
    pixels, hole = np.full((600, 2, 3), low, dtype), np.zeros((600, 2), np.bool_)
    pixels[0, :, 0] = known
    check_values(Picture(pixels, hole, low, high))
    beyond = 0.6 * (high - low)
    for value, message in ((np.nan, "NaN"), (-np.inf, "infinite"), (high + beyond, "pass data_range"), (low - beyond, "pass data_range")):
        pixels[550, 1, 2] = value
        with pytest.raises(ImageError, match=message):
            check_values(Picture(pixels, hole, low, high))
        hole[550, 1] = True
        check_values(Picture(pixels, hole, low, high))
        hole[550, 1] = False


@pytest.mark.parametrize("radius", [0, 1, 3, 100, 10**20])
def test_dilation_is_a_square(radius: int) -> None:
    """A pixel is missing if one was within `radius` rows and columns, however large the radius."""
    hole = RNG.random((20, 30)) < 0.01
    hole[3, 4] = True
    rows, columns = np.nonzero(hole)
    expected = [((abs(rows - y) <= radius) & (abs(columns - x) <= radius)).any() for y, x in np.ndindex(hole.shape)]
    np.testing.assert_array_equal(dilated(hole, radius).ravel(), expected)
    assert not dilated(np.zeros((4, 5), np.bool_), radius).any()
