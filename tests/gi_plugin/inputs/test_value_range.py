"""The range of values that the network sees: taken from the known pixels, and not misled by pixels without data or highlights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gi_plugin.arrays import Array, Bools
from gi_plugin.errors import ImageError
from gi_plugin.inputs.value_range import value_range

SHAPE = (200, 300)
HOLE: Bools = np.zeros(SHAPE, bool)
HOLE[90:110, 140:160] = True
PHOTO = np.clip(np.random.default_rng(0).normal(0.5, 0.15, (*SHAPE, 3)), 0, 1)  # known values from 0 to 1
EVERYWHERE = np.zeros(SHAPE, bool)


def _at(part: float, value: float, pixels: Array) -> Array:
    """Set the pixels of the first rows, a part of the picture, to a value."""
    result = pixels.copy()
    result[: int(part * len(result))] = value
    return result


KEPT: dict[str, tuple[Array, tuple[float, float]]] = {
    "8 bits": ((PHOTO * 60).astype(np.uint8), (0, 255)),
    "floats in [0, 1]": (PHOTO * 0.1, (0, 1)),
    "floats that overshoot": (PHOTO * 1.01 - 0.005, (0, 1)),
    "floats in [0, 1] and one highlight": (_at(0.005, 50.0, PHOTO), (0, 1)),
    "floats in [0, 1] and no data": (_at(0.4, -9999.0, PHOTO), (0, 1)),
    "16 bits that use their range": ((PHOTO * 65535).astype(np.uint16), (0, 65535)),
}
TAKEN: dict[str, tuple[Array, float, float]] = {  # pixels, lowest and highest value that the range should have
    "12 bits": ((PHOTO * 4095).astype(np.uint16), 0, 4095),
    "thermal": ((1000 + PHOTO * 255).astype(np.uint16), 1000, 1255),
    "thermal with a border of zeros": (_at(0.1, 0, (1000 + PHOTO * 255).astype(np.uint16)), 1000, 1255),
    "thermal with saturated pixels": (_at(0.1, 65535, (1000 + PHOTO * 255).astype(np.uint16)), 1000, 1255),
    "kelvin": ((300 + PHOTO * 10).astype(np.float32), 300, 310),
    "elevation with no data": (_at(0.3, -3.4028235e38, (100 + PHOTO * 2000).astype(np.float32)), 100, 2100),
    "mostly no data": (_at(0.44, -32768, (100 + PHOTO * 2000).astype(np.float64)), 100, 2100),
    "a large offset": (1e7 + PHOTO, 1e7, 1e7 + 1),
    "floats from -1 to 1": ((2 * PHOTO - 1).astype(np.float16), -1, 1),
    "floats from 0 to 255": (PHOTO * 255, 0, 255),
    "highlights": (_at(0.008, 1e6, PHOTO * 20), 0, 20),
}


@pytest.mark.parametrize("name", KEPT)
def test_ordinary_pictures_have_the_range_of_their_type(name: str) -> None:
    """8 bits, floats inside [0, 1] and 16 bits that use half of their range keep the full range."""
    pixels, expected = KEPT[name]
    assert value_range(pixels, HOLE) == expected


@pytest.mark.parametrize("name", TAKEN)
def test_other_pictures_have_the_range_of_their_known_pixels(name: str) -> None:
    """The range is close to that of the real values; values in the hole do not count."""
    pixels, low, high = TAKEN[name]
    pixels = pixels.copy()
    pixels[HOLE] = pixels.dtype.type(60_000)
    found = value_range(pixels, HOLE)
    assert low <= found[0] < found[1] <= high
    assert found[1] - found[0] > 0.8 * (high - low)


def test_the_surroundings_of_the_hole_set_the_range() -> None:
    """A bright region far from the hole does not darken its surroundings; a flat region is stretched eightfold at most."""
    pixels = 20 * PHOTO[..., :1] + 5
    pixels[:, 260:] += 1e4
    low, high = value_range(pixels, HOLE)
    assert high - low < 2000
    flat = np.full((*SHAPE, 1), 500.0)
    flat[:, :60] = 1000 * PHOTO[:, :60, :1]
    low, high = value_range(flat, HOLE)
    assert 100 < high - low < 200


def test_few_known_pixels_are_enough() -> None:
    """A large picture with few known pixels, or one value only, or none, has a usable range."""
    pixels, hole = np.full((1500, 1500, 1), 7.0, np.float32), np.ones((1500, 1500), bool)
    hole[3, 5:9] = False
    pixels[3, 5:9, 0] = [2000, 2010, 2020, 2030]
    low, high = value_range(pixels, hole)
    assert pytest.approx((low, high), abs=1) == (2000, 2030)
    assert value_range(pixels, np.ones_like(hole)) == (0, 1)
    for value, dtype in ((7.0, np.float16), (65535, np.uint16), (0, np.uint16), (-1e300, np.float64)):
        low, high = value_range(np.full((9, 9, 1), value, dtype), EVERYWHERE[:9, :9])
        assert low <= value <= high
        assert low < high


@pytest.mark.parametrize(
    ("dtype", "given", "message"),
    [
        (np.float32, (1, 0), "finite, in this order"),
        (np.float32, (1, 1), "finite, in this order"),
        (np.float64, (0, np.inf), "finite"),
        (np.float64, (np.nan, 1), "finite"),
        (np.float64, (-1e308, 1e308), "not too far apart for float64"),
        (np.float32, (-3e38, 3e38), "not too far apart for float32"),
        (np.float32, (1e9, 1e9 + 1), "in this order"),  # equal in float32
        (np.float16, (0, 1e5), "float16 holds values from -65504 to 65504 only"),
        (np.uint16, (0, 70_000), "uint16 holds values from 0 to 65535 only"),
        (np.uint8, (-1, 255), "uint8 holds values from 0 to 255 only"),
    ],
)
def test_a_range_that_cannot_be_used_is_refused(dtype: Any, given: tuple[float, float], message: str) -> None:
    """A range that is empty, infinite, huge, or not of the type is an error."""
    with pytest.raises(ImageError, match=message):
        value_range(np.zeros((9, 9, 1), dtype), EVERYWHERE[:9, :9], given)


@pytest.mark.parametrize(
    ("dtype", "given"), [(np.uint8, (10, 20)), (np.uint16, (0, 4095)), (np.float32, (-5, 5)), (np.float64, (1e7, 1e7 + 1))]
)
def test_the_callers_range_is_taken(dtype: Any, given: tuple[float, float]) -> None:
    """A range that the caller gives is used as it is, for integers, too."""
    assert value_range(np.full((9, 9, 1), given[0], dtype), EVERYWHERE[:9, :9], given) == given


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_a_range_for_other_values_is_refused(dtype: str) -> None:
    """Some values of a float picture may lie far outside the given range, most must not; integers may."""
    pixels = np.full((600, 20, 3), 0.5, dtype)
    pixels[:200] = 6e4
    assert value_range(pixels, np.zeros((600, 20), bool), (0.0, 1.0)) == (0, 1)
    with pytest.raises(ImageError, match=r"far outside data_range=\(2, 3\)"):
        value_range(pixels, np.zeros((600, 20), bool), (2.0, 3.0))
    assert value_range(np.full((60, 20, 3), 9, np.uint16), np.zeros((60, 20), bool), (20.0, 30.0)) == (20, 30)


def test_values_too_far_apart_are_an_error() -> None:
    """Values that span more than their type holds are an error, not a fill of NaN."""
    pixels = np.where(PHOTO > 0.5, np.float32(3e38), np.float32(-3e38))
    with pytest.raises(ImageError, match="not too far apart for float32"):
        value_range(pixels, HOLE)
