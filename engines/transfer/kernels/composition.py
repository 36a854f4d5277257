"""The Triton kernels of the composition, and of the smooth interpolation that it uses.

`gi_plugin.transfer.composition` and `interpolation` define the results, which are equal bit by bit. Every program handles `block` pixels,
counted row by row; the grid is (ceil(count / block),). The box around the hole begins at (`top`, `left`) of the picture, and may reach
beyond it; `weight` [h, width] uint8 is 0 outside the picture, 1 at missing and 2 at known pixels of the box.
"""

from __future__ import annotations

import triton
import triton.language as tl

FROM_PLANES = tl.constexpr(1 / 1024)


@triton.jit
def push(
    values: tl.tensor,
    known: tl.tensor,
    rows: tl.tensor,
    columns: tl.tensor,
    half: tl.tensor,
    half_known: tl.tensor,
    count: tl.tensor,
    block: tl.constexpr,
) -> None:
    """Reduce `values` [rows, columns, 3] float32 by two, to means of the known ones; see `interpolation._half`.

    :param known: [rows, columns] uint8.
    :param half: [count, 3] float32, written; `half_known` [count] uint8, whether one of the four was known.
    """
    here = tl.program_id(0) * block + tl.arange(0, block)[:, None]
    exists = here < count
    channel = tl.arange(0, 4)[None, :]
    half_columns = (columns + 1) // 2
    row, column = here // half_columns * 2, here % half_columns * 2
    number = tl.zeros([block, 1], tl.float32)
    total = tl.zeros([block, 4], tl.float32)
    for part in tl.static_range(4):
        y, x = row + part // 2, column + part % 2
        inside = exists & (y < rows) & (x < columns)
        there = y * columns + x
        seen = inside & (tl.load(known + there, mask=inside, other=0) != 0)
        total += tl.load(values + there * 3 + channel, mask=seen & (channel < 3), other=0.0)
        number += seen.to(tl.float32)
    mean = tl.div_rn(total, tl.maximum(number, 1.0) + tl.zeros_like(total))
    tl.store(half + here * 3 + channel, mean, mask=exists & (channel < 3))
    tl.store(half_known + here, (number > 0).to(tl.uint8), mask=exists)


@triton.jit
def pull(
    values: tl.tensor,
    known: tl.tensor,
    columns: tl.tensor,
    count: tl.tensor,
    half: tl.tensor,
    half_rows: tl.tensor,
    half_columns: tl.tensor,
    block: tl.constexpr,
) -> None:
    """Write `half` [half_rows, half_columns, 3], enlarged, into unknown pixels of `values` [count, 3]; see `interpolation._double`."""
    here = tl.program_id(0) * block + tl.arange(0, block)[:, None]
    exists = here < count
    wanted = exists & (tl.load(known + here, mask=exists, other=1) == 0)
    channel = tl.arange(0, 4)[None, :]
    read = wanted & (channel < 3)
    row, column = here // columns, here % columns
    near_row, near_column = row // 2, column // 2
    far_row = tl.minimum(tl.maximum(near_row + row % 2 * 2 - 1, 0), half_rows - 1)
    far_column = tl.minimum(tl.maximum(near_column + column % 2 * 2 - 1, 0), half_columns - 1)
    near = _between(half, near_row * half_columns + near_column, far_row * half_columns + near_column, channel, read)
    far = _between(half, near_row * half_columns + far_column, far_row * half_columns + far_column, channel, read)
    tl.store(values + here * 3 + channel, 0.75 * near + 0.25 * far, mask=read)


@triton.jit
def _between(values: tl.tensor, near: tl.tensor, far: tl.tensor, channel: tl.tensor, wanted: tl.tensor) -> tl.tensor:
    """3/4 of one pixel and 1/4 of another."""
    first = 0.75 * tl.load(values + near * 3 + channel, mask=wanted, other=0.0)
    return first + 0.25 * tl.load(values + far * 3 + channel, mask=wanted, other=0.0)


@triton.jit
def lack(
    image: tl.tensor,
    columns: tl.tensor,
    votes: tl.tensor,
    border: tl.tensor,
    top: tl.tensor,
    left: tl.tensor,
    width: tl.tensor,
    count: tl.tensor,
    correction: tl.tensor,
    block: tl.constexpr,
) -> None:
    """Write what the votes lack at the border of the hole, image - votes, into `correction` [count, 3] float32; 0 elsewhere.

    :param image: [H, columns, 3] float32.
    :param votes: [count, 5] int16; `border` [count] uint8, which must lie in the picture.
    """
    here = tl.program_id(0) * block + tl.arange(0, block)
    exists = here < count
    wanted = exists & (tl.load(border + here, mask=exists, other=0) != 0)
    there = (here // width + top) * columns + here % width + left
    for channel in tl.static_range(3):
        voted = tl.load(votes + here * 5 + channel, mask=wanted, other=0).to(tl.float32) * FROM_PLANES
        tl.store(correction + here * 3 + channel, tl.load(image + there * 3 + channel, mask=wanted, other=0.0) - voted, mask=exists)


@triton.jit
def surround(
    image: tl.tensor,
    columns: tl.tensor,
    votes: tl.tensor,
    weight: tl.tensor,
    correction: tl.tensor,
    fade: tl.tensor,
    top: tl.tensor,
    left: tl.tensor,
    width: tl.tensor,
    height: tl.tensor,
    wide_top: tl.tensor,
    wide_left: tl.tensor,
    wide_width: tl.tensor,
    count: tl.tensor,
    filled: tl.tensor,
    block: tl.constexpr,
) -> None:
    """Write the picture with the corrected votes in its hole into `filled` [count, 3] float32, for a region of rows of `wide_width`.

    :param image: [H, columns, 3] float32, which contains the region.
    :param votes: [height, width, 5] int16; `correction` [height, width, 3] and `fade` [height, width] float32 are multiplied and added.
    """
    here = tl.program_id(0) * block + tl.arange(0, block)
    exists = here < count
    y, x = here // wide_width + wide_top, here % wide_width + wide_left
    down, right = y - top, x - left
    place = down * width + right
    in_box = exists & (down >= 0) & (down < height) & (right >= 0) & (right < width)
    missing = in_box & (tl.load(weight + place, mask=in_box, other=0) == 1)
    share = tl.load(fade + place, mask=missing, other=0.0)
    for channel in tl.static_range(3):
        low = tl.load(votes + place * 5 + channel, mask=missing, other=0).to(tl.float32) * FROM_PLANES
        low += tl.load(correction + place * 3 + channel, mask=missing, other=0.0) * share
        own = tl.load(image + (y * columns + x) * 3 + channel, mask=exists & (missing == 0), other=0.0)
        tl.store(filled + here * 3 + channel, tl.where(missing, low, own), mask=exists)


@triton.jit
def finish(
    low: tl.tensor,
    high: tl.tensor,
    correction: tl.tensor,
    fade: tl.tensor,
    weight: tl.tensor,
    count: tl.tensor,
    filled: tl.tensor,
    block: tl.constexpr,
) -> None:
    """Write the fill of the missing pixels of a box into `filled` [count, 3] float32: low and corrected high frequencies; 0 elsewhere.

    :param low: [count, 3] float32; `high` and `correction`, too; `fade` [count] float32.
    """
    here = tl.program_id(0) * block + tl.arange(0, block)
    exists = here < count
    missing = exists & (tl.load(weight + here, mask=exists, other=0) == 1)
    share = tl.load(fade + here, mask=missing, other=0.0)
    for channel in tl.static_range(3):
        there = here * 3 + channel
        fine = tl.load(high + there, mask=missing, other=0.0) + tl.load(correction + there, mask=missing, other=0.0) * share
        value = tl.load(low + there, mask=missing, other=0.0) + fine
        tl.store(filled + there, tl.minimum(tl.maximum(value, -1.0), 1.0), mask=exists)
