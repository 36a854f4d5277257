"""Checks of the images that users hand in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gi_plugin.arrays import Array
from gi_plugin.errors import ImageError
from gi_plugin.image import Picture, check_finite, check_image, dilated

RNG = np.random.default_rng(7)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float16", "float32", "float64"])
def test_every_image_is_viewed_as_rows_columns_channels(dtype: str, channels: int) -> None:
    """All layouts of one picture give the same view of the caller's memory."""
    pixels = RNG.integers(0, 2, (5, 6, channels)).astype(dtype)
    layouts: list[tuple[Array, int | None]] = [(pixels, -1), (pixels, 2), (np.moveaxis(pixels, -1, 0), 0), (np.moveaxis(pixels, -1, 1), 1)]
    if channels == 1:
        layouts += [(pixels[..., 0], None), (pixels[..., 0], -1)]
    for image, axis in layouts:
        view = check_image(image, axis)
        np.testing.assert_array_equal(view, pixels)
        assert np.shares_memory(view, image)


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
]


@pytest.mark.parametrize(("image", "options", "message"), BAD_IMAGES)
def test_an_unusable_image_is_refused(image: Any, options: dict[str, Any], message: str) -> None:
    """The message says what was given and what was expected."""
    with pytest.raises(ImageError, match=message):
        check_image(image, **options)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_known_values_that_a_fill_reads_are_finite(dtype: str) -> None:
    """NaN and infinity in a known pixel of a box are errors that name the rows; in the hole or outside of all boxes they may be."""
    pixels, hole = np.full((600, 20, 3), 6e4, dtype), np.zeros((600, 20), np.bool_)
    boxes = np.array([(10, 2, 20, 9), (540, 0, 560, 5)])
    for value in (np.nan, -np.inf):
        pixels[550, 1, 2] = value
        with pytest.raises(ImageError, match="NaN or infinite values outside the hole, first seen in rows 540 to 559"):
            check_finite(Picture(pixels, hole, 0.0, 1.0), boxes)
        hole[550, 1] = True
        check_finite(Picture(pixels, hole, 0.0, 1.0), boxes)
        hole[550, 1] = False
        check_finite(Picture(pixels, hole, 0.0, 1.0), boxes - (0, 0, 10, 0))
        check_finite(Picture(pixels, hole, 0.0, 1.0), boxes[:0])


@pytest.mark.parametrize("radius", [0, 1, 3, 100, 10**20])
def test_dilation_is_a_square(radius: int) -> None:
    """A pixel is missing if one was within `radius` rows and columns, however large the radius."""
    hole = RNG.random((20, 30)) < 0.01
    hole[3, 4] = True
    rows, columns = np.nonzero(hole)
    expected = [((abs(rows - y) <= radius) & (abs(columns - x) <= radius)).any() for y, x in np.ndindex(hole.shape)]
    np.testing.assert_array_equal(dilated(hole, radius).ravel(), expected)
    assert not dilated(np.zeros((4, 5), np.bool_), radius).any()
