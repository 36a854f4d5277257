"""The Triton kernel of the attention step: one launch turns products of cells and the mask into attention weights and matches.

The result is defined by `train.model.attention.attention_weights`, in the same notation: G are the products of cells, p is a query cell,
q a key cell, both numbered row by row, n are the norms of 3x3 patches. Each program handles a few query cells of one sample. It loops over
all key cells twice: first for the logits, their maximum and the sum of their exponentials, then to write the weights.
A query cell without a hole cell among its 3x3 neighbours is skipped (weights 0, match 0): no patch pasted there reaches the hole.

A logit is a 3x3 box sum, over d, of products of patches. These are 3x3 box sums, over e, of G[p + d + e, q + d + e]: 25 products in five
lines of five. Each line gives the sums of three around its columns -1, 0, 1; three such lines give the patches of one row of d.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import triton
import triton.language as tl

from gi_plugin.errors import EngineError, require

from .tile import KEYS, OPTIONS, QUERIES, launch_grid

if TYPE_CHECKING:
    from torch import Tensor

INVALID_LOGIT = tl.constexpr(-1e4)  # as in train.model.attention: underflows to exactly 0 in the softmax
SMALLEST_SQUARE = tl.constexpr(1e-8)  # square of NORM_FLOOR in train.model.attention


@triton.jit
def _room(number: tl.tensor, height: tl.tensor, width: tl.tensor) -> tl.tensor:
    """Bits that say which moves stay in the grid: bit 2 + d for d rows down, bit 7 + d for d columns to the right, d = -2 ... 2."""
    row, column = number // width, number % width
    bits = tl.zeros(number.shape, tl.int32)
    for move in tl.static_range(-2, 3):
        bits |= tl.where((row + move >= 0) & (row + move < height), 1 << (move + 2), 0)
        bits |= tl.where((column + move >= 0) & (column + move < width), 1 << (move + 7), 0)
    return tl.where(number < height * width, bits, 0)


@triton.jit
def _fits(room: tl.tensor, dy: tl.constexpr, dx: tl.constexpr) -> tl.tensor:
    """Whether cells that move by (dy, dx) stay in the grid."""
    needed: tl.constexpr = (1 << (dy + 2)) | (1 << (dx + 7))
    return (room & needed) == needed


@triton.jit
def _near_hole(mask: tl.tensor, number: tl.tensor, room: tl.tensor, width: tl.tensor) -> tl.tensor:
    """Whether the 3x3 neighbours of cells include a hole cell."""
    found = number < 0
    for dy in tl.static_range(-1, 2):
        for dx in tl.static_range(-1, 2):
            found |= tl.load(mask + number + dy * width + dx, mask=_fits(room, dy, dx), other=0.0) != 0
    return found


@triton.jit
def _product(at: tl.tensor, room: tl.tensor, dy: tl.constexpr, dx: tl.constexpr, right: tl.tensor) -> tl.tensor:
    """Products of pairs moved by dx columns, in fp32; 0 where a move by (dy, dx) leaves the grid."""
    return tl.load(at + dx * right, mask=_fits(room, dy, dx), other=0.0).to(tl.float32)


@triton.jit
def _threes(at: tl.tensor, room: tl.tensor, width: tl.tensor, right: tl.tensor, dy: tl.constexpr) -> tl.tuple:
    """Sums of three neighbouring products, dy rows down, centred on the columns -1, 0 and 1.

    :param at: addresses of G[p, q]; adding `right` gives the next pair on the same diagonal, adding `width * right` the pair below.
    """
    line = at + dy * (width * right)
    left = _product(line, room, dy, -1, right)
    centre = _product(line, room, dy, 0, right)
    end = _product(line, room, dy, 1, right)
    outer = _product(line, room, dy, 2, right)
    return (_product(line, room, dy, -2, right) + left + centre, left + centre + end, centre + end + outer)


@triton.jit
def _inverse_norm(square: tl.tensor, room: tl.tensor, index: tl.constexpr) -> tl.tensor:
    """1 / n of patches moved by one of the nine d. It is 0 for patches centred outside the grid, which drops their terms."""
    return tl.where(_fits(room, index // 3 - 1, index % 3 - 1), tl.rsqrt(tl.maximum(square, SMALLEST_SQUARE)), 0.0)


@triton.jit
def _inverse_norms(at: tl.tensor, room: tl.tensor, width: tl.tensor, right: tl.tensor) -> tl.tuple:
    """1 / n of the 3x3 patches around the 3x3 neighbours of cells."""
    threes = ()
    norms = ()
    for dy in tl.static_range(-2, 3):
        threes += _threes(at, room, width, right, dy)
        if dy >= 0:
            for index in tl.static_range(3 * dy, 3 * dy + 3):
                norms += (_inverse_norm(threes[index] + threes[index + 3] + threes[index + 6], room, index),)
    return norms


@triton.jit
def _logits(
    gram: tl.tensor,
    mask: tl.tensor,
    query: tl.tensor,
    query_room: tl.tensor,
    query_norms: tl.tuple,
    key: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    scale: tl.constexpr,
) -> tl.tensor:
    """Scaled scores of queries [Q, 1] and keys [1, K]; INVALID_LOGIT if the query is skipped or the key is invalid."""
    right = (height * width).to(tl.int64) + 1
    key_room = _room(key, height, width)
    inner = _fits(key_room, -1, -1) & _fits(key_room, 1, 1)
    key_room = tl.where(inner & (_near_hole(mask, key, key_room, width) == 0), key_room, 0)
    room = query_room & key_room
    squares = ()
    products = ()
    score = tl.zeros(room.shape, tl.float32)
    for dy in tl.static_range(-2, 3):
        squares += _threes(gram + key * right, key_room, width, right, dy)
        products += _threes(gram + query * (right - 1) + key, room, width, right, dy)
        if dy >= 0:  # three lines of three: the patches around line dy - 1
            for index in tl.static_range(3 * dy, 3 * dy + 3):
                norm = _inverse_norm(squares[index] + squares[index + 3] + squares[index + 6], key_room, index)
                score += (products[index] + products[index + 3] + products[index + 6]) * query_norms[index] * norm
    return tl.where(room != 0, scale * score, INVALID_LOGIT)


@triton.jit(do_not_specialize=["height", "width"])
def contextual_attention_weights(
    gram: tl.tensor,
    mask: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    weights: tl.tensor,
    matches: tl.tensor,
    scale: tl.constexpr,
    queries: tl.constexpr,
    keys: tl.constexpr,
) -> None:
    """Compute weights and matches of `queries` query cells of one sample. The grid is (ceil(L / queries), N), L = height * width.

    :param gram: [N, L, L] float, cell products.
    :param mask: [N, height, width] float, non-zero = cell touches the hole.
    :param weights: [N, L, L] float, written. A float32 buffer stores the logits between the two loops; otherwise they are computed twice.
    :param matches: [N, L] integers, written.
    """
    cells = height * width
    sample = tl.program_id(1).to(tl.int64)
    gram += sample * cells * cells
    mask += sample * cells
    keeps_logits: tl.constexpr = weights.dtype.element_ty == tl.float32
    lane = tl.arange(0, keys)[None, :]
    query = tl.program_id(0) * queries + tl.arange(0, queries)[:, None]
    row = weights + (sample * cells + query) * cells
    room = _room(query, height, width)
    room = tl.where(_near_hole(mask, query, room, width), room, 0)
    right = cells.to(tl.int64) + 1
    norms = _inverse_norms(gram + query * right, room, width, right)
    reaches = tl.max(room) > 0

    top = tl.full([queries, keys], INVALID_LOGIT, tl.float32)  # one maximum per lane until the end of the loop
    total = tl.zeros([queries, keys], tl.float32)
    best = tl.zeros([queries, keys], tl.int32)
    for start in range(0, tl.where(reaches, cells, 0), keys):
        key = start + lane
        logits = _logits(gram, mask, query, room, norms, key, height, width, scale)
        if keeps_logits:
            tl.store(row + key, logits, mask=(room != 0) & (key < cells))
        best = tl.where(logits > top, key, best)
        peak = tl.maximum(top, logits)
        total = total * tl.exp(top - peak) + tl.where(logits > INVALID_LOGIT, tl.exp(logits - peak), 0.0)
        top = peak
    highest = tl.max(top, axis=1, keep_dims=True)
    total = tl.sum(total * tl.exp(top - highest), axis=1, keep_dims=True)
    share = tl.where(total > 0, 1.0 / tl.maximum(total, 1.0), 0.0)  # a sum that is not 0 is at least exp(0) = 1
    first = tl.min(tl.where(top == highest, best, cells), axis=1, keep_dims=True)
    tl.store(matches + sample * cells + query, first, mask=query < cells)

    tl.debug_barrier()  # the second loop reads logits that other threads may have written
    for start in range(0, cells, keys):
        key = start + lane
        logits = tl.full([queries, keys], INVALID_LOGIT, tl.float32)
        if keeps_logits:
            logits = tl.load(row + key, mask=(room != 0) & (key < cells), other=INVALID_LOGIT)
        elif reaches:
            logits = _logits(gram, mask, query, room, norms, key, height, width, scale)
        tl.store(row + key, tl.exp(logits - highest) * share, mask=(query < cells) & (key < cells))


def attention_weights(gram: Tensor, mask: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """Compute `train.model.attention.attention_weights` with the kernel; queries whose patch cannot reach the hole get zeros.

    :param gram: [N, L, L] float32, float16 or bfloat16 on a CUDA device; scores are computed in float32.
    :param mask: [N, 1, h, w] float, 1 = cell touches the hole; h * w = L.
    :param scale: lambda of the softmax; each value is compiled once.
    :return: weights [N, L, L] float32, whose rows sum to 1 (to 0 if no key is valid or the query is skipped), and matches [N, L] int64,
        the best key of each query (0 for rows of zeros).
    :raises EngineError: if the shapes do not agree, a dtype is not supported, or the tensors are not on a CUDA device.
    """
    torch = require("torch", "train")
    weights = torch.empty_like(gram, dtype=torch.float32, memory_format=torch.contiguous_format)
    matches = torch.empty(gram.shape[:2], dtype=torch.int64, device=gram.device)
    launch(gram.detach().contiguous(), mask.detach().contiguous(), weights, matches, scale)
    return weights, matches


def launch(gram: Tensor, mask: Tensor, weights: Tensor, matches: Tensor, scale: float) -> None:
    """Run the kernel on the caller's contiguous buffers; `weights` may have half precision.

    :raises EngineError: if the shapes do not agree, a dtype is not supported, or the tensors are not on a CUDA device.
    """
    samples, _, height, width = mask.shape
    expected = (samples, height * width, height * width)
    if not (gram.shape == weights.shape == expected and matches.shape == expected[:2]):
        given = ", ".join(str(tuple(tensor.shape)) for tensor in (gram, weights, matches))
        raise EngineError(f"for a mask {tuple(mask.shape)} expected gram and weights {expected} and matches {expected[:2]}, given {given}")
    if any(tensor.element_size() > 4 and tensor.is_floating_point() for tensor in (gram, mask, weights)):
        raise EngineError("the attention kernel accepts float32, float16 and bfloat16, given float64; use train.model.attention")
    if gram.device.type != "cuda" and isinstance(contextual_attention_weights, triton.JITFunction):
        raise EngineError(f"the attention kernel needs tensors on a CUDA device, given {gram.device}; use train.model.attention")
    with require("torch", "train").cuda.device_of(gram):
        contextual_attention_weights[launch_grid(samples, height, width)](
            gram, mask, height, width, weights, matches, scale, QUERIES, KEYS, **OPTIONS
        )
