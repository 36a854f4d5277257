"""ONNX functions that compute only the region around the hole, instead of the whole picture, after the encoders.

A region is a rectangle of the grid of h x w cells. `rows` [R] and `columns` [K] list its consecutive row and column indices.
"""

# ruff: noqa: N802  # ONNX functions are named like operators
from __future__ import annotations

from collections.abc import Sequence

import onnxscript
from onnxscript import FLOAT, INT64, opset18 as op

from .attention_function import DiagonalBoxSum, WeightsOfScores, gi


@onnxscript.script(gi, default_opset=op)
def Region(features: FLOAT, rows: INT64, columns: INT64) -> FLOAT:
    """Cut the features of the region: [N, C, 2h, 2w] -> [N, C, 2R, 2K]."""
    pair = op.Constant(value_ints=[0, 1])
    line = op.Constant(value_ints=[-1])
    feature_rows = op.Reshape(op.Constant(value_int=2) * op.Unsqueeze(rows, op.Constant(value_ints=[1])) + pair, line)
    feature_columns = op.Reshape(op.Constant(value_int=2) * op.Unsqueeze(columns, op.Constant(value_ints=[1])) + pair, line)
    return op.Gather(op.Gather(features, feature_rows, axis=2), feature_columns, axis=3)


@onnxscript.script(gi, default_opset=op)
def Placed(part: FLOAT, image: FLOAT, rows: INT64, columns: INT64) -> FLOAT:
    """Place a picture `part` [N, C, 8R, 8K] of the region in a picture of the size of `image` [N, C, H, W].

    Pixels outside the region repeat the border of `part`.
    """
    first = op.Constant(value_ints=[0])
    zero, one, cell = op.Constant(value_int=0), op.Constant(value_int=1), op.Constant(value_int=8)
    top = cell * op.Gather(rows, zero, axis=0)
    left = cell * op.Gather(columns, zero, axis=0)
    lowest = op.Squeeze(op.Shape(part, start=2, end=3), first) - one
    rightmost = op.Squeeze(op.Shape(part, start=3, end=4), first) - one
    height = op.Squeeze(op.Shape(image, start=2, end=3), first)
    width = op.Squeeze(op.Shape(image, start=3, end=4), first)
    from_rows = op.Clip(op.Range(zero, height, one) - top, zero, lowest)
    from_columns = op.Clip(op.Range(zero, width, one) - left, zero, rightmost)
    return op.Gather(op.Gather(part, from_rows, axis=2), from_columns, axis=3)


@onnxscript.script(gi, default_opset=op)
def PlusNeighbour(grid: FLOAT, start: Sequence[int], end: Sequence[int], axes: Sequence[int], pads: Sequence[int]) -> FLOAT:
    """Add to a grid [N, R, K, h, w] the same grid shifted by one along a query axis and a key axis, with zeros from outside."""
    kept = op.Slice(grid, op.Constant(value_ints=start), op.Constant(value_ints=end), op.Constant(value_ints=axes))
    return grid + op.Pad(kept, op.Constant(value_ints=pads))


@onnxscript.script(gi, default_opset=op)
def PastedParity(features: FLOAT, grid: FLOAT, start: Sequence[int]) -> FLOAT:
    """Compute the pixels with one parity of row and column: features [N, C, 2h, 2w], summed weights [N, R, K, h, w] -> [N, C, R, K]."""
    line = op.Constant(value_ints=[-1])
    end = op.Constant(value_ints=[2147483647, 2147483647])
    chosen = op.Slice(features, op.Constant(value_ints=start), end, op.Constant(value_ints=[2, 3]), op.Constant(value_ints=[2, 2]))
    channels = op.Shape(features, start=0, end=2)
    count = op.Shape(grid, start=0, end=1)
    region = op.Shape(grid, start=1, end=3)
    cells = op.ReduceProd(op.Shape(grid, start=3, end=5))
    weights = op.Reshape(grid, op.Concat(count, line, cells, axis=0))  # [N, Q, L]
    values = op.Reshape(chosen, op.Concat(channels, line, axis=0))  # [N, C, L]
    return op.Reshape(op.MatMul(values, op.Transpose(weights, perm=[0, 2, 1])), op.Concat(channels, region, axis=0))


@onnxscript.script(gi, default_opset=op)
def ShareOfOne(cells: INT64) -> FLOAT:
    """Compute 1 / the number of patches that cover a pixel, for 2 * `cells` pixels in a line: 1/2, but 1 at both ends.

    Both ends of a region get 1, too, even if they are not at the border of the picture. This is safe, because the hole is never so near
    to the end of a region.
    """
    inside = op.Constant(value_ints=[2]) * cells - op.Constant(value_ints=[2])
    end = op.Constant(value_floats=[1.0])
    return op.Concat(end, op.Expand(op.Constant(value_floats=[0.5]), inside), end, axis=0)


@onnxscript.script(gi, default_opset=op)
def Paste(features: FLOAT, grid: FLOAT) -> FLOAT:
    """`train.model.attention.paste` for queries in the region: features [N, C, 2h, 2w], weights [N, R, K, h, w] -> [N, C, 2R, 2K]."""
    upper = PlusNeighbour(grid, start=[0, 0], end=[-1, -1], axes=[1, 3], pads=[0, 1, 0, 1, 0, 0, 0, 0, 0, 0])
    lower = PlusNeighbour(grid, start=[1, 1], end=[2147483647, 2147483647], axes=[1, 3], pads=[0, 0, 0, 0, 0, 0, 1, 0, 1, 0])
    upper_left = PlusNeighbour(upper, start=[0, 0], end=[-1, -1], axes=[2, 4], pads=[0, 0, 1, 0, 1, 0, 0, 0, 0, 0])
    upper_right = PlusNeighbour(upper, start=[1, 1], end=[2147483647, 2147483647], axes=[2, 4], pads=[0, 0, 0, 0, 0, 0, 0, 1, 0, 1])
    lower_left = PlusNeighbour(lower, start=[0, 0], end=[-1, -1], axes=[2, 4], pads=[0, 0, 1, 0, 1, 0, 0, 0, 0, 0])
    lower_right = PlusNeighbour(lower, start=[1, 1], end=[2147483647, 2147483647], axes=[2, 4], pads=[0, 0, 0, 0, 0, 0, 0, 1, 0, 1])
    last = op.Constant(value_ints=[-1])
    left = op.Unsqueeze(PastedParity(features, upper_left, start=[0, 0]), last)
    right = op.Unsqueeze(PastedParity(features, upper_right, start=[0, 1]), last)
    top = op.Concat(left, right, axis=-1)  # [N, C, R, K, 2]
    left = op.Unsqueeze(PastedParity(features, lower_left, start=[1, 0]), last)
    right = op.Unsqueeze(PastedParity(features, lower_right, start=[1, 1]), last)
    bottom = op.Concat(left, right, axis=-1)
    row = op.Constant(value_ints=[3])
    both = op.Concat(op.Unsqueeze(top, row), op.Unsqueeze(bottom, row), axis=3)  # [N, C, R, 2, K, 2]
    size = op.Constant(value_int=2) * op.Shape(grid, start=1, end=3)
    summed = op.Reshape(both, op.Concat(op.Shape(features, start=0, end=2), size, axis=0))
    return (
        summed
        * op.Unsqueeze(ShareOfOne(op.Shape(grid, start=1, end=2)), op.Constant(value_ints=[1]))
        * ShareOfOne(op.Shape(grid, start=2, end=3))
    )


@onnxscript.script(gi, default_opset=op)
def ContextualAttentionAround(features: FLOAT, mask: FLOAT, rows: INT64, columns: INT64, scale: float = 10.0) -> tuple[FLOAT, INT64]:
    """`train.model.attention.ContextualAttention` for the queries of a region.

    The results are the attended features [N, C, 2R, 2K] and the matches [N, R * K].
    """
    one = op.Constant(value_ints=[1])
    line = op.Constant(value_ints=[-1])
    cell_mask = op.MaxPool(mask, kernel_shape=[8, 8], strides=[8, 8])
    cells = op.AveragePool(features, kernel_shape=[2, 2], strides=[2, 2])
    cells = cells / op.Sqrt(op.ReduceMean(cells * cells, op.Constant(value_ints=[1, 2, 3])) + op.Constant(value_float=1e-8))
    squares = op.AveragePool(op.ReduceSum(cells * cells, one), kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1)
    inverse = op.Constant(value_float=1.0) / op.Sqrt(op.Max(op.Constant(value_float=9.0) * squares, op.Constant(value_float=1e-8)))
    flattened = op.Concat(op.Shape(features, start=0, end=2), line, axis=0)
    queries = op.Reshape(op.Gather(op.Gather(cells, rows, axis=2), columns, axis=3), flattened)  # [N, C, Q]
    gram = op.MatMul(op.Transpose(queries, perm=[0, 2, 1]), op.Reshape(cells, flattened))  # [N, Q, L]
    flat = op.Shape(gram)
    grid = op.Concat(op.Shape(features, start=0, end=1), op.Shape(rows), op.Shape(columns), op.Shape(cells, start=2, end=4), axis=0)
    of_queries = op.Unsqueeze(op.Flatten(op.Gather(op.Gather(inverse, rows, axis=2), columns, axis=3)), op.Constant(value_ints=[2]))
    of_keys = op.Unsqueeze(op.Flatten(inverse), one)
    cosine = op.Reshape(DiagonalBoxSum(op.Reshape(gram, grid)), flat) * of_queries * of_keys
    score = op.Reshape(DiagonalBoxSum(op.Reshape(cosine, grid)), flat)
    weights, matches = WeightsOfScores(score, cell_mask, scale=scale)
    hole = Region(op.MaxPool(mask, kernel_shape=[4, 4], strides=[4, 4]), rows, columns)
    known = Region(features, rows, columns)
    return op.Where(op.Greater(hole, op.Constant(value_float=0.5)), Paste(features, op.Reshape(weights, grid)), known), matches


FUNCTIONS = (Region, Placed, PlusNeighbour, PastedParity, ShareOfOne, Paste, ContextualAttentionAround)
