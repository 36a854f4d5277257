"""Random sources before the search: they depend on seed and target only, and are spread over the valid places."""

from __future__ import annotations

import numpy as np
import pytest

from gi_plugin.transfer.guide import no_sources
from gi_plugin.transfer.matching import ENOUGH_PLACES, random_places, with_random_sources
from tests.gi_plugin.transfer.scenes import noise


@pytest.mark.parametrize("shape", [(9, 40), (300, 200)])
def test_every_target_gets_a_valid_source_of_its_own(shape: tuple[int, int]) -> None:
    """Others keep theirs, a smaller set of targets draws the same sources, and another seed draws others."""
    valid, targets = noise(1, *shape) > 0.8, noise(2, 60, 70) > 0
    field = with_random_sources(no_sources(targets.shape), targets, valid, 5)
    assert (field[~targets] == -1).all()
    assert valid[tuple(field[targets].T)].all()
    few = targets & (noise(3, 60, 70) > 0)
    np.testing.assert_array_equal(with_random_sources(no_sources(few.shape), few, valid, 5)[few], field[few])
    other = with_random_sources(no_sources(targets.shape), targets, valid, 2**32 - 1)
    assert (other[targets] != field[targets]).any(axis=1).mean() > 0.8


def test_sources_are_spread_evenly() -> None:
    """Each quarter of the picture has a quarter of the sources, within five standard deviations."""
    valid, targets = np.ones((64, 64), np.bool_), np.ones((100, 100), np.bool_)
    field = with_random_sources(no_sources(targets.shape), targets, valid, 7)
    counts = np.bincount((field[..., 0] // 32 * 2 + field[..., 1] // 32).ravel(), minlength=4)
    assert np.abs(counts - 2500).max() < 5 * np.sqrt(10000 * 0.25 * 0.75)


@pytest.mark.parametrize(("share", "side"), [(1.0, 20), (1.0, 200), (0.01, 200)])
def test_in_large_pictures_a_sixteenth_of_the_places_is_enough(share: float, side: int) -> None:
    """Every fourth row and column, if that leaves enough places; else all valid ones. None is named twice."""
    valid = np.random.default_rng(0).random((side, side)) < share
    places = random_places(valid)
    assert valid.flat[places].all()
    assert len(np.unique(places)) == len(places)
    thinned = valid[::4, ::4].sum() >= ENOUGH_PLACES
    assert len(places) == (valid[::4, ::4].sum() if thinned else valid.sum())
    assert thinned == (share * side**2 > 20000)
