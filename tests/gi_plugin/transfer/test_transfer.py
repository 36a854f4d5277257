"""Properties of the whole transfer that hold for any picture, hole and guide."""

from __future__ import annotations

import numpy as np
import pytest

from gi_plugin.transfer import Guide, native, transfer
from gi_plugin.transfer.arrays import Bools, Floats
from tests.gi_plugin.transfer.scenes import block, guide, noise, photo

IMAGE = photo(1, 96, 112)
HOLE = block(96, 112, 30, 40, 34, 37)
GUIDE = guide(IMAGE, HOLE, 2)


def test_known_pixels_stay_and_missing_ones_are_filled() -> None:
    """The fill is in the range and near the picture's colours; only missing pixels have sources."""
    done = transfer(IMAGE, HOLE, GUIDE)
    np.testing.assert_array_equal(done.pixels[~HOLE], IMAGE[~HOLE])
    assert done.sources is not None
    assert (done.sources[~HOLE] == -1).all()
    assert not HOLE[tuple(done.sources[HOLE].T)].any()
    assert np.abs(done.pixels[HOLE]).max() <= 1
    assert np.abs(done.pixels[HOLE].mean(0) - IMAGE[~HOLE].mean(0)).max() < 0.2


def test_the_fill_has_the_grain_of_the_picture() -> None:
    """The mean difference between neighbouring pixels is about the same in the hole and outside it."""
    steps = np.abs(np.diff(transfer(IMAGE, HOLE, GUIDE).pixels, axis=1)).mean(2)
    assert 0.75 < steps[HOLE[:, 1:]].mean() / steps[~HOLE[:, 1:]].mean() < 1.2


@pytest.mark.parametrize("sources", [None, block(96, 112, 0, 0, 96, 38)])
def test_the_number_of_threads_changes_nothing(sources: Bools | None) -> None:
    """The results of 1, 2 and 4 threads are equal bit by bit."""
    first, *others = (transfer(IMAGE, HOLE, GUIDE, sources=sources, threads=threads) for threads in (1, 2, 4))
    for other in others:
        np.testing.assert_array_equal(other.pixels, first.pixels)
        np.testing.assert_array_equal(other.sources, first.sources)


def test_numpy_gives_the_compiled_loops_result(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pixels and sources are equal bit by bit."""
    image, hole = IMAGE[20:72, 20:92], HOLE[20:72, 20:92]
    compiled = transfer(image, hole, guide(image, hole))
    monkeypatch.setattr(native, "library", lambda: None)
    plain = transfer(image, hole, guide(image, hole))
    np.testing.assert_array_equal(plain.pixels, compiled.pixels)
    np.testing.assert_array_equal(plain.sources, compiled.sources)


def test_the_seed_decides_the_result() -> None:
    """The same seed gives the same fill; another seed, also a negative one, gives another fill."""
    first, again, second, third = (transfer(IMAGE, HOLE, GUIDE, seed=seed).pixels for seed in (0, 0, 1, -1))
    np.testing.assert_array_equal(again, first)
    assert np.abs(second - first)[HOLE].mean() > 1e-3
    assert np.abs(third - first)[HOLE].mean() > 1e-3


@pytest.mark.parametrize("poison", [np.nan, np.inf, 1e30])
def test_values_in_the_hole_are_never_read(poison: float) -> None:
    """The fill does not depend on the values in the hole."""
    poisoned = IMAGE.copy()
    poisoned[HOLE] = poison
    np.testing.assert_array_equal(transfer(poisoned, HOLE, GUIDE).pixels[HOLE], transfer(IMAGE, HOLE, GUIDE).pixels[HOLE])


def test_pixels_outside_the_sources_are_never_copied() -> None:
    """Far from the hole they do not change the fill. Near the hole they are context, but never sources."""
    image = photo(2, 128, 160)
    hole, sources = block(128, 160, 50, 50, 6, 6), block(128, 160, 20, 20, 88, 70)
    poisoned = image.copy()
    poisoned[:, 150:] = (1, -1, 1)
    clean, dirty = (transfer(picture, hole, guide(image, hole), sources=sources) for picture in (image, poisoned))
    np.testing.assert_array_equal(dirty.pixels[hole], clean.pixels[hole])
    assert clean.sources is not None
    centres = clean.sources[hole]
    for step in np.ndindex(5, 5):
        assert sources[tuple((centres + step - 2).T)].all()


def test_colours_outside_the_sources_do_not_appear_in_the_fill() -> None:
    """If the hole is surrounded by red and the sources are grey, the middle of the fill is grey; near the border it has a red tint."""
    image = np.zeros((96, 96, 3), np.float32)
    image[..., 0] = 1
    sources = block(96, 96, 0, 0, 96, 30)
    image[sources] = noise(3, int(sources.sum()), 1) * 0.2
    hole = block(96, 96, 30, 40, 40, 40)
    fill = transfer(image, hole, guide(image, hole), sources=sources).pixels[45:55, 55:65]
    assert np.ptp(fill, axis=2).max() < 0.2


@pytest.mark.parametrize("sources", [np.zeros((96, 112), np.bool_), HOLE, block(96, 112, 0, 0, 4, 112)])
def test_without_a_valid_source_the_fill_is_the_guides(sources: Bools) -> None:
    """If no patch lies within the sources, the hole gets the enlarged pixels of the guide, and `sources` is None."""
    done = transfer(IMAGE, HOLE, GUIDE, sources=sources)
    assert done.sources is None
    np.testing.assert_array_equal(done.pixels[~HOLE], IMAGE[~HOLE])
    np.testing.assert_allclose(done.pixels[HOLE], np.broadcast_to(GUIDE.pixels[0, 0], done.pixels[HOLE].shape), atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (5, 5), (6, 9), (8, 8), (33, 17), (64, 200)])
@pytest.mark.parametrize("where", ["corner", "edge", "all but one", "none", "middle"])
def test_any_size_and_place_of_the_hole(shape: tuple[int, int], where: str) -> None:
    """The fill is finite and in range, known pixels do not change, and a constant picture stays constant."""
    height, width = shape
    holes: dict[str, tuple[int, int, int, int]] = {
        "corner": (0, 0, height // 2 + 1, width // 2 + 1),
        "edge": (0, width // 3, height, 1),
        "all but one": (0, 0, height, width),
        "none": (0, 0, 0, 0),
        "middle": (height // 3, width // 3, 1, 3),
    }
    hole = block(height, width, *holes[where])
    hole[-1, -1] &= where != "all but one"
    for image in (photo(3, height, width), np.full((height, width, 3), 0.25, np.float32)):
        done = transfer(image, hole, _constant(hole, 0.25))
        np.testing.assert_array_equal(done.pixels[~hole], image[~hole])
        assert np.abs(done.pixels).max() <= 1
        assert image.std() > 0 or np.abs(done.pixels - 0.25).max() < 2e-3


def _constant(hole: Bools, value: float) -> Guide:
    height, width = hole.shape
    return Guide(np.full((height, width, 3), value, np.float32), np.full((height // 8, width // 8), -1), 1)


@pytest.mark.parametrize("count", [0, 1, 60])
def test_scattered_and_thin_holes(count: int) -> None:
    """A hole of single pixels and a line of one pixel is filled from the picture."""
    hole = np.zeros((80, 96), np.bool_)
    hole.flat[np.random.default_rng(count).integers(hole.size, size=count)] = True
    hole[np.arange(80), np.arange(80)] = True
    image = photo(4, 80, 96)
    done = transfer(image, hole, guide(image, hole))
    assert done.sources is not None
    assert not hole[tuple(done.sources[hole].T)].any()
    assert np.abs(done.pixels - image)[hole].mean() < 0.25


def test_the_guide_decides_the_content_of_the_hole() -> None:
    """If the guide is dark in the left half of the hole and bright in the right half, so is the fill."""
    image: Floats = noise(5, 96, 96, 3) * 0.1
    image[:48] += 0.6
    image[48:] -= 0.6
    hole = block(96, 96, 32, 32, 32, 32)
    pixels = image.copy()
    pixels[32:64, 32:48], pixels[32:64, 48:64] = -0.6, 0.6
    fill = transfer(image, hole, Guide(pixels, np.full((12, 12), -1), 1)).pixels
    assert fill[40:56, 36:44].mean() < -0.3
    assert fill[40:56, 52:60].mean() > 0.3
