"""Windows that are cut out of a picture and fills that are written back, compared with pixel-by-pixel references."""

from __future__ import annotations

import numpy as np
import pytest

from gi_plugin.arrays import Bools, Floats
from gi_plugin.filling.enlarging import enlarge
from gi_plugin.image import Picture, shrink

RNG = np.random.default_rng(7)
DTYPES = ["uint8", "uint16", "float16", "float32", "float64"]


def _reference_window(picture: Picture, top: int, left: int, side: int, scale: int) -> tuple[Floats, Bools]:
    """Compute a window pixel by pixel: the mean of the known source pixels; beyond the border, the image is mirrored."""
    size = side // scale
    pixels, hole = np.zeros((size, size, 3), np.float32), np.ones((size, size), np.bool_)
    for y, x in np.ndindex(size, size):
        found = []
        for source in np.ndindex(scale, scale):
            row, column = (
                _mirrored(start + scale * at + step, start, limit)
                for start, at, step, limit in zip((top, left), (y, x), source, picture.hole.shape, strict=True)
            )
            if not picture.hole[row, column]:
                colour = [float(value) for value in picture.pixels[row, column, :3]]
                found.append(colour * 3 if len(colour) == 1 else colour)
        if found:
            unit = (np.array(found) - picture.low) / (picture.high - picture.low)
            pixels[y, x], hole[y, x] = np.clip(2 * unit - 1, -1, 1).mean(axis=0), False
    return pixels, hole


def _mirrored(position: int, start: int, limit: int) -> int:
    """Walk from `start` to `position`, turn back at `start` and at `limit`, and visit each end twice."""
    at, step = start, 1
    for _ in range(position - start):
        if start <= at + step < limit:
            at += step
        else:
            step = -step
    return at


def _picture(height: int, width: int, channels: int, dtype: str, *, missing: float = 0.3) -> Picture:
    hole = RNG.random((height, width)) < missing
    if dtype.startswith("uint"):
        pixels = RNG.integers(0, np.iinfo(dtype).max, (height, width, channels), dtype=dtype, endpoint=True)
        return Picture(pixels, hole, 0.0, float(np.iinfo(dtype).max))
    pixels = RNG.uniform(-2.5, 3.5, (height, width, channels)).astype(dtype)  # some values are outside the range and are clipped
    pixels[hole] = np.nan
    return Picture(pixels, hole, -2.0, 3.0)


@pytest.mark.parametrize(
    ("size", "top", "left", "side", "scale"),
    [
        ((40, 40), 8, 12, 24, 1),
        ((12, 40), 0, 3, 24, 1),
        ((40, 5), 7, 0, 24, 1),
        ((1, 1), 0, 0, 8, 1),
        ((3, 2), 0, 0, 16, 2),
        ((30, 20), 0, 0, 36, 3),
    ],
)
@pytest.mark.parametrize(("channels", "dtype"), [(1, "uint8"), (3, "uint16"), (4, "uint8"), (3, "float16"), (1, "float32"), (4, "float64")])
def test_windows_equal_the_reference(size: tuple[int, int], top: int, left: int, side: int, scale: int, channels: int, dtype: str) -> None:
    """Ranges, mirroring and reduction equal the reference; values in the hole, even NaN, are not read."""
    picture = _picture(*size, channels, dtype)
    pixels, hole = picture.window(top, left, side, scale)
    expected, expected_hole = _reference_window(picture, top, left, side, scale)
    assert (pixels.dtype.name, hole.dtype.name) == ("float32", "bool")
    np.testing.assert_array_equal(hole, expected_hole)
    np.testing.assert_allclose(pixels, expected, atol=1e-6)


@pytest.mark.parametrize("scale", [1, 3, 300])
def test_a_tall_window_equals_the_whole_reduced_at_once(scale: int) -> None:
    """A window is read in strips; no strip is lost, doubled or shifted."""
    picture, size = _picture(600, 2, 1, "uint8", missing=0.9), 600 // scale
    known = np.pad(~picture.hole, ((0, 0), (0, 598)), mode="symmetric").reshape(size, scale, size, scale)
    values = np.pad(picture.pixels[..., 0] / 127.5 - 1, ((0, 0), (0, 598)), mode="symmetric").reshape(size, scale, size, scale)
    count = known.sum(axis=(1, 3))
    expected = (values * known).sum(axis=(1, 3)) / np.maximum(count, 1)
    pixels, hole = picture.window(0, 0, 600, scale)
    np.testing.assert_array_equal(hole, count == 0)
    np.testing.assert_allclose(pixels[..., 2], expected, atol=1e-5)


def test_any_value_in_the_hole_is_ignored() -> None:
    """Values beyond float32 in the hole of a float64 image cause no warning and do not change the window."""
    picture = _picture(10, 10, 3, "float64")
    expected = picture.window(0, 0, 8)[0]
    picture.pixels[picture.hole] = 1e300
    np.testing.assert_array_equal(picture.window(0, 0, 8)[0], expected)


@pytest.mark.parametrize("factor", [1, 2, 3, 5])
def test_shrink_is_the_mean_of_the_known_pixels(factor: int) -> None:
    """Each block becomes the mean of its known pixels, or a hole if it has none."""
    hole = RNG.random((30, 60)) < 0.7
    pixels = np.where(hole[..., None], 0, RNG.uniform(-1, 1, (30, 60, 3))).astype(np.float32)
    small, small_hole = shrink(pixels, hole, factor)
    assert small.shape == (30 // factor, 60 // factor, 3)
    for y, x in np.ndindex(small_hole.shape):
        block = slice(y * factor, (y + 1) * factor), slice(x * factor, (x + 1) * factor)
        known = pixels[block][~hole[block]]
        assert small_hole[y, x] == (known.size == 0)
        np.testing.assert_allclose(small[y, x], known.mean(axis=0) if known.size else 0, atol=1e-6)


def test_enlarge_keeps_ramps_and_agrees_with_its_parts() -> None:
    """Bicubic enlargement keeps a linear ramp with aligned pixel centres, and enlarging a part equals that part of the whole."""
    y, x = np.mgrid[:32, :32].astype(np.float32)
    ramps = np.stack([y, x, y - 2 * x], axis=2)
    whole = enlarge(ramps, 3, 0, 0, 96, 96)
    row, column = (np.mgrid[12:84, 12:84] + 0.5) / 3 - 0.5
    np.testing.assert_allclose(whole[12:84, 12:84], np.stack([row, column, row - 2 * column], axis=2), atol=1e-4)
    np.testing.assert_allclose(enlarge(ramps, 3, 31, 40, 17, 20), whole[31:48, 40:60], atol=1e-4)
    np.testing.assert_array_equal(enlarge(ramps, 1, 3, 4, 5, 6), ramps[3:8, 4:10])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_write_touches_the_colours_of_the_hole_only(channels: int, dtype: str) -> None:
    """Missing pixels inside the written box get the fill, clipped and rounded; all other values and alpha stay bit-identical."""
    picture = _picture(20, 24, channels, dtype)
    expected, fill = picture.pixels.copy(), RNG.uniform(-1.2, 1.2, (9, 11, 3)).astype(np.float32)
    for y, x in np.argwhere(picture.hole[4:13, 6:17]):
        colour = fill[y, x].mean(keepdims=True) if channels == 1 else fill[y, x]
        unit = (colour.clip(-1, 1) + 1).astype(np.result_type(dtype, np.float32))
        values = unit / 2 * (picture.high - picture.low) + picture.low
        expected[y + 4, x + 6, :3] = np.rint(values) if np.issubdtype(dtype, np.integer) else values
    picture.write(4, 6, fill)
    assert picture.pixels.tobytes() == expected.tobytes()


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_every_integer_survives_the_round_trip(dtype: str) -> None:
    """Every integer of the dtype is read into [-1, 1] and written back as the same integer."""
    side = {"uint8": 16, "uint16": 256}[dtype]
    numbers = np.arange(side * side, dtype=dtype).reshape(side, side, 1)
    high = float(numbers.max())
    pixels, _ = Picture(numbers, np.zeros((side, side), np.bool_), 0.0, high).window(0, 0, side)
    result = Picture(np.zeros_like(numbers), np.ones((side, side), np.bool_), 0.0, high)
    result.write(0, 0, pixels)
    np.testing.assert_array_equal(result.pixels, numbers)
    assert (pixels.min(), pixels.max()) == (-1, 1)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_range_is_never_left(dtype: str) -> None:
    """A fill outside [-1, 1] is clipped to the range of the picture."""
    low, high = (0.0, float(np.iinfo(dtype).max)) if dtype.startswith("uint") else (-3.0, 7.0)
    picture = Picture(np.zeros((1, 2, 3), dtype), np.ones((1, 2), np.bool_), low, high)
    picture.write(0, 0, np.array([[[-9] * 3, [9] * 3]], np.float32))
    assert picture.pixels[0].tolist() == [[low] * 3, [high] * 3]
