"""The Triton kernels of the votes: scale of the costs, weights of the patches, votes, and pixels copied from the best patch.

`gi_plugin.transfer.numpy_kernels` and `matching.vote_weights` define the results. Sums have the same order and rounding as there, so scale
and votes are equal bit by bit; only the exponential in the weights may differ in its last bits.
"""

from __future__ import annotations

import triton
import triton.language as tl

SMALLEST_WEIGHT = tl.constexpr(1e-6)  # matching.MIN_WEIGHT, and the smallest scale of the costs
GRAIN = tl.constexpr(1.05)  # composition.GRAIN
FROM_PLANES = tl.constexpr(1 / 1024)


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


@triton.jit
def _weight(cost: tl.tensor, factor: tl.tensor) -> tl.tensor:
    """Weights of patches; `factor` is -1 / scale."""
    return tl.exp(cost * factor) + SMALLEST_WEIGHT


@triton.jit(do_not_specialize=["count"])
def vote_weights(cost: tl.tensor, targets: tl.tensor, count: tl.tensor, scale: tl.tensor, weights: tl.tensor, block: tl.constexpr) -> None:
    """Write exp(-cost / scale) + MIN_WEIGHT into `weights` [h, w] at the targets; see `matching.vote_weights`.

    The grid is (ceil(count / block),).
    """
    index = tl.program_id(0) * block + tl.arange(0, block)
    here = tl.load(targets + index, mask=index < count, other=0)
    factor = tl.div_rn(-1.0, tl.maximum(tl.load(scale), SMALLEST_WEIGHT))
    tl.store(weights + here, _weight(tl.load(cost + here, mask=index < count, other=0.0), factor), mask=index < count)


@triton.jit(do_not_specialize=["columns", "width", "count"])
def vote(
    planes: tl.tensor,
    columns: tl.tensor,
    field: tl.tensor,
    weights: tl.tensor,
    width: tl.tensor,
    scale: tl.tensor,
    pixels: tl.tensor,
    count: tl.tensor,
    votes: tl.tensor,
    priced: tl.constexpr,
    block: tl.constexpr,
) -> None:
    """Write into `votes` [h, width, 5] int16, for each of `pixels`, the weighted mean of the patches that cover it.

    See `numpy_kernels.vote`. The grid is (ceil(count / block),).

    :param weights: [h, width] float32 of the patches; if `priced`, their costs, from which the weights are computed with `scale` [1].
    """
    index = tl.program_id(0) * block + tl.arange(0, block)[:, None]
    exists = index < count
    here = tl.load(pixels + index, mask=exists, other=0)
    channel = tl.arange(0, 8)[None, :]
    sums = tl.zeros([block, 8], tl.float32)
    total = tl.zeros([block, 1], tl.float32)
    factor = 0.0
    if priced:
        factor = tl.div_rn(-1.0, tl.maximum(tl.load(scale), SMALLEST_WEIGHT))
    for line in range(5):
        for right in tl.static_range(-2, 3):  # unrolled: the loads of five patches overlap
            down = line - 2
            there = here - down * width - right
            row = tl.load(field + there * 2, mask=exists, other=-1)
            covers = row >= 0
            weight = tl.load(weights + there, mask=covers, other=0.0)
            if priced:
                weight = tl.where(covers, _weight(weight, factor), 0.0)
            covers = weight > 0
            row = row + down
            column = tl.load(field + there * 2 + 1, mask=covers, other=0) + right
            source = tl.load(planes + (row * columns + column) * 5 + channel, mask=covers & (channel < 5), other=0)
            sums += weight * source.to(tl.float32)
            total += weight
    mean = tl.div_rn(sums, tl.where(total > 0, total, 1.0) + tl.zeros_like(sums))
    rounded = (mean + 4096.5).to(tl.int32) - 4096
    tl.store(votes + here * 5 + channel, rounded.to(tl.int16), mask=exists & (channel < 5) & (total > 0))


@triton.jit
def copy(
    image: tl.tensor,
    blurred: tl.tensor,
    columns: tl.tensor,
    field: tl.tensor,
    weights: tl.tensor,
    window: tl.tensor,
    width: tl.tensor,
    pixels: tl.tensor,
    count: tl.tensor,
    top: tl.tensor,
    left: tl.tensor,
    low: tl.tensor,
    high: tl.tensor,
    correction: tl.tensor,
    block: tl.constexpr,
) -> None:
    """Copy high frequencies from the source of each pixel, taken from the covering patch of the largest weight; see `composition._copied`.

    The grid is (ceil(count / block),).

    :param image: [H, columns, 3] float32; `blurred` the same, its low frequencies.
    :param window: [5, 5] float32, weight of each pixel within a patch.
    :param pixels: [count] int32, positions in the box, which begins at row `top` and column `left` of the picture.
    :param low: [h, width, 3] float32, low frequencies of the fill.
    :param high: [h, width, 3] float32, written; `correction` gets what a known pixel lacks: picture - low - high.
    """
    index = tl.program_id(0) * block + tl.arange(0, block)
    exists = index < count
    here = tl.load(pixels + index, mask=exists, other=0)
    most = tl.zeros([block], tl.float32)
    source = tl.full([block], -1, tl.int32)
    for number in range(25):
        down, right = number // 5 - 2, number % 5 - 2
        there = here - down * width - right
        weight = tl.load(weights + there, mask=exists, other=0.0) * tl.load(window + number)
        heavier = weight > most
        row = tl.load(field + there * 2, mask=heavier, other=0) + down
        column = tl.load(field + there * 2 + 1, mask=heavier, other=0) + right
        most = tl.where(heavier, weight, most)
        source = tl.where(heavier, row * columns + column, source)
    own = (here // width + top) * columns + here % width + left
    for channel in tl.static_range(3):
        there = source * 3 + channel
        fine = tl.load(image + there, mask=source >= 0, other=0.0) - tl.load(blurred + there, mask=source >= 0, other=0.0)
        fine = fine * GRAIN
        lack = tl.load(image + own * 3 + channel, mask=exists, other=0.0) - tl.load(low + here * 3 + channel, mask=exists, other=0.0)
        tl.store(high + here * 3 + channel, fine, mask=exists)
        tl.store(correction + here * 3 + channel, lack - fine, mask=exists)
