"""Slow, independent reference of contextual attention, patch by patch, for tests of all its implementations."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Iterator


def reference_weights(cells: Tensor, hole: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """Compute weights [L, L] and matches [L] of one sample from its cell features [C, h, w] and hole [h, w] bool."""
    _, height, width = cells.shape
    grid = list(itertools.product(range(height), range(width)))
    number = {cell: index for index, cell in enumerate(grid)}
    patches = torch.stack(
        [
            torch.cat([cells[:, y, x] if inside else torch.zeros_like(cells[:, 0, 0]) for y, x, inside in _around(cell, height, width)])
            for cell in grid
        ]
    )  # [L, 9C]
    unit = patches / patches.square().sum(dim=1, keepdim=True).clamp_min(1e-8).sqrt()
    cosine = unit @ unit.T
    valid = [all(inside and not hole[y, x] for y, x, inside in _around(cell, height, width)) for cell in grid]
    weights, matches = [], []
    for query in grid:
        scores = [_propagated(cosine, number, query, key, height, width) for key in grid]
        usable = [index for index, ok in enumerate(valid) if ok]
        row = torch.zeros(len(grid), dtype=cells.dtype)
        if usable:
            row[usable] = torch.softmax(scale * torch.stack([scores[index] for index in usable]), dim=0)
        weights.append(row)
        matches.append(int(row.argmax()))
    return torch.stack(weights), torch.tensor(matches)


def reference_attention(features: Tensor, mask: Tensor, scale: float = 10.0) -> tuple[Tensor, Tensor]:
    """Compute attended features [C, 2h, 2w] and matches [L] of one sample from features [C, 2h, 2w] and pixel mask [8h, 8w]."""
    channels, rows, columns = features.shape
    height, width = rows // 2, columns // 2
    cells = torch.stack(
        [
            torch.stack([features[:, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2].mean(dim=(1, 2)) for x in range(width)], dim=1)
            for y in range(height)
        ],
        dim=1,
    )  # [C, h, w]
    cells = cells / (cells.square().mean() + 1e-8).sqrt()
    hole = torch.tensor([[bool(mask[8 * y : 8 * y + 8, 8 * x : 8 * x + 8].any()) for x in range(width)] for y in range(height)])
    weights, matches = reference_weights(cells, hole, scale)
    grid = list(itertools.product(range(height), range(width)))
    total = torch.zeros(channels, rows + 2, columns + 2, dtype=features.dtype)  # one pixel of margin on every side
    cover = torch.zeros(rows + 2, columns + 2, dtype=features.dtype)
    padded = torch.nn.functional.pad(features, (1, 1, 1, 1))
    sources = torch.stack([padded[:, 2 * y : 2 * y + 4, 2 * x : 2 * x + 4] for y, x in grid])  # [L, C, 4, 4]
    for index, (y, x) in enumerate(grid):
        patch = torch.einsum("q,qcij->cij", weights[index], sources)
        window = torch.zeros_like(total)
        window[:, 2 * y : 2 * y + 4, 2 * x : 2 * x + 4] = patch
        total = total + window
        cover[2 * y : 2 * y + 4, 2 * x : 2 * x + 4] += 1
    pasted = (total / cover.clamp_min(1))[:, 1:-1, 1:-1]
    inside = torch.tensor([[bool(mask[4 * y : 4 * y + 4, 4 * x : 4 * x + 4].any()) for x in range(columns)] for y in range(rows)])
    return torch.where(inside, pasted, features), matches


def _around(cell: tuple[int, int], height: int, width: int) -> Iterator[tuple[int, int, bool]]:
    for dy, dx in itertools.product((-1, 0, 1), repeat=2):
        y, x = cell[0] + dy, cell[1] + dx
        yield y, x, 0 <= y < height and 0 <= x < width


def _propagated(
    cosine: Tensor, number: dict[tuple[int, int], int], query: tuple[int, int], key: tuple[int, int], height: int, width: int
) -> Tensor:
    terms = [
        cosine[number[p[0], p[1]], number[q[0], q[1]]]
        for p, q in zip(_around(query, height, width), _around(key, height, width), strict=True)
        if p[2] and q[2]
    ]
    return torch.stack(terms).sum()
