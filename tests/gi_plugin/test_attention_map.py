"""The picture of where the attention looked: colours mean directions, and only the hole is coloured."""

from __future__ import annotations

import numpy as np
import pytest

from gi_plugin.arrays import Array
from gi_plugin.attention_map import draw, draw_attention, draw_sources
from gi_plugin.files.sheet import CAPTION_HEIGHT, GAP
from gi_plugin.filling import Piece
from gi_plugin.inpainter import Inpainting
from gi_plugin.planning import Box, Window

RANGE = (0.0, 255.0)
CELLS = 32  # per side of a window of 256
RED, CYAN, CHARTREUSE, VIOLET, WHITE = (255, 0, 0), (0, 255, 255), (127, 255, 0), (127, 0, 255), (255, 255, 255)


def _inpainting(image: Array, own: Box, down: int, right: int, scale: int = 1, data_range: tuple[float, float] = RANGE) -> Inpainting:
    """One window at (0, 0) whose every cell matches the one `down` and `right` of it."""
    hole = np.zeros((256 * scale, 256 * scale), np.bool_)
    hole[own.top : own.bottom, own.left : own.right] = True
    piece = Piece(Window(0, 0, 256 * scale, scale, own), np.arange(CELLS * CELLS) + down * CELLS + right, None)
    return Inpainting(image, hole, [piece], data_range)


@pytest.mark.parametrize(
    ("down", "right", "colour"),
    [(0, 16, RED), (0, 20, RED), (0, -16, CYAN), (16, 0, CHARTREUSE), (-16, 0, VIOLET), (0, 0, WHITE), (0, 8, (255, 127, 127))],
)
@pytest.mark.parametrize("scale", [1, 3])
def test_a_missing_cell_shows_the_way_to_its_match(down: int, right: int, colour: tuple[int, int, int], scale: int) -> None:
    """Right is red, down is a quarter of the colour circle further; the longer the way, the purer the colour."""
    top, left = (scale * (150 if step < 0 else 40) for step in (down, right))  # far enough from the side that the way leads to
    inpainting = _inpainting(np.full((256 * scale, 256 * scale, 3), 90, np.uint8), Box(top, left, top + 30, left + 40), down, right, scale)
    picture = draw(inpainting)
    assert (picture.shape, picture.dtype.name) == ((256 * scale, 256 * scale, 3), "uint8")
    assert (picture[inpainting.hole] == colour).all()


@pytest.mark.parametrize(
    ("value", "dtype", "data_range"),
    [
        ([60, 120, 180], "uint8", RANGE),
        ([60, 120, 180, 7], "uint8", RANGE),
        ([120], "uint8", RANGE),
        ([257 * 120], "uint16", (0, 65535)),
        ([120 / 255, 0, 240 / 255], "float32", (0, 1)),
        ([19.0, 20.0, 21.0], "float64", (-100, 155)),
    ],
)
def test_known_pixels_are_dimmed_grey(value: list[float], dtype: str, data_range: tuple[float, float]) -> None:
    """Outside the hole stands half of the mean of the colours, on the scale of 255; alpha does not count."""
    own = Box(8, 8, 16, 24)
    inpainting = _inpainting(np.broadcast_to(np.array(value, dtype), (256, 256, len(value))), own, 0, 16, 1, data_range)
    picture = draw(inpainting)
    grey = picture[~inpainting.hole].astype(int)
    assert abs(grey - 60).max() <= 1
    assert (picture[inpainting.hole] == RED).all()


def test_each_cell_has_its_own_colour() -> None:
    """Cells are 8 px of the window, counted from its corner; pixels around the hole in the same cell stay grey."""
    image, hole = np.zeros((3, 300, 280), np.uint8), np.zeros((300, 280), np.bool_)
    hole[60:65, 40:90] = True
    hole[61:63, 50:70] = False
    matches = np.arange(CELLS * CELLS)
    matches[2 * CELLS + 5] += 16  # rows 56 to 63 and columns 64 to 71 of the image
    window = Window(40, 24, 256, 1, Box(60, 40, 65, 90))
    picture = draw(Inpainting(image, hole, [Piece(window, matches, None)], RANGE), channel_axis=0)
    expected = np.where(hole[..., None], WHITE, 0)
    expected[60:64, 64:72][hole[60:64, 64:72]] = RED
    np.testing.assert_array_equal(picture, expected)


def test_without_a_hole_all_is_grey() -> None:
    """A picture with nothing missing has no windows, and no colours."""
    image = np.random.default_rng(0).integers(0, 255, (300, 20), dtype=np.uint8)
    picture = draw(Inpainting(image, np.zeros((300, 20), np.bool_), [], RANGE))
    np.testing.assert_array_equal(picture, np.repeat((image // 2)[..., None], 3, axis=2))


@pytest.mark.parametrize(("down", "right", "colour"), [(0, 128, RED), (0, -128, CYAN), (128, 0, CHARTREUSE), (0, 64, (255, 127, 127))])
def test_each_pixel_shows_the_way_to_its_source(down: int, right: int, colour: tuple[int, int, int]) -> None:
    """With the transfer, the colour is that of the way to the copied pixel; known pixels in the own box have none."""
    own = Box(100, 110, 120, 150)
    hole = np.zeros((300, 300), np.bool_)
    hole[own.slices] = True
    hole[105, 115] = False
    sources = np.stack(np.mgrid[own.slices], axis=-1) + np.array([down, right])
    piece = Piece(Window(0, 0, 256, 1, own), np.arange(CELLS * CELLS), sources.astype(np.int32))
    picture = draw_sources(Inpainting(np.full((300, 300), 90, np.uint8), hole, [piece], RANGE))
    assert (picture[hole] == colour).all()
    assert (picture[~hole] == 45).all()


def test_both_pictures_stand_side_by_side() -> None:
    """`draw` shows the sources beside the network's attention."""
    own = Box(100, 110, 120, 150)
    hole = np.zeros((300, 300), np.bool_)
    hole[own.slices] = True
    piece = Piece(Window(0, 0, 256, 1, own), np.arange(CELLS * CELLS), np.full((20, 40, 2), 200, np.int32))
    inpainting = Inpainting(np.full((300, 300), 90, np.uint8), hole, [piece], RANGE)
    panels = draw(inpainting)[CAPTION_HEIGHT:]
    np.testing.assert_array_equal(panels[:300, GAP : GAP + 300], draw_sources(inpainting))
    np.testing.assert_array_equal(panels[:300, 2 * GAP + 300 :][:, :300], draw_attention(inpainting))
