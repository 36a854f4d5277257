"""The benchmark of thin holes: the pictures, the holes and the methods."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy import ndimage

from gi_plugin.bench import thin_holes
from gi_plugin.bench.thin_holes import CASES, COPY, SLOW, ThinCase, dead_pixels, frame, measure, specks, wire
from gi_plugin.config import Config, EngineSettings
from gi_plugin.planning.thin_holes import split

SHAPE = (300, 400)


def test_specks_are_squares_at_seeded_places() -> None:
    """Every speck has the given side, and the seed gives the same hole every time."""
    hole = specks(20, 2, SHAPE)
    labels, count = ndimage.label(hole, np.ones((3, 3)))
    assert count == 20
    assert {part.stop - part.start for region in ndimage.find_objects(labels) for part in region} == {2}
    np.testing.assert_array_equal(hole, specks(20, 2, SHAPE))


def test_a_wire_goes_from_side_to_side() -> None:
    """The wire is one part, crosses every column, and is as thick there as its name says."""
    hole = wire(SHAPE)
    assert ndimage.label(hole)[1] == 1
    assert (hole.sum(axis=0) == thin_holes.WIRE).all()


def test_dead_pixels_are_single_apart_from_a_column() -> None:
    """All but one column has single pixels only."""
    hole = dead_pixels(30, SHAPE)
    (column,) = np.flatnonzero(hole.all(axis=0))
    assert 25 <= np.delete(hole, column, axis=1).sum() <= 30


def test_a_frame_is_a_smooth_sky_with_noise() -> None:
    """The frame has 16 bits, the ramp's counts apart from the noise, and no gradient from top to bottom."""
    pixels = frame(SHAPE)
    darkest, gradient, noise = thin_holes.SKY
    assert (pixels.shape, pixels.dtype) == (SHAPE, np.uint16)
    ramp = np.linspace(darkest, darkest + gradient, SHAPE[1])
    assert np.abs(pixels.mean(axis=0) - ramp).max() < noise / 2
    assert (pixels - ramp).std() == pytest.approx(noise, rel=0.05)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.holes)
def test_every_hole_is_thin(case: ThinCase) -> None:
    """The tiny network alone fills the holes of every case."""
    parts = split(case.draw((3000, 4000)))
    assert parts.thick is None
    assert len(parts.squares)


@pytest.mark.parametrize("bits", [8, 16])
def test_every_method_has_a_row(engine_cache: Path, bits: int) -> None:
    """Our plugin is the unit of the ratios; OpenCV's methods, its contrib's and a copy of the picture stand beside it."""
    progress: list[str] = []
    case = ThinCase("five specks", 0.1, partial(specks, 5, 2), bits)
    config = Config(engine=EngineSettings(backend="openvino", threads=1, cache=str(engine_cache)))
    rows = measure(config, [case], 2, progress.append)
    slow = [name for name in SLOW.values() if bits == 8 and hasattr(cv2, "xphoto")]
    assert [row.method for row in rows][1:] == ["OpenCV Telea", "OpenCV Navier-Stokes", COPY, *slow]
    assert rows[0].method.startswith("gi-plugin, openvino ")
    assert rows[0].ratio == 1
    assert progress == ["0.1 megapixels, five specks"]
    for row in rows:
        assert (row.holes, row.megapixels, row.bits, row.missing) == ("five specks", 0.1, bits, 20)
        assert row.runs == (1 if row.method in slow else 2)
        assert 0 < row.least <= row.median
        assert row.ratio == row.median / rows[0].median
