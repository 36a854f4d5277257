"""The Triton kernels that begin a level: the guide, the first estimate, and sources of the next coarser level.

`gi_plugin.transfer.matching` and `guide` define the results, which are equal bit by bit. Every program handles `block` pixels, counted row
by row; the grid is (ceil(count / block),). A box around the hole has its own origin (`top`, `left`) in the level, and may reach beyond it;
`weight` [h, width] uint8 is 0 outside the picture, 1 at missing and 2 at known pixels of the box.
"""

from __future__ import annotations

import triton
import triton.language as tl

from .blur import ONE, fixed, rounded
from .search import scrambled

SMALLEST_WEIGHT = tl.constexpr(1e-6)  # matching.MIN_WEIGHT


@triton.jit
def complete(
    guide: tl.tensor,
    guide_rows: tl.tensor,
    guide_columns: tl.tensor,
    row_first: tl.tensor,
    row_shares: tl.tensor,
    column_first: tl.tensor,
    column_shares: tl.tensor,
    planes: tl.tensor,
    columns: tl.tensor,
    weight: tl.tensor,
    top: tl.tensor,
    left: tl.tensor,
    width: tl.tensor,
    height: tl.tensor,
    wide_top: tl.tensor,
    wide_left: tl.tensor,
    wide_width: tl.tensor,
    count: tl.tensor,
    completed: tl.tensor,
    block: tl.constexpr,
) -> None:
    """Write the known colours of a region, with the guide in the hole, into `completed` [count, 3] float32; see `Guide.at`.

    :param guide: [guide_rows, guide_columns, 3] float32, of which each pixel of the region mixes four rows and four columns.
    :param row_first: [rows of the region] int32, the first of the four rows; `row_shares` [rows, 4] float32, their shares; columns alike.
    :param planes: [H, columns, 5] int16, the level.
    :param height: of the box, whose `width` is that of `weight`.
    :param wide_top: where the region begins; it lies in the level, has `count` pixels and rows of `wide_width`.
    """
    here = tl.program_id(0) * block + tl.arange(0, block)
    exists = here < count
    own_row, own_column = here // wide_width, here % wide_width
    y, x = own_row + wide_top, own_column + wide_left
    down, right = y - top, x - left
    in_box = exists & (down >= 0) & (down < height) & (right >= 0) & (right < width)
    missing = in_box & (tl.load(weight + down * width + right, mask=in_box, other=0) == 1)
    first_row = tl.load(row_first + own_row, mask=missing, other=0)
    first_column = tl.load(column_first + own_column, mask=missing, other=0)
    known = exists & (missing == 0)
    for channel in tl.static_range(3):
        guided = tl.zeros([block], tl.float32)
        for j in tl.static_range(4):
            there = tl.minimum(tl.maximum(first_column + j, 0), guide_columns - 1)
            mixed = tl.zeros([block], tl.float32)
            for i in tl.static_range(4):
                row = tl.minimum(tl.maximum(first_row + i, 0), guide_rows - 1)
                share = tl.load(row_shares + own_row * 4 + i, mask=missing, other=0.0)
                mixed += share * tl.load(guide + (row * guide_columns + there) * 3 + channel, mask=missing, other=0.0)
            guided += tl.load(column_shares + own_column * 4 + j, mask=missing, other=0.0) * mixed
        colour = tl.load(planes + (y * columns + x) * 5 + channel, mask=known, other=0).to(tl.float32) * (1 / ONE)
        tl.store(completed + here * 3 + channel, tl.where(missing, guided, colour), mask=exists)


@triton.jit
def known_texture(
    planes: tl.tensor,
    columns: tl.tensor,
    weight: tl.tensor,
    top: tl.tensor,
    left: tl.tensor,
    width: tl.tensor,
    part_top: tl.tensor,
    part_left: tl.tensor,
    part_width: tl.tensor,
    count: tl.tensor,
    values: tl.tensor,
    known: tl.tensor,
    block: tl.constexpr,
) -> None:
    """Write the texture of a level into `values` [count, 3] float32 (the last is 0), and which pixels are known into `known` [count] uint8.

    :param part_top: where the part of the box that lies in the level begins; it has `count` pixels and rows of `part_width`.
    """
    here = tl.program_id(0) * block + tl.arange(0, block)
    exists = here < count
    y, x = here // part_width + part_top, here % part_width + part_left
    seen = tl.load(weight + (y - top) * width + x - left, mask=exists, other=0) == 2
    there = planes + (y * columns + x) * 5
    tl.store(values + here * 3, tl.load(there + 3, mask=exists, other=0).to(tl.float32), mask=exists)
    tl.store(values + here * 3 + 1, tl.load(there + 4, mask=exists, other=0).to(tl.float32), mask=exists)
    tl.store(values + here * 3 + 2, tl.zeros([block], tl.float32), mask=exists)
    tl.store(known + here, seen.to(tl.uint8), mask=exists)


@triton.jit
def first_estimate(
    planes: tl.tensor,
    columns: tl.tensor,
    weight: tl.tensor,
    top: tl.tensor,
    left: tl.tensor,
    width: tl.tensor,
    count: tl.tensor,
    completed: tl.tensor,
    wide_top: tl.tensor,
    wide_left: tl.tensor,
    wide_width: tl.tensor,
    texture: tl.tensor,
    part_top: tl.tensor,
    part_left: tl.tensor,
    part_width: tl.tensor,
    estimate: tl.tensor,
    start: tl.tensor,
    field: tl.tensor,
    found: tl.tensor,
    weights: tl.tensor,
    block: tl.constexpr,
) -> None:
    """Write the first estimate of a box into `estimate` [count, 5] int16; see `matching._first_estimate`.

    :param completed: of `complete`, for the region that begins at (`wide_top`, `wide_left`).
    :param texture: [h, part_width, 3] float32, for the part of the box in the level, which begins at (`part_top`, `part_left`).
    :param start: [count, 2] int32, sources that are copied to `field`; `found` is set to -1, and `weights` [count] float32 to 0.
    """
    here = tl.program_id(0) * block + tl.arange(0, block)
    exists = here < count
    y, x = here // width + top, here % width + left
    kind = tl.load(weight + here, mask=exists, other=0)
    known, missing = kind == 2, kind == 1
    there = planes + (y * columns + x) * 5
    guided = completed + ((y - wide_top) * wide_width + x - wide_left) * 3
    smooth = texture + ((y - part_top) * part_width + x - part_left) * 3
    for channel in tl.static_range(3):
        own = tl.load(there + channel, mask=known, other=0)
        colour = fixed(tl.load(guided + channel, mask=missing, other=0.0))
        tl.store(estimate + here * 5 + channel, tl.where(missing, colour, own), mask=exists)
    for channel in tl.static_range(2):
        own = tl.load(there + 3 + channel, mask=known, other=0)
        value = rounded(tl.load(smooth + channel, mask=missing, other=0.0)).to(tl.int16)
        tl.store(estimate + here * 5 + 3 + channel, tl.where(missing, value, own), mask=exists)
    for axis in tl.static_range(2):
        tl.store(field + here * 2 + axis, tl.load(start + here * 2 + axis, mask=exists, other=-1), mask=exists)
        tl.store(found + here * 2 + axis, tl.full([block], -1, tl.int32), mask=exists)
    tl.store(weights + here, tl.zeros([block], tl.float32), mask=exists)


@triton.jit
def double(
    coarse_field: tl.tensor,
    coarse_weights: tl.tensor,
    coarse_top: tl.tensor,
    coarse_left: tl.tensor,
    coarse_height: tl.tensor,
    coarse_width: tl.tensor,
    planes: tl.tensor,
    valid: tl.tensor,
    rows: tl.tensor,
    columns: tl.tensor,
    weight: tl.tensor,
    target: tl.tensor,
    top: tl.tensor,
    left: tl.tensor,
    width: tl.tensor,
    count: tl.tensor,
    places: tl.tensor,
    place_count: tl.tensor,
    seed: tl.tensor,
    estimate: tl.tensor,
    field: tl.tensor,
    found: tl.tensor,
    weights: tl.tensor,
    block: tl.constexpr,
) -> None:
    """Begin a level with the sources found at half its size; see `matching._doubled` and `with_random_sources`.

    :param coarse_field: [coarse_height, coarse_width, 2] int32, sources in the coarser level; `coarse_weights` their weights.
    :param planes: [rows, columns, 5] int16, the level around the hole; `valid` [rows, columns] uint8, its valid sources.
    :param target: [count] uint8, which pixels of the box are targets.
    :param places: [place_count] int32, of which a target without a valid source draws one.
    :param seed: 32 random bits.
    :param estimate: [count, 5] int16, the box of the level, written; `field` [count, 2] int32 and `weights` [count] float32, too.
    :param found: [count, 2] int32, set to -1.
    """
    here = tl.program_id(0) * block + tl.arange(0, block)
    exists = here < count
    y, x = here // width + top, here % width + left
    inside = tl.load(weight + here, mask=exists, other=0) != 0
    for channel in tl.static_range(5):
        own = tl.load(planes + (y * columns + x) * 5 + channel, mask=inside, other=0)
        tl.store(estimate + here * 5 + channel, own, mask=exists)
    aimed = exists & (tl.load(target + here, mask=exists, other=0) != 0)
    up, back = (y >> 1) - coarse_top, (x >> 1) - coarse_left
    parent = up * coarse_width + back
    good = aimed & (up >= 0) & (up < coarse_height) & (back >= 0) & (back < coarse_width)
    row = tl.load(coarse_field + parent * 2, mask=good, other=-1)
    good = good & (row >= 0)
    row = row * 2 + (y & 1)
    column = tl.load(coarse_field + parent * 2 + 1, mask=good, other=0) * 2 + (x & 1)
    good = good & (row < rows) & (column < columns)
    good = good & (tl.load(valid + row * columns + column, mask=good, other=0) != 0)
    drawn = tl.umulhi(scrambled(seed.to(tl.uint32) + here.to(tl.uint32)), place_count.to(tl.uint32) + tl.zeros([block], tl.uint32))
    place = tl.load(places + drawn.to(tl.int32), mask=aimed, other=0)
    row = tl.where(good, row, tl.where(aimed, place // columns, -1))
    column = tl.where(good, column, tl.where(aimed, place % columns, -1))
    tl.store(field + here * 2, row, mask=exists)
    tl.store(field + here * 2 + 1, column, mask=exists)
    tl.store(found + here * 2, tl.full([block], -1, tl.int32), mask=exists)
    tl.store(found + here * 2 + 1, tl.full([block], -1, tl.int32), mask=exists)
    taken = tl.load(coarse_weights + parent, mask=good, other=0.0)
    tl.store(weights + here, tl.where(good, taken, tl.where(aimed, SMALLEST_WEIGHT, 0.0)), mask=exists)
