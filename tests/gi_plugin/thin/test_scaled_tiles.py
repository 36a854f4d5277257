"""Tiles of thin holes: their first fill, and their scaling by their own known values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from gi_plugin.arrays import Array, Bools
from gi_plugin.thin import TILE, first_fill, scaled

SIDES = (2, 4, 6, 12, 16)


def _tiles(seed: int, count: int, side: int = TILE, share: float = 0.3) -> tuple[Array, Bools]:
    random = np.random.default_rng(seed)
    missing = random.random((count, side, side)) < share
    missing[:, 0, 0] = False  # every tile has a known pixel
    return random.normal(0, 1, (count, side, side, 3)), missing


def _slow_first_fill(pixels: Array, missing: Bools) -> Array:
    """Push-pull of one tile [S, S, C], pixel by pixel."""
    return _slow_level(pixels, (~missing).astype(float)[..., None])


def _slow_level(pixels: Array, share: Array) -> Array:
    """One level: `pixels` times their share of known ones, and that share [S, S, 1]."""
    side = len(pixels)
    if side % 2:
        return pixels / np.maximum(share, 1e-6)
    blocks = [[np.s_[2 * row : 2 * row + 2, 2 * column : 2 * column + 2] for column in range(side // 2)] for row in range(side // 2)]
    total, half_share = (np.array([[plane[block].mean(axis=(0, 1)) for block in line] for line in blocks]) for plane in (pixels, share))
    coarse = _slow_level(total, half_share)
    value = np.zeros_like(pixels)
    for row in range(side):
        for column in range(side):
            places = [((index - 0.5) / 2, len(coarse)) for index in (row, column)]
            (up, left), weights = (
                [int(np.floor(place)) for place, _ in places],
                [place - np.floor(place) for place, _ in places],
            )
            near = [
                (weight_row * weight_column, min(max(up + down, 0), len(coarse) - 1), min(max(left + right, 0), len(coarse) - 1))
                for down, weight_row in ((0, 1 - weights[0]), (1, weights[0]))
                for right, weight_column in ((0, 1 - weights[1]), (1, weights[1]))
            ]
            enlarged = sum(weight * coarse[y, x] for weight, y, x in near)
            trust = min(share[row, column, 0] / 0.25, 1)
            value[row, column] = trust * pixels[row, column] / max(share[row, column, 0], 1e-6) + (1 - trust) * enlarged
    return value


@pytest.mark.parametrize("side", SIDES)
def test_the_first_fill_equals_the_formula(side: int) -> None:
    """The batched pyramid equals push-pull computed pixel by pixel."""
    pixels, missing = _tiles(side, 3, side)
    pixels[missing] = 0
    found = first_fill(pixels.transpose(0, 3, 1, 2), missing[:, None])
    for tile, hole, filled in zip(pixels, missing, found, strict=True):
        expected = np.where(hole[..., None], _slow_first_fill(tile, hole), tile)
        np.testing.assert_allclose(filled.transpose(1, 2, 0), expected, atol=1e-12)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**31), gain=st.floats(1e-3, 1e6), offset=st.floats(-1e7, 1e7))
def test_the_network_sees_the_same_at_any_contrast(seed: int, gain: float, offset: float) -> None:
    """A tile times a gain plus an offset gives the same inputs, and its result is scaled back to its own values."""
    pixels, missing = _tiles(seed, 2)
    first, second = scaled(pixels, missing), scaled(pixels * gain + offset, missing)
    precision = 1e-9 * max(1, abs(offset) / gain)
    for one, two in zip(first.inputs(), second.inputs(), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-6 + 10 * precision)
    correction = np.random.default_rng(seed).normal(0, 1, first.filled.shape).astype(np.float32)
    np.testing.assert_allclose((second.restored(correction) - offset) / gain, first.restored(correction), atol=1e-6 + 100 * precision)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float16, np.float32, np.float64])
def test_known_values_come_back(dtype: type) -> None:
    """Without a correction, every known value comes back, in every type; values at missing pixels may be anything."""
    random = np.random.default_rng(0)
    pixels = random.integers(0, 200, (4, TILE, TILE, 3)).astype(dtype)
    missing = _tiles(1, 4)[1]
    if np.issubdtype(dtype, np.floating):
        pixels[missing] = np.nan
    tiles = scaled(pixels, missing)
    restored = tiles.restored(np.zeros(tiles.filled.shape, np.float32)).transpose(0, 2, 3, 1)
    np.testing.assert_allclose(restored[~missing], pixels[~missing], atol=1e-3)
    assert ((restored > -1e-3) & (restored < 200)).all()  # the first fill is a mean of known pixels


def test_a_flat_tile_stays_flat() -> None:
    """A tile of one colour is filled by exactly this colour, whatever the network says."""
    pixels = np.full((1, TILE, TILE, 3), (7, 200, 65535), np.uint16)
    missing = _tiles(2, 1)[1]
    tiles = scaled(pixels, missing)
    np.testing.assert_array_equal(tiles.restored(np.ones(tiles.filled.shape, np.float32)).transpose(0, 2, 3, 1), pixels)
