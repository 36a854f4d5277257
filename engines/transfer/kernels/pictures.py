"""The Triton kernels that make the planes of a picture: colours, texture, and their reduction by two.

`gi_plugin.transfer.texture` and `numpy_kernels` define the results, which are equal bit by bit: sums have the same order, and products,
sums and divisions are rounded one by one. A pixel outside the picture counts as unknown, like an unknown one adds 0. Every program handles
`block` pixels, counted row by row; the grid is (ceil(count / block),).
"""

from __future__ import annotations

import triton
import triton.language as tl

from .blur import ONE, SMALLEST_SHARE, rounded

RED, GREEN, BLUE = tl.constexpr(0.299), tl.constexpr(0.587), tl.constexpr(0.114)  # texture.LUMA
GAIN = tl.constexpr(5.0)  # texture.GAIN


@triton.jit
def _grey(image: tl.tensor, known: tl.tensor, there: tl.tensor, wanted: tl.tensor) -> tl.tuple:
    """Which wanted pixels are known, and their grey; 0 for others."""
    seen = wanted & (tl.load(known + there, mask=wanted, other=0) != 0)
    red = RED * tl.load(image + there * 3, mask=seen, other=0.0)
    green = GREEN * tl.load(image + there * 3 + 1, mask=seen, other=0.0)
    return seen, red + green + BLUE * tl.load(image + there * 3 + 2, mask=seen, other=0.0)


@triton.jit
def texture_rows(
    image: tl.tensor,
    known: tl.tensor,
    columns: tl.tensor,
    count: tl.tensor,
    taps: tl.tensor,
    radius: tl.tensor,
    lines: tl.tensor,
    block: tl.constexpr,
) -> None:
    """Blur the gradients of an image along its rows; see `texture.texture`.

    :param image: [H, columns, 3] float32; `known` [H, columns] uint8; `count` = H * columns.
    :param taps: [2 radius + 1] float32, the Gaussian.
    :param lines: [4, H, columns] float32, written: sums along x of the gradient along x, of its known pairs, and the same along y.
    """
    here = tl.program_id(0) * block + tl.arange(0, block)
    exists = here < count
    column = here % columns
    across = tl.zeros([block], tl.float32)
    across_pairs = tl.zeros([block], tl.float32)
    along = tl.zeros([block], tl.float32)
    along_pairs = tl.zeros([block], tl.float32)
    for k in range(2 * radius + 1):
        x = column + k - radius
        there = here + k - radius
        inside = exists & (x >= 0) & (x < columns)
        tap = tl.load(taps + k)
        seen, grey = _grey(image, known, there, inside)
        left_seen, left = _grey(image, known, there - 1, inside & (x >= 1))
        above_seen, above = _grey(image, known, there - columns, inside & (there >= columns))
        pair = seen & left_seen
        across += tap * tl.where(pair, tl.abs(grey - left), 0.0)
        across_pairs += tl.where(pair, tap, 0.0)
        pair = seen & above_seen
        along += tap * tl.where(pair, tl.abs(grey - above), 0.0)
        along_pairs += tl.where(pair, tap, 0.0)
    tl.store(lines + here, across, mask=exists)
    tl.store(lines + count + here, across_pairs, mask=exists)
    tl.store(lines + 2 * count + here, along, mask=exists)
    tl.store(lines + 3 * count + here, along_pairs, mask=exists)


@triton.jit
def planes(
    image: tl.tensor,
    known: tl.tensor,
    columns: tl.tensor,
    count: tl.tensor,
    lines: tl.tensor,
    taps: tl.tensor,
    radius: tl.tensor,
    planes: tl.tensor,
    counts: tl.tensor,
    block: tl.constexpr,
) -> None:
    """Write colours and texture into `planes` [H, columns, 5] int16 and the mask into `counts` [H, columns] uint16; see `texture.planes`.

    :param lines: of `texture_rows`.
    """
    here = tl.program_id(0) * block + tl.arange(0, block)
    exists = here < count
    seen = exists & (tl.load(known + here, mask=exists, other=0) != 0)
    for axis in tl.static_range(2):
        size = tl.zeros([block], tl.float32)
        pairs = tl.zeros([block], tl.float32)
        for k in range(2 * radius + 1):
            there = here + (k - radius) * columns
            inside = exists & (there >= 0) & (there < count)
            tap = tl.load(taps + k)
            size += tap * tl.load(lines + 2 * axis * count + there, mask=inside, other=0.0)
            pairs += tap * tl.load(lines + (2 * axis + 1) * count + there, mask=inside, other=0.0)
        texture = tl.minimum(GAIN * tl.div_rn(size, tl.maximum(pairs, SMALLEST_SHARE)), 2.0)
        tl.store(planes + here * 5 + 3 + axis, rounded(tl.where(seen, texture, 0.0) * ONE).to(tl.int16), mask=exists)
    for channel in tl.static_range(3):
        value = tl.load(image + here * 3 + channel, mask=seen, other=0.0) * ONE
        value = tl.minimum(tl.maximum(value, -ONE), 2 * ONE)
        tl.store(planes + here * 5 + channel, rounded(value).to(tl.int16), mask=exists)
    tl.store(counts + here, seen.to(tl.uint16), mask=exists)


@triton.jit
def halve(
    planes: tl.tensor,
    counts: tl.tensor,
    rows: tl.tensor,
    columns: tl.tensor,
    half: tl.tensor,
    half_counts: tl.tensor,
    count: tl.tensor,
    block: tl.constexpr,
) -> None:
    """Reduce `planes` [rows, columns, 5] and `counts` [rows, columns] by two; see `numpy_kernels.halve`.

    :param count: number of pixels of `half` and `half_counts`.
    """
    here = tl.program_id(0) * block + tl.arange(0, block)[:, None]
    exists = here < count
    channel = tl.arange(0, 8)[None, :]
    half_columns = (columns + 1) // 2
    row, column = here // half_columns * 2, here % half_columns * 2
    total = tl.zeros([block, 1], tl.int32)
    sums = tl.zeros([block, 8], tl.int32)
    for part in tl.static_range(4):
        y, x = row + part // 2, column + part % 2
        inside = exists & (y < rows) & (x < columns)
        there = y * columns + x
        share = tl.load(counts + there, mask=inside, other=0).to(tl.int32)
        total += share
        sums += (tl.load(planes + there * 5 + channel, mask=inside & (channel < 5), other=0).to(tl.int32) + 4096) * share
    mean = (sums + total // 2) // tl.maximum(total, 1) - 4096
    tl.store(half + here * 5 + channel, tl.where(total > 0, mean, 0).to(tl.int16), mask=exists & (channel < 5))
    tl.store(half_counts + here, total.to(tl.uint16), mask=exists)
