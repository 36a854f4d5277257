"""The mask source that finds dead pixels and dust."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image
from scipy import ndimage

from gi_plugin.arrays import Array, Bools
from gi_plugin.hooks.specks import find_specks
from tests.gi_plugin.command import Cli

SHAPE = (120, 160)


def _noisy(seed: int, sigma: float = 4.0) -> Array:
    """A smooth picture [120, 160, 3] with noise."""
    random = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(random.random((*SHAPE, 3)), (20, 20, 0)) * 1500 % 150 + 50
    return (ndimage.gaussian_filter(smooth, (3, 3, 0)) + random.normal(0, sigma, smooth.shape)).clip(0, 255).astype(np.uint8)


def _with_specks(image: Array, seed: int, side: int) -> tuple[Array, Bools]:
    """Black or white squares of `side` pixels on a grid, and where they are."""
    random, where, result = np.random.default_rng(seed), np.zeros(SHAPE, bool), image.copy()
    for top in range(10, SHAPE[0] - 10, 20):
        for left in range(10, SHAPE[1] - 10, 20):
            place = slice(top, top + side), slice(left, left + side)
            result[place] = 0 if image[place].mean() > 127 else 255
            where[place] = random.random() >= 0
    return result, where


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), side=st.integers(1, 4), dtype=st.sampled_from(["uint8", "uint16", "float32"]))
def test_specks_are_found_and_noise_is_not(seed: int, side: int, dtype: str) -> None:
    """At least nine of ten specks' pixels are marked, and at most one of a thousand pixels without any."""
    image = _noisy(seed)
    scale = {"uint8": 1.0, "uint16": 257.0, "float32": 1 / 255}[dtype]
    damaged, where = _with_specks(image, seed, side)
    found = find_specks((damaged * scale).astype(dtype), grow=0)
    assert found[where].mean() > 0.9
    assert find_specks((image * scale).astype(dtype)).mean() < 0.001


@pytest.mark.parametrize(("largest", "sides"), [(1, [1]), (9, [1, 3]), (16, [1, 3, 4])])
def test_larger_groups_are_left_alone(largest: int, sides: list[int]) -> None:
    """Only groups of at most `largest` pixels are specks."""
    for side in (1, 3, 4, 8):
        image = np.full((60, 60), 90, np.uint8)
        image[30 : 30 + side, 30 : 30 + side] = 250
        assert find_specks(image, largest=largest, grow=0).any() == (side in sides)


def test_the_tone_and_the_growth_are_options() -> None:
    """Only dark or only bright specks are found if asked, and specks are grown."""
    image = np.full((60, 60), 90, np.uint8)
    image[10, 10], image[40, 40] = 0, 250
    assert np.argwhere(find_specks(image, tone="dark", grow=0)).tolist() == [[10, 10]]
    assert np.argwhere(find_specks(image, tone="bright", grow=0)).tolist() == [[40, 40]]
    assert find_specks(image, tone="bright", grow=2).sum() == 25
    with pytest.raises(ValueError, match="expected one of both, dark, bright"):
        find_specks(image, tone="pink")


def test_the_command_line_finds_and_fills_specks(cli: Cli) -> None:
    """`--mask-from specks` fills what the plugin finds, in one picture and in a folder, with the options in the settings."""
    image = _noisy(0)
    damaged, where = _with_specks(image, 0, 2)
    Image.fromarray(damaged).save("damaged.png")
    Path("shots").mkdir()
    Image.fromarray(damaged).save("shots/a.png")
    Path("specks.toml").write_text("[plugins.specks]\ngrow = 0\n", encoding="utf-8")
    assert cli("inpaint", "damaged.png", "--mask-from", "specks", "-o", "out.png", "--config", "specks.toml").code == 0
    assert cli("inpaint", "shots", "--mask-from", "specks", "-o", "filled", "--config", "specks.toml").code == 0
    filled = np.asarray(Image.open("out.png"))
    np.testing.assert_array_equal(filled, np.asarray(Image.open("filled/a.png")))
    np.testing.assert_array_equal((filled != damaged).any(axis=2) & ~find_specks(damaged, grow=0), np.zeros(SHAPE, bool))
    assert np.abs(filled[where].astype(int) - image[where]).mean() < 0.2 * np.abs(damaged[where].astype(int) - image[where]).mean()
