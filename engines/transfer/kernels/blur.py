"""The Triton kernels of the blur, and rounding to fixed point.

`gi_plugin.transfer.numpy_kernels.blur` defines the results, which are equal bit by bit: sums have the same order, and products, sums and
divisions are rounded one by one. A pixel outside the picture counts as unknown, and an unknown pixel adds 0. Every program handles `block`
pixels, counted row by row; the grid is (ceil(count / block),).

A blur runs first along the rows, then along the columns. Between the two lie planes [4, H, W] float32: three sums of values, and the sum of
the weights of known pixels.
"""

from __future__ import annotations

import triton
import triton.language as tl

SMALLEST_SHARE = tl.constexpr(1e-3)  # of known pixels in a blur
ONE = tl.constexpr(1024.0)
ROUNDER = tl.constexpr(12582912.0)  # 1.5 * 2 ** 23: adding and subtracting it rounds to integers, halves to even


@triton.jit
def rounded(values: tl.tensor) -> tl.tensor:
    """Round to integers as numpy's rint does; values must be below 2 ** 22."""
    return (values + ROUNDER) - ROUNDER


@triton.jit
def fixed(values: tl.tensor) -> tl.tensor:
    """Colours in fixed point (int16): see `matching._shorts`."""
    return rounded(tl.minimum(tl.maximum(values, -1.0), 1.0) * ONE).to(tl.int16)


@triton.jit
def blur_rows(
    values: tl.tensor,
    known: tl.tensor,
    columns: tl.tensor,
    count: tl.tensor,
    taps: tl.tensor,
    radius: tl.tensor,
    lines: tl.tensor,
    masked: tl.constexpr,
    block: tl.constexpr,
) -> None:
    """Blur along the rows.

    :param values: [H, columns, 3] float32, or planes [H, columns, 5] int16, whose colours are blurred; `count` = H * columns.
    :param known: [H, columns] uint8, read if `masked`.
    :param taps: [2 radius + 1] float32, the Gaussian.
    :param lines: [4, H, columns] float32, written.
    """
    is_fixed: tl.constexpr = values.dtype.element_ty == tl.int16
    step: tl.constexpr = 5 if is_fixed else 3
    here = tl.program_id(0) * block + tl.arange(0, block)
    exists = here < count
    column = here % columns
    red = tl.zeros([block], tl.float32)
    green = tl.zeros([block], tl.float32)
    blue = tl.zeros([block], tl.float32)
    share = tl.zeros([block], tl.float32)
    for k in range(2 * radius + 1):
        x = column + k - radius
        there = here + k - radius
        seen = exists & (x >= 0) & (x < columns)
        if masked:
            seen = seen & (tl.load(known + there, mask=seen, other=0) != 0)
        tap = tl.load(taps + k)
        red += tap * _value(values + there * step, seen)
        green += tap * _value(values + there * step + 1, seen)
        blue += tap * _value(values + there * step + 2, seen)
        share += tl.where(seen, tap, 0.0)
    tl.store(lines + here, red, mask=exists)
    tl.store(lines + count + here, green, mask=exists)
    tl.store(lines + 2 * count + here, blue, mask=exists)
    tl.store(lines + 3 * count + here, share, mask=exists)


@triton.jit
def _value(at: tl.tensor, seen: tl.tensor) -> tl.tensor:
    """Values in float32, from float32 or fixed point; 0 where not seen."""
    if at.dtype.element_ty == tl.int16:
        return tl.load(at, mask=seen, other=0).to(tl.float32) * (1 / ONE)
    else:  # noqa: RET505  # Triton compiles one of the two
        return tl.load(at, mask=seen, other=0.0)


@triton.jit
def blur_columns(
    lines: tl.tensor,
    rows: tl.tensor,
    columns: tl.tensor,
    taps: tl.tensor,
    radius: tl.tensor,
    top: tl.tensor,
    left: tl.tensor,
    width: tl.tensor,
    count: tl.tensor,
    result: tl.tensor,
    block: tl.constexpr,
) -> None:
    """Blur a box along the columns, and divide by the sum of the weights.

    :param lines: of `blur_rows`, [4, rows, columns].
    :param top: row of `lines` where the box begins; `left` its column; the box may reach beyond `lines`, and is 0 there.
    :param width: of the box, which has `count` pixels.
    :param result: [count, 3] float32, or int16 for fixed point.
    """
    here = tl.program_id(0) * block + tl.arange(0, block)
    exists = here < count
    row, column = here // width + top, here % width + left
    exists_there = exists & (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
    size = rows * columns
    red = tl.zeros([block], tl.float32)
    green = tl.zeros([block], tl.float32)
    blue = tl.zeros([block], tl.float32)
    share = tl.zeros([block], tl.float32)
    for k in range(2 * radius + 1):
        y = row + k - radius
        inside = exists_there & (y >= 0) & (y < rows)
        there = lines + y * columns + column
        tap = tl.load(taps + k)
        red += tap * tl.load(there, mask=inside, other=0.0)
        green += tap * tl.load(there + size, mask=inside, other=0.0)
        blue += tap * tl.load(there + 2 * size, mask=inside, other=0.0)
        share += tap * tl.load(there + 3 * size, mask=inside, other=0.0)
    share = tl.maximum(share, SMALLEST_SHARE)
    _store(result + here * 3, tl.div_rn(red, share), exists)
    _store(result + here * 3 + 1, tl.div_rn(green, share), exists)
    _store(result + here * 3 + 2, tl.div_rn(blue, share), exists)


@triton.jit
def _store(at: tl.tensor, values: tl.tensor, wanted: tl.tensor) -> None:
    """Store values as float32 or in fixed point."""
    if at.dtype.element_ty == tl.int16:
        tl.store(at, fixed(values), mask=wanted)
    else:
        tl.store(at, values, mask=wanted)
