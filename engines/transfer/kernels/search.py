"""The Triton kernels of the search for sources: a round of the search, and the candidates of the network's attention.

`gi_plugin.transfer.numpy_kernels.search` and `matching` define the results, in the same notation. All sums have the same order and rounding
as there: products and sums of floats are not fused, and divisions are rounded correctly. So the results are equal bit by bit.

A picture is int16 [H, W, 5]; a patch has 5 rows of 25 numbers, of which 125 lanes hold one each. Positions in the box around the hole are
counted row by row. A program handles a few targets, listed in `targets`.
"""

from __future__ import annotations

import triton
import triton.language as tl

ROW = tl.constexpr(25)  # numbers in a row of a patch
LANES = tl.constexpr(128)  # the next power of two above the 125 numbers of a patch
UNIT = tl.constexpr(1048576.0)  # square of the value that means 1.0 in planes


@triton.jit
def scrambled(bits: tl.tensor) -> tl.tensor:
    """Hash 32-bit numbers (uint32)."""
    bits = (bits ^ (bits >> 16)) * 0x7FEB352D
    bits = (bits ^ (bits >> 15)) * 0x846CA68B
    return bits ^ (bits >> 16)


@triton.jit
def _offset(bits: tl.tensor, radius: tl.tensor) -> tl.tensor:
    """Integers from -radius to radius, from random bits (uint32)."""
    return tl.umulhi(bits, (2 * radius + 1).to(tl.uint32) + tl.zeros_like(bits)).to(tl.int32) - radius


@triton.jit
def _target(
    estimate: tl.tensor, weight: tl.tensor, goal: tl.tensor, here: tl.tensor, width: tl.tensor, exists: tl.tensor, guided: tl.constexpr
) -> tl.tuple:
    """Patches [T, 128] of targets, the weights of their numbers, the factors [T, 1] of their costs, and the guide's wish (three [T, 1])."""
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
    return ours, factor, share, wish


@triton.jit
def _allowed(valid: tl.tensor, rows: tl.tensor, columns: tl.tensor, row: tl.tensor, column: tl.tensor, wanted: tl.tensor) -> tl.tensor:
    """Which of the wanted sources lie inside the picture and are valid."""
    inside = wanted & (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
    return inside & (tl.load(valid + row * columns + column, mask=inside, other=0) != 0)


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
    ours, factor, share, wish = _target(estimate, weight, goal, here, width, exists, guided)
    row = tl.load(field + here * 2, mask=exists, other=0)
    column = tl.load(field + here * 2 + 1, mask=exists, other=0)
    least = _cost(planes, low, columns, pull, ours, factor, share, wish, row, column, exists, guided)

    state = scrambled(seed.to(tl.uint32) + here.to(tl.uint32))
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
            state = scrambled(state + 0x9E3779B9)
            try_row = row + _offset(state, radius)
            state = scrambled(state + 0x9E3779B9)
            try_column = column + _offset(state, radius)
            known = exists
            radius = radius // 2
        known = _allowed(valid, rows, columns, try_row, try_column, known)
        price = _cost(planes, low, columns, pull, ours, factor, share, wish, try_row, try_column, known, guided)
        better = known & (price < least)
        least = tl.where(better, price, least)
        row = tl.where(better, try_row, row)
        column = tl.where(better, try_column, column)
    tl.store(found + here * 2, row, mask=exists)
    tl.store(found + here * 2 + 1, column, mask=exists)
    tl.store(cost + here, least, mask=exists)


@triton.jit
def attend(
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
    top: tl.tensor,
    left: tl.tensor,
    matches: tl.tensor,
    cell_rows: tl.tensor,
    cell_columns: tl.tensor,
    step: tl.tensor,
    shift: tl.tensor,
    guided: tl.constexpr,
    block: tl.constexpr,
) -> None:
    """Replace sources in `field` by cheaper candidates of the attention; see `matching._with_attention` and `Guide.candidates`.

    The first parameters are those of `search`. The grid is (ceil(count / block),).

    :param top: row of the box in the level; `left` its column.
    :param matches: [cell_rows, cell_columns] int32, number of the matching cell; negative = none.
    :param step: side of a cell in pixels at full size; the level is 2 ** `shift` times smaller.
    """
    index = tl.program_id(0) * block + tl.arange(0, block)[:, None]
    exists = index < count
    here = tl.load(targets + index, mask=exists, other=0)
    ours, factor, share, wish = _target(estimate, weight, goal, here, width, exists, guided)
    row = tl.load(field + here * 2, mask=exists, other=0)
    column = tl.load(field + here * 2 + 1, mask=exists, other=0)
    least = _cost(planes, low, columns, pull, ours, factor, share, wish, row, column, exists, guided)
    y, x = here // width + top, here % width + left
    for near in range(9):
        cell_row = tl.minimum(tl.maximum((y << shift) // step + near // 3 - 1, 0), cell_rows - 1)
        cell_column = tl.minimum(tl.maximum((x << shift) // step + near % 3 - 1, 0), cell_columns - 1)
        match = tl.load(matches + cell_row * cell_columns + cell_column, mask=exists, other=-1)
        known = exists & (match >= 0)
        try_row = y + (((match // cell_columns - cell_row) * step) >> shift)
        try_column = x + (((match % cell_columns - cell_column) * step) >> shift)
        known = _allowed(valid, rows, columns, try_row, try_column, known)
        price = _cost(planes, low, columns, pull, ours, factor, share, wish, try_row, try_column, known, guided)
        better = known & (price < least)
        least = tl.where(better, price, least)
        row = tl.where(better, try_row, row)
        column = tl.where(better, try_column, column)
    tl.store(field + here * 2, row, mask=exists)
    tl.store(field + here * 2 + 1, column, mask=exists)
