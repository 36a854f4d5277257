"""What the transfer on a GPU takes from the masks equals what the CPU's transfer finds, for holes of any kind."""

from __future__ import annotations

import numpy as np
import pytest

from gi_plugin.engines.transfer.masks import levels
from gi_plugin.transfer import schedule
from gi_plugin.transfer.arrays import KNOWN, MARGIN, MISSING, Bools
from gi_plugin.transfer.composition import border
from gi_plugin.transfer.pyramid import box_masks, pyramid, spread, valid_sources
from gi_plugin.transfer.transfer import levels_to_search


def _masks(seed: int) -> tuple[Bools, Bools | None]:
    """A hole of scattered pixels and a rectangle, and for odd seeds a mask of the pixels that may be copied."""
    random = np.random.default_rng(seed)
    shape = tuple(random.integers(1, 90, 2))
    hole = random.random(shape) < random.choice([0, 0.01, 0.2])
    top, left = random.integers(0, shape)
    hole[top : top + random.integers(1, 50), left : left + random.integers(1, 50)] = True
    return hole, (random.random(shape) < 0.999) & ~hole if seed % 2 else None


@pytest.mark.parametrize("seed", range(40))
def test_levels_are_those_of_the_pyramid(seed: int) -> None:
    """Number of levels, missing pixels and valid sources are equal for any size, also if levels end in cut blocks."""
    hole, allowed = _masks(seed)
    depth, black = schedule.coarsest(hole.shape), np.zeros((*hole.shape, 3), np.float32)
    source, context = (pyramid(black, known, depth, 1) for known in (~hole if allowed is None else allowed, ~hole))
    expected = levels_to_search((valid_sources(one.missing), two.missing) for one, two in zip(source, context, strict=True))
    found = levels(hole, allowed, depth)
    assert [level.factor for level in found] == [2**number for number in sorted(expected)]
    for level, one, two in zip(found, source, context, strict=False):
        np.testing.assert_array_equal(level.known, ~one.missing)
        np.testing.assert_array_equal(level.valid, valid_sources(one.missing))
        np.testing.assert_array_equal(level.missing, two.missing)


@pytest.mark.parametrize("seed", range(10))
def test_the_box_marks_missing_pixels_targets_and_border(seed: int) -> None:
    """All of them, and nothing outside the picture."""
    hole, _ = _masks(seed)
    found = box_masks(hole)
    np.testing.assert_array_equal(found.weight == MISSING, found.box.cut(hole))
    np.testing.assert_array_equal(found.weight == KNOWN, found.box.cut(~hole))
    np.testing.assert_array_equal(found.target, found.box.cut(spread(hole)))
    np.testing.assert_array_equal(border(found.weight), found.box.cut(spread(hole, 1) & ~hole))
    inner = np.zeros_like(found.target)
    inner[MARGIN // 2 : -(MARGIN // 2), MARGIN // 2 : -(MARGIN // 2)] = True
    assert not (found.target & ~inner).any()  # patches of targets stay in the box
