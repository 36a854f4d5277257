"""The Triton kernels of a round of the transfer: search for sources, scale of the costs, weights of the patches, votes.

`gi_plugin.transfer.numpy_kernels` and `matching.vote_weights` define the results, in the same notation. All sums have the same order and
rounding as there: products and sums of floats are not fused, and divisions are rounded correctly. So search, scale and votes are equal bit
by bit; only the exponential in the weights may differ in its last bits.

A picture is int16 [H, W, 5]; a patch has 5 rows of 25 numbers, of which 125 lanes hold one each. Positions in the box around the hole are
counted row by row. A program handles a few targets (or pixels), listed in `targets` (or `pixels`).
"""

from __future__ import annotations

import triton
import triton.language as tl

ROW = tl.constexpr(25)  # numbers in a row of a patch
LANES = tl.constexpr(128)  # the next power of two above the 125 numbers of a patch
UNIT = tl.constexpr(1048576.0)  # square of the value that means 1.0 in planes
SMALLEST_WEIGHT = tl.constexpr(1e-6)  # matching.MIN_WEIGHT, and the smallest scale of the costs


@triton.jit
def _scrambled(bits: tl.tensor) -> tl.tensor:
    """Hash 32-bit numbers (uint32)."""
    bits = (bits ^ (bits >> 16)) * 0x7FEB352D
    bits = (bits ^ (bits >> 15)) * 0x846CA68B
    return bits ^ (bits >> 16)


@triton.jit
def _offset(bits: tl.tensor, radius: tl.tensor) -> tl.tensor:
    """Integers from -radius to radius, from random bits (uint32)."""
    return tl.umulhi(bits, (2 * radius + 1).to(tl.uint32) + tl.zeros_like(bits)).to(tl.int32) - radius


@triton.jit
def _cost(
    planes: tl.tensor,
    low: tl.tensor,
    columns: tl.tensor,
    pull: tl.tensor,
    ours: tl.tensor,
    weight: tl.tensor,
    share: tl.tensor,
    goal: tl.tensor,
    row: tl.tensor,
    column: tl.tensor,
    wanted: tl.tensor,
    guided: tl.constexpr,
) -> tl.tensor:
    """Costs [T, 1] of the sources at (row, column), [T, 1] each, for targets with the patches `ours` [T, 128], where `wanted`."""
    lane = tl.arange(0, LANES)[None, :]
    centre = row * columns + column
    theirs = tl.load(
        planes + (centre + (lane // ROW - 2) * columns - 2) * 5 + lane % ROW, mask=wanted & (lane < 5 * ROW), other=0
    )  # fmt: skip
    difference = (ours - theirs.to(tl.int32)) * weight
    cost = tl.sum(difference * difference, axis=1, keep_dims=True).to(tl.float32) * share
    if guided:
        wish = tl.zeros_like(centre)
        for channel in tl.static_range(3):
            step = goal[channel] - tl.load(low + centre * 3 + channel, mask=wanted, other=0).to(tl.int32)
            wish += step * step
        cost += wish.to(tl.float32) * pull
    return cost


@triton.jit(do_not_specialize=["rows", "columns", "width", "count", "radius", "seed"])
def search(
    planes: tl.tensor,
    valid: tl.tensor,
    low: tl.tensor,
    rows: tl.tensor,
    columns: tl.tensor,
    pull: tl.tensor,
    estimate: tl.tensor,
    weight: tl.tensor,
    goal: tl.tensor,
    width: tl.tensor,
    targets: tl.tensor,
    count: tl.tensor,
    field: tl.tensor,
    found: tl.tensor,
    cost: tl.tensor,
    radius: tl.tensor,
    seed: tl.tensor,
    guided: tl.constexpr,
    block: tl.constexpr,
) -> None:
    """Improve the sources of all targets in one round; see `numpy_kernels.search`. The grid is (ceil(count / block),).

    :param seed: 32 random bits.
    :param planes: [rows, columns, 5] int16 sources; `valid` [rows, columns] uint8; `low` [rows, columns, 3] int16, read if `guided`.
    :param pull: weight of the guide divided by UNIT.
    :param estimate: [h, width, 5] int16, the box; `weight` [h, width] uint8; `goal` [h, width, 3] int16, read if `guided`.
    :param targets: [count] int32, positions in the box.
    :param field: [h, width, 2] int32; `found` the same after the round, `cost` [h, width] float32; both are written at targets only.
    """
    index = tl.program_id(0) * block + tl.arange(0, block)[:, None]
    exists = index < count
    here = tl.load(targets + index, mask=exists, other=0)
    lane = tl.arange(0, LANES)[None, :]
    used = exists & (lane < 5 * ROW)
    pixel = here + (lane // ROW - 2) * width - 2
    ours = tl.load(estimate + pixel * 5 + lane % ROW, mask=used, other=0).to(tl.int32)
    factor = tl.load(weight + pixel + lane % ROW // 5, mask=used, other=0).to(tl.int32)
    total = tl.sum(tl.where(lane % 5 == 0, factor * factor, 0), axis=1, keep_dims=True)
    share = tl.div_rn(tl.full(total.shape, 1.0, tl.float32), tl.maximum(total, 1).to(tl.float32) * UNIT)
    wish = (here, here, here)
    if guided:
        first = goal + here * 3
        wish = (
            tl.load(first, mask=exists, other=0).to(tl.int32),
            tl.load(first + 1, mask=exists, other=0).to(tl.int32),
            tl.load(first + 2, mask=exists, other=0).to(tl.int32),
        )
    row = tl.load(field + here * 2, mask=exists, other=0)
    column = tl.load(field + here * 2 + 1, mask=exists, other=0)
    least = _cost(planes, low, columns, pull, ours, factor, share, wish, row, column, exists, guided)

    state = _scrambled(seed.to(tl.uint32) + here.to(tl.uint32))
    near = 0
    while (near < 9) | (radius >= 1):
        if near < 9:  # the source of a neighbour, shifted by the step to the neighbour
            down, right = near // 3 - 1, near % 3 - 1
            neighbour = field + (here + down * width + right) * 2
            try_row = tl.load(neighbour, mask=exists, other=-1)
            known = exists & (try_row >= 0)
            try_row = try_row - down
            try_column = tl.load(neighbour + 1, mask=known, other=0) - right
            near += 1
        else:  # a random source around the best one
            state = _scrambled(state + 0x9E3779B9)
            try_row = row + _offset(state, radius)
            state = _scrambled(state + 0x9E3779B9)
            try_column = column + _offset(state, radius)
            known = exists
            radius = radius // 2
        known = known & (try_row >= 0) & (try_row < rows) & (try_column >= 0) & (try_column < columns)
        known = known & (tl.load(valid + try_row * columns + try_column, mask=known, other=0) != 0)
        price = _cost(planes, low, columns, pull, ours, factor, share, wish, try_row, try_column, known, guided)
        better = known & (price < least)
        least = tl.where(better, price, least)
        row = tl.where(better, try_row, row)
        column = tl.where(better, try_column, column)
    tl.store(found + here * 2, row, mask=exists)
    tl.store(found + here * 2 + 1, column, mask=exists)
    tl.store(cost + here, least, mask=exists)


@triton.jit(do_not_specialize=["step", "length", "rank"])
def cost_scale(
    cost: tl.tensor,
    targets: tl.tensor,
    step: tl.tensor,
    length: tl.tensor,
    rank: tl.tensor,
    scale: tl.tensor,
    most: tl.constexpr,
) -> None:
    """Write into `scale` [1] the number `rank` (from 0) in the order of every `step`-th target's cost; one program.

    Costs are not negative, so their order is that of their bits; the result is found bit by bit.

    :param length: number of costs that are read, at most `most`.
    """
    index = tl.arange(0, most)
    here = tl.load(targets + index * step, mask=index < length, other=0)
    bits = tl.load(cost + here, mask=index < length, other=float("inf")).to(tl.int32, bitcast=True)
    found = 0
    for number in tl.static_range(31):
        trial = found | (1 << (30 - number))
        found = tl.where(tl.sum((bits < trial).to(tl.int32)) <= rank, trial, found)
    tl.store(scale, found.to(tl.float32, bitcast=True))


@triton.jit(do_not_specialize=["count"])
def vote_weights(cost: tl.tensor, targets: tl.tensor, count: tl.tensor, scale: tl.tensor, weights: tl.tensor, block: tl.constexpr) -> None:
    """Write exp(-cost / scale) + MIN_WEIGHT into `weights` [h, w] at the targets; see `matching.vote_weights`.

    The grid is (ceil(count / block),).
    """
    index = tl.program_id(0) * block + tl.arange(0, block)
    here = tl.load(targets + index, mask=index < count, other=0)
    factor = tl.div_rn(-1.0, tl.maximum(tl.load(scale), SMALLEST_WEIGHT))
    exponent = tl.load(cost + here, mask=index < count, other=0.0) * factor
    tl.store(weights + here, tl.exp(exponent) + SMALLEST_WEIGHT, mask=index < count)


@triton.jit(do_not_specialize=["columns", "width", "count"])
def vote(
    planes: tl.tensor,
    columns: tl.tensor,
    field: tl.tensor,
    weights: tl.tensor,
    width: tl.tensor,
    pixels: tl.tensor,
    count: tl.tensor,
    votes: tl.tensor,
    block: tl.constexpr,
) -> None:
    """Write into `votes` [h, width, 5] int16, for each of `pixels`, the weighted mean of the patches that cover it.

    See `numpy_kernels.vote`. The grid is (ceil(count / block),).
    """
    index = tl.program_id(0) * block + tl.arange(0, block)[:, None]
    exists = index < count
    here = tl.load(pixels + index, mask=exists, other=0)
    channel = tl.arange(0, 8)[None, :]
    sums = tl.zeros([block, 8], tl.float32)
    total = tl.zeros([block, 1], tl.float32)
    for number in range(25):
        down, right = number // 5 - 2, number % 5 - 2
        there = here - down * width - right
        weight = tl.load(weights + there, mask=exists, other=0.0)
        covers = weight > 0
        row = tl.load(field + there * 2, mask=covers, other=0) + down
        column = tl.load(field + there * 2 + 1, mask=covers, other=0) + right
        source = tl.load(planes + (row * columns + column) * 5 + channel, mask=covers & (channel < 5), other=0)
        sums += weight * source.to(tl.float32)
        total += weight
    mean = tl.div_rn(sums, tl.where(total > 0, total, 1.0) + tl.zeros_like(sums))
    rounded = (mean + 4096.5).to(tl.int32) - 4096
    tl.store(votes + here * 5 + channel, rounded.to(tl.int16), mask=exists & (channel < 5) & (total > 0))
