"""Tests of the distances of deep features, on features made by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gi_plugin.train.evaluation.features import feature_distance, kernel_distance, pooled

HOLE = np.zeros((32, 32), np.bool_)
HOLE[:16] = True


def _features(seed: int) -> list[torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    return [torch.rand(3, 32 // size, 32 // size, generator=random) for size in (2, 4, 8, 16, 32)]


def test_equal_features_have_no_distance() -> None:
    """A fill that equals its original is at distance 0; the length of the features does not count."""
    features = _features(0)
    assert feature_distance(features, [3 * layer for layer in features], HOLE) == pytest.approx(0, abs=1e-4)


def test_only_cells_that_the_hole_touches_count() -> None:
    """A change outside of the hole does not change the distance, one inside does."""
    features = _features(0)
    outside, inside = ([layer.clone() for layer in features] for _ in range(2))
    outside[0][:, 8:] = 5.0
    inside[0][:, :8] = torch.tensor([0.0, 0.0, 5.0])[:, None, None]
    assert feature_distance(outside, features, HOLE) == pytest.approx(0, abs=1e-4)
    assert feature_distance(inside, features, HOLE) > 0.1


def test_pooled_features_are_means_over_the_hole() -> None:
    """Each cell weighs as much as the hole covers of it."""
    features = _features(0)
    np.testing.assert_allclose(pooled(features, HOLE), features[-2][:, :1].mean(dim=(1, 2)), rtol=1e-6)


def test_kernel_distance_against_all_pairs() -> None:
    """The distance is the mean kernel of pairs within each set minus that between the sets, times 1,000."""
    random = np.random.default_rng(0)
    first, second = ([random.normal(size=4).astype(np.float32) for _ in range(5)] for _ in range(2))

    def mean(left: list[np.ndarray], right: list[np.ndarray]) -> float:
        values = [(float(a.astype(float) @ b) / 4 + 1) ** 3 for i, a in enumerate(left) for j, b in enumerate(right) if i != j]
        return sum(values) / len(values)

    expected = 1e3 * (mean(first, first) + mean(second, second) - 2 * mean(first, second))
    assert kernel_distance(first, second) == pytest.approx(expected, rel=1e-5)
