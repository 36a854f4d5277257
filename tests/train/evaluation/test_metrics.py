"""Tests of the metrics: hand-computed values, and which of two fills the texture distance prefers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from gi_plugin.arrays import Bools, Reals
from gi_plugin.train.evaluation import metrics
from gi_plugin.train.psnr import hole_psnr


def _picture(seed: int = 0) -> Reals:
    return np.random.default_rng(seed).uniform(0, 1, (48, 40, 3))


def _hole() -> Bools:
    hole = np.zeros((48, 40), np.bool_)
    hole[10:30, 12:32] = True
    return hole


def test_identical_pictures_score_perfectly() -> None:
    """Identical pictures have distance 0, SSIM 1 and the largest PSNR, 100 dB."""
    scores = metrics.score(_picture(), _picture(), _hole())
    assert (scores.l1, scores.l2, scores.texture) == (0, 0, 0)
    assert scores.ssim == pytest.approx(1)
    assert scores.psnr == pytest.approx(100)


def test_scores_equal_hand_computed_values() -> None:
    """A constant error of 0.1 in a hole of 400 of 1920 pixels gives the scores of the formulas."""
    original = np.full((48, 40, 3), 0.5)
    completed = np.where(_hole()[..., None], 0.6, original)
    scores = metrics.score(completed, original, _hole())
    share = 400 / 1920
    assert scores.l1 == pytest.approx(100 * 0.1 * share)
    assert scores.l2 == pytest.approx(100 * 0.01 * share)
    assert scores.psnr == pytest.approx(-10 * np.log10(0.01 * share))
    assert scores.hole_psnr == pytest.approx(20)
    steps = [0.1 * 2 * 20 * 3 / (47 * 40 * 3), 0.1 * 2 * 20 * 3 / (48 * 39 * 3)]
    assert scores.tv == pytest.approx(100 * np.mean(steps))


def test_hole_psnr_of_a_batch_equals_that_of_pictures() -> None:
    """`hole_psnr` of a picture in [-1, 1] equals the hole_psnr of `score` for the picture in [0, 1]."""
    completed, original, hole = _picture(1), _picture(), _hole()
    batches = ((2 * picture - 1).transpose(2, 0, 1)[None] for picture in (completed, original))
    assert hole_psnr(*batches, hole[None, None].astype(float)) == pytest.approx(metrics.score(completed, original, hole).hole_psnr)


def test_texture_distance_prefers_texture_to_blur() -> None:
    """The texture distance prefers another sample of the same noise to a blurred original, PSNR prefers the blur."""
    original, hole = _picture(), _hole()
    other = np.where(hole[..., None], _picture(1), original)
    blurred = np.where(hole[..., None], ndimage.gaussian_filter(original, (2, 2, 0)), original)
    assert metrics.texture_distance(other, original, hole) < 0.3 * metrics.texture_distance(blurred, original, hole)
    assert metrics.score(blurred, original, hole).psnr > metrics.score(other, original, hole).psnr


def test_texture_distance_ignores_brightness() -> None:
    """A constant shift of brightness gives texture distance 0."""
    original, hole = _picture() / 2, np.ones((48, 40), np.bool_)
    assert metrics.texture_distance(original + 0.3, original, hole) == pytest.approx(0, abs=1e-12)


def test_mean_is_taken_per_column() -> None:
    """Each score is averaged on its own."""
    first, second = metrics.Scores(1, 2, 3, 4, 5, 6, 7), metrics.Scores(3, 4, 5, 6, 7, 8, 9)
    assert metrics.mean_scores([first, second]) == metrics.Scores(2, 3, 4, 5, 6, 7, 8)
