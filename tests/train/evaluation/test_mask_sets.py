"""The mask sets: the same holes in every run, and the size and shape of the holes of each set."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from gi_plugin.arrays import Bools
from gi_plugin.errors import ConfigError
from gi_plugin.train.evaluation.mask_sets import AREA_BINS, MASK_SETS, SIZE, hole_of

THIN = ["specks", "scratches", "wires", "writing", "dead-pixels"]
EVERYWHERE = np.ones((3, 3))  # neighbours by sides and corners


def _holes(name: str, count: int = 24) -> list[Bools]:
    return [hole_of(name, number) for number in range(count)]


@pytest.mark.parametrize("name", MASK_SETS)
def test_a_hole_depends_only_on_set_and_number(name: str) -> None:
    """A hole is the same in every run, has the size of the set, and leaves known pixels."""
    holes = _holes(name, 4)
    assert all(np.array_equal(hole, hole_of(name, number)) for number, hole in enumerate(holes))
    assert {hole.shape for hole in holes} == {(MASK_SETS[name].size,) * 2}
    assert all(0 < hole.mean() < 0.5 for hole in holes)
    assert {hole.dtype for hole in holes} == {np.dtype(np.bool_)}


def test_new_sets_do_not_change_the_holes_of_old_ones() -> None:
    """The place of a set seeds its holes, so the oldest sets come first, in this order."""
    assert list(MASK_SETS) == ["center", "random", "freeform", "center512", *THIN]


def test_an_unknown_set_is_an_error() -> None:
    """The message names the sets."""
    with pytest.raises(ConfigError, match="unknown mask set 'squares': expected center, random"):
        hole_of("squares", 0)


@pytest.mark.parametrize(("name", "side"), [("center", 128), ("center512", 224)])
def test_centre_holes_are_in_the_middle(name: str, side: int) -> None:
    """The hole is one square, as far from the top as from the bottom and from the left as from the right."""
    hole = hole_of(name, 0)
    rows = np.flatnonzero(hole.any(axis=1))
    assert hole.sum() == len(rows) ** 2 == side**2
    np.testing.assert_array_equal(hole, hole[::-1, ::-1])


def test_random_holes_are_rectangles() -> None:
    """Both sides have three eighths to half of the crop's."""
    for hole in _holes("random"):
        rows, columns = hole.any(axis=1).sum(), hole.any(axis=0).sum()
        assert 96 <= min(rows, columns) <= max(rows, columns) <= 128
        assert hole.sum() == rows * columns


def test_free_form_holes_fill_the_bins_in_turn() -> None:
    """The share that is missing lies in the bin of the hole's number."""
    for number, hole in enumerate(_holes("freeform", 8)):
        low, high = AREA_BINS[number % len(AREA_BINS)]
        assert low < hole.mean() <= high


@pytest.mark.parametrize("name", THIN)
def test_thin_holes_are_thin(name: str) -> None:
    """Almost every missing pixel is at most 3 px from a known one, and holes of other numbers differ."""
    holes = _holes(name)
    distances = np.concatenate([ndimage.distance_transform_edt(hole)[hole] for hole in holes])
    assert (distances <= 3).mean() > 0.99
    assert len({hole.tobytes() for hole in holes}) == len(holes)


def test_specks_are_small_squares() -> None:
    """A crop has about 150 specks, nearly all of them apart from the others and with a side of 1 to 3 px."""
    for hole in _holes("specks", 4):
        labels, count = ndimage.label(hole, EVERYWHERE)
        sides = [part.stop - part.start for region in ndimage.find_objects(labels) for part in region]
        assert 110 < count <= 150
        assert np.isin(sides, (1, 2, 3)).mean() > 0.9
        assert set(sides) >= {1, 2, 3}


def test_scratches_are_strokes() -> None:
    """A crop has at most eight connected strokes, which are much longer than thick."""
    for hole in _holes("scratches"):
        strokes = ndimage.label(hole, EVERYWHERE)[1]
        assert strokes <= 8
        assert hole.sum() / ndimage.distance_transform_edt(hole).max() > 20


def test_wires_cross_the_crop() -> None:
    """Every wire reaches two opposite sides."""
    for hole in _holes("wires"):
        labels, count = ndimage.label(hole, EVERYWHERE)
        assert 1 <= count <= 3
        for wire in range(1, count + 1):
            top, bottom, left, right = (wire in side for side in (labels[0], labels[-1], labels[:, 0], labels[:, -1]))
            assert (top and bottom) or (left and right)


def test_writing_is_at_the_bottom() -> None:
    """A date ends in the lower right corner, a subtitle is centred; neither is cut off, and there are one or two lines."""
    kinds = set()
    for hole in _holes("writing", 40):
        rows, columns = (np.flatnonzero(hole.any(axis=axis)) for axis in (1, 0))
        assert rows[0] > SIZE // 2
        assert rows[-1] < SIZE - 1
        assert columns[0] > 0
        assert columns[-1] < SIZE - 1
        centred = abs(columns[0] - (SIZE - 1 - columns[-1])) <= 6
        assert centred or columns[-1] > SIZE - 32
        kinds.add((centred, bool(rows[-1] - rows[0] > 40)))
    assert kinds >= {(True, False), (True, True), (False, False)}


def test_dead_pixels_are_single_apart_from_pairs_and_lines() -> None:
    """Most parts are single pixels, some are pairs, and some crops have one row or column."""
    lines = []
    for hole in _holes("dead-pixels"):
        full = [np.flatnonzero(hole.all(axis=axis)) for axis in (0, 1)]
        lines.append(sum(map(len, full)))
        rest = hole.copy()
        rest[:, full[0]] = rest[full[1]] = False
        labels, count = ndimage.label(rest, EVERYWHERE)
        sizes = np.bincount(labels.ravel())[1:]
        assert 90 <= count <= 110
        assert (sizes == 1).sum() > 80
        assert 3 <= (sizes == 2).sum() <= 12
    assert set(lines) == {0, 1}
