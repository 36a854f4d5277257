"""Contextual attention (paper, section 3.2) in exact matrix form: fill the hole with features from the known region.

Notation: F [N, C, Hf, Wf] are features at a quarter of the picture's size. The *grid* has h x w = Hf/2 x Wf/2 cells of 8 x 8 picture
pixels; L = h*w. p is a query cell, q a key cell. The similarity of the paper's 3x3 patches is a sum of cell products along joint
diagonals, and so is the propagation of the scores. `diagonal_box_sum` computes both, without cutting out patches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from .precision import at_least_float32, full_precision

Step = Callable[[Tensor, Tensor, float], tuple[Tensor, Tensor]]
Paste = Callable[[Tensor, Tensor], Tensor]
SOFTMAX_SCALE = 10.0  # lambda of the paper
NORM_FLOOR = 1e-4  # smallest patch norm used as a divisor
INVALID_LOGIT = -1e4  # becomes exactly 0 in the softmax, and is finite in fp16


class _DiagonalBoxSum(torch.autograd.Function):
    """`diagonal_box_sum` with a hand-written derivative. The operator is self-adjoint, so no tensor is saved for it."""

    @staticmethod
    def forward(_ctx: Any, grid: Tensor) -> Tensor:
        for row, column in ((1, 3), (2, 4)):
            size = grid.shape[row]
            total = grid.clone()
            if size > 1:
                lower, upper = (_joint(grid, row, column, start, size - 1) for start in (0, 1))
                _joint(total, row, column, 0, size - 1).add_(upper)
                _joint(total, row, column, 1, size - 1).add_(lower)
            grid = total
        return grid

    @staticmethod
    def backward(_ctx: Any, *gradients: Tensor) -> Tensor:
        total: Tensor = _DiagonalBoxSum.apply(gradients[0])  # type: ignore[no-untyped-call]
        return total


def _joint(grid: Tensor, row: int, column: int, start: int, length: int) -> Tensor:
    return grid.narrow(row, start, length).narrow(column, start, length)


def diagonal_box_sum(grid: Tensor) -> Tensor:
    """Compute the sum of grid[p + e, q + e] over the 3x3 offsets e; terms outside the grid count as 0.

    :param grid: [N, h, w, h, w], query cell first, key cell second.
    :return: [N, h, w, h, w].
    """
    total: Tensor = _DiagonalBoxSum.apply(grid)  # type: ignore[no-untyped-call]
    return total


def valid_keys(mask: Tensor) -> Tensor:
    """Find the keys that may be pasted: cells whose 3x3 patch lies inside the grid and touches no hole.

    :param mask: [N, 1, h, w] float, 1 = cell touches the hole.
    :return: [N, 1, h, w] float, 1 = valid.
    """
    outside = functional.pad(mask, (1, 1, 1, 1), value=1.0)
    return 1 - functional.max_pool2d(outside, 3, stride=1)


def attention_weights(gram: Tensor, mask: Tensor, scale: float = SOFTMAX_SCALE) -> tuple[Tensor, Tensor]:
    """Compute attention weights from cell products: cosine similarity of patches, propagation, softmax over the valid keys.

    :param gram: [N, L, L], scalar products of the features of cells p and q.
    :param mask: [N, 1, h, w] float, 1 = cell touches the hole; h * w = L.
    :param scale: lambda of the softmax.
    :return: weights [N, L, L] float32 (float64 if `gram` is), whose rows sum to 1, or to 0 if no key is valid; and matches [N, L] int64,
        the best key of each query, or 0 if no key is valid.
    """
    count, _, height, width = mask.shape
    cells = height * width
    products = at_least_float32(gram).view(count, height, width, height, width)
    similarity = diagonal_box_sum(products).view(count, cells, cells)  # products of 3x3 patches
    norm = similarity.diagonal(dim1=1, dim2=2).clamp_min(NORM_FLOOR**2).sqrt()  # [N, L]
    cosine = similarity / (norm[:, :, None] * norm[:, None, :])
    score = diagonal_box_sum(cosine.view(products.shape)).view(count, cells, cells)
    valid = valid_keys(mask).view(count, 1, cells)
    logits = torch.where(valid > 0, scale * score, INVALID_LOGIT)
    return logits.softmax(dim=-1) * valid, logits.argmax(dim=-1)


def paste(features: Tensor, weights: Tensor) -> Tensor:
    """Rebuild the features from weighted 4x4 patches with stride 2; overlapping patches are averaged.

    A pixel of the result is covered by up to four query cells. For each parity of its row and column, the weight matrices of these cells
    are summed along joint diagonals first, and then multiplied once with the features of that parity. Border keys are never valid
    (`valid_keys`), so no pasted patch leaves the picture.

    :param features: [N, C, 2h, 2w].
    :param weights: [N, L, L] of `attention_weights`.
    :return: [N, C, 2h, 2w].
    """
    count, channels, height, width = (features.shape[0], features.shape[1], features.shape[2] // 2, features.shape[3] // 2)
    cells = height * width
    grid = weights.view(count, height, width, height, width)
    rows = []
    for row in (0, 1):
        by_row = grid + _shift(grid, 1, row)
        columns = []
        for column in (0, 1):
            summed = (by_row + _shift(by_row, 2, column)).view(count, cells, cells)
            source = features[:, :, row::2, column::2].reshape(count, channels, cells)
            columns.append(torch.bmm(source, summed.transpose(1, 2)).view(count, channels, height, width))
        rows.append(torch.stack(columns, dim=-1))  # [N, C, h, w, 2]
    pasted = torch.stack(rows, dim=3).reshape(features.shape)  # [N, C, h, 2, w, 2] -> [N, C, 2h, 2w]
    return pasted / (_cover(2 * height, pasted)[:, None] * _cover(2 * width, pasted))


def _shift(grid: Tensor, axis: int, parity: int) -> Tensor:
    """Return the weights of the neighbour along one axis: grid[p - 1, q - 1] for even pixels, grid[p + 1, q + 1] for odd ones."""
    size = grid.shape[axis]
    kept = _joint(grid, axis, axis + 2, parity, size - 1)
    pads = [0] * 8  # (before, after) for the last four axes, last axis first
    for shifted in (axis, axis + 2):
        pads[2 * (4 - shifted) + parity] = 1
    return functional.pad(kept, pads)


def _cover(size: int, like: Tensor) -> Tensor:
    """Return the number of patches that cover each pixel along one axis: 2, but 1 at both ends."""
    pixel = torch.arange(size, device=like.device)
    return 1 + ((pixel > 0) & (pixel < size - 1)).to(like.dtype)


class ContextualAttention(nn.Module):
    """Replace the features in the hole by weighted sums of known patches. The module has no learnable parameters."""

    def __init__(self, scale: float = SOFTMAX_SCALE) -> None:
        super().__init__()
        self.scale = scale
        self.step: Step = attention_weights  # the export replaces it by a graph node, a GPU engine by its kernel
        self.paste: Paste = paste  # a training may replace it by a compiled form

    def forward(self, features: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Attend from the hole to the known region.

        :param features: [N, C, Hf, Wf], after a ReLU; Hf and Wf even.
        :param mask: [N, 1, 4*Hf, 4*Wf] float, 1 = hole.
        :return: features [N, C, Hf, Wf] (known pixels unchanged) and matches [N, L] int64.
        """
        cell_mask = functional.max_pool2d(mask, 8)  # maximum: thin strokes must not vanish
        feature_mask = functional.max_pool2d(mask, 4).to(features.dtype)
        cells = functional.avg_pool2d(at_least_float32(features), 2)  # [N, C, h, w]
        cells = cells * cells.square().mean((1, 2, 3), keepdim=True).add(1e-8).rsqrt()  # fp16 products must not overflow
        flat = cells.flatten(2)  # [N, C, L]
        with full_precision(flat):
            gram = flat.transpose(1, 2) @ flat
        weights, matches = self.step(gram, cell_mask, self.scale)
        pasted = self.paste(features, weights.to(features.dtype))
        return pasted * feature_mask + features * (1 - feature_mask), matches


@contextmanager
def recorded_weights(attention: ContextualAttention) -> Iterator[list[Tensor]]:
    """Record the attention weights [N, L, L] of every call inside the `with` block, whichever step computes them."""
    step, recorded = attention.step, list[Tensor]()

    def recording(gram: Tensor, mask: Tensor, scale: float) -> tuple[Tensor, Tensor]:
        weights, matches = step(gram, mask, scale)
        recorded.append(weights)
        return weights, matches

    attention.step = recording
    try:
        yield recorded
    finally:
        attention.step = step
