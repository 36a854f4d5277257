"""Tests of contextual attention: values and gradients against a slow reference, and properties of its parts."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gi_plugin.train.model.attention import ContextualAttention, attention_weights, diagonal_box_sum, paste, valid_keys
from tests.train.model.attention_reference import reference_attention

GRIDS = [(4, 4), (5, 7), (8, 3), (6, 6)]


def _mask(kind: str, height: int, width: int) -> Tensor:
    """A pixel mask [8h, 8w]."""
    mask = torch.zeros(8 * height, 8 * width)
    if kind == "box":
        mask[8:20, 4:14] = 1
    elif kind == "stroke":  # one pixel wide: thinner than any cell
        mask[::1, 9] = 1
    elif kind == "corner":
        mask[-9:, -9:] = 1
    elif kind == "all":
        mask[:] = 1
    return mask


def _features(height: int, width: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(5, 2 * height, 2 * width, generator=generator, dtype=torch.float64).relu()


@pytest.mark.parametrize("kind", ["none", "box", "stroke", "corner", "all"])
@pytest.mark.parametrize(("height", "width"), GRIDS)
def test_equals_the_patchwise_reference(kind: str, height: int, width: int) -> None:
    """The matrix form equals the reference that cuts, compares and pastes patches one by one."""
    features, mask = _features(height, width), _mask(kind, height, width)
    expected, expected_matches = reference_attention(features, mask)
    result, matches = ContextualAttention()(features[None], mask[None, None].double())
    torch.testing.assert_close(result[0], expected, rtol=1e-9, atol=1e-9)
    assert torch.equal(matches[0], expected_matches)


@pytest.mark.parametrize("kind", ["box", "stroke", "all"])
def test_gradient_equals_the_reference(kind: str) -> None:
    """The gradient with the hand-written derivative equals the gradient of the reference by autograd."""
    mask, weight = _mask(kind, 5, 4), _features(5, 4, seed=1)
    gradients = []
    for batched in (True, False):
        features = _features(5, 4).requires_grad_()
        result = (
            ContextualAttention()(features[None], mask[None, None].double())[0][0] if batched else reference_attention(features, mask)[0]
        )
        gradients.append(torch.autograd.grad((result * weight).sum(), features)[0])
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-8, atol=1e-10)


def test_each_sample_of_a_batch_uses_its_own_mask() -> None:
    """A batch with different masks gives the same results as its samples one by one."""
    kinds = ["box", "none", "corner", "all"]
    features = torch.stack([_features(6, 5, seed) for seed in range(len(kinds))])
    masks = torch.stack([_mask(kind, 6, 5) for kind in kinds])[:, None].double()
    together, matches = ContextualAttention()(features, masks)
    for index in range(len(kinds)):
        alone, alone_matches = ContextualAttention()(features[index : index + 1], masks[index : index + 1])
        torch.testing.assert_close(together[index], alone[0])
        assert torch.equal(matches[index], alone_matches[0])


def test_known_features_are_untouched() -> None:
    """Features outside the hole are returned bit for bit."""
    features, mask = _features(6, 6), _mask("box", 6, 6)
    result, _ = ContextualAttention()(features[None], mask[None, None].double())
    outside = torch.nn.functional.max_pool2d(mask[None, None], 4)[0, 0] == 0
    assert torch.equal(result[0][:, outside], features[:, outside])


def test_a_copied_texture_is_found() -> None:
    """A hole in a periodic picture is filled with the exact period: attention copies patches and does not average them."""
    tile = torch.rand(16, 4, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    features = tile.repeat(1, 8, 8)  # period 2 cells, grid 16 x 16
    mask = torch.zeros(1, 1, 128, 128, dtype=torch.float64)
    mask[..., 56:72, 56:72] = 1
    result, matches = ContextualAttention(scale=50.0)(features[None], mask)
    torch.testing.assert_close(result[0], features, rtol=1e-4, atol=1e-4)
    query = 8 * 16 + 8
    assert (int(matches[0, query]) // 16 % 2, int(matches[0, query]) % 16 % 2) == (0, 0)


@pytest.mark.parametrize("kind", ["none", "box", "all"])
def test_rows_of_the_weights_sum_to_one_or_zero(kind: str) -> None:
    """The weights of a query sum to 1 over the valid keys, or are all 0 if no key is valid."""
    flat = _features(6, 6).view(5, 36, 4).mean(dim=2)
    cells = torch.nn.functional.max_pool2d(_mask(kind, 6, 6)[None, None], 8)
    weights, _ = attention_weights((flat.T @ flat)[None], cells)
    valid = valid_keys(cells).flatten()
    expected = torch.full((36,), 1.0 if valid.any() else 0.0, dtype=torch.float64)
    torch.testing.assert_close(weights[0].sum(dim=1), expected)
    assert not weights[0][:, valid == 0].any()


def test_half_precision_products_do_not_overflow() -> None:
    """Large fp16 features give a finite result, because scores are computed in float32."""
    features = 1000 * _features(6, 6).half()
    result, _ = ContextualAttention()(features[None], _mask("box", 6, 6)[None, None].half())
    assert torch.isfinite(result).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (3, 1), (4, 6)])
def test_box_sum_drops_terms_outside_the_grid(shape: tuple[int, int]) -> None:
    """The box sum of ones counts the offsets for which both cells lie inside the grid, so nothing wraps around."""
    height, width = shape
    counts = diagonal_box_sum(torch.ones(1, height, width, height, width))[0]
    offsets = (-1, 0, 1)
    for py, px, qy, qx in torch.cartesian_prod(*(torch.arange(size) for size in (height, width, height, width))).tolist():
        rows = sum(0 <= py + e < height and 0 <= qy + e < height for e in offsets)
        columns = sum(0 <= px + e < width and 0 <= qx + e < width for e in offsets)
        assert counts[py, px, qy, qx] == rows * columns


def test_paste_with_identity_weights_returns_the_features() -> None:
    """If every cell pastes its own patch, the features are unchanged, except near the border."""
    features = _features(6, 6)[None]
    pasted = paste(features, torch.eye(36, dtype=torch.float64)[None])
    torch.testing.assert_close(pasted[..., 2:-2, 2:-2], features[..., 2:-2, 2:-2])
