"""ONNX functions for the network file: `train.model.attention.attention_weights` in standard operators."""

# ruff: noqa: N802  # ONNX functions are named like operators
from __future__ import annotations

import onnxscript
from onnxscript import FLOAT, INT64, opset18 as op

from gi_plugin import network_file

gi = onnxscript.values.Opset(network_file.DOMAIN, 1)


@onnxscript.script(gi, default_opset=op)
def DiagonalBoxSum(grid: FLOAT) -> FLOAT:
    """Sum a grid [N, R, K, h, w] over the joint 3x3 neighbours of query and key cell, first over rows, then over columns."""
    start = op.Constant(value_ints=[0, 0])
    before_last = op.Constant(value_ints=[-2, -2])
    second = op.Constant(value_ints=[2, 2])
    end = op.Constant(value_ints=[2147483647, 2147483647])
    rows = op.Constant(value_ints=[1, 3])
    columns = op.Constant(value_ints=[2, 4])
    tall = op.Pad(grid, op.Constant(value_ints=[0, 1, 0, 1, 0, 0, 1, 0, 1, 0]))
    summed = grid + op.Slice(tall, start, before_last, rows) + op.Slice(tall, second, end, rows)
    wide = op.Pad(summed, op.Constant(value_ints=[0, 0, 1, 0, 1, 0, 0, 1, 0, 1]))
    return summed + op.Slice(wide, start, before_last, columns) + op.Slice(wide, second, end, columns)


@onnxscript.script(gi, default_opset=op)
def WeightsOfScores(score: FLOAT, mask: FLOAT, scale: float = 10.0) -> tuple[FLOAT, INT64]:
    """Compute weights [N, Q, L] and matches [N, Q] from scores [N, Q, L] of queries and keys, and cell mask [N, 1, h, w]."""
    outside = op.Pad(op.Cast(mask, to=1), op.Constant(value_ints=[0, 0, 1, 1, 0, 0, 1, 1]), op.Constant(value_float=1.0))
    touched = op.MaxPool(outside, kernel_shape=[3, 3])
    valid = op.Constant(value_float=1.0) - op.Unsqueeze(op.Flatten(touched), op.Constant(value_ints=[1]))  # [N, 1, L]
    logits = op.Where(
        op.Greater(valid, op.Constant(value_float=0.0)), op.Constant(value_float=scale) * score, op.Constant(value_float=-1e4)
    )
    weights = op.Softmax(logits, axis=-1) * valid
    # the first key with the highest logit; these two reductions are several times faster than the backends' ArgMax (a partial sort)
    last = op.Constant(value_ints=[-1])
    count = op.Squeeze(op.Shape(score, start=2, end=3), op.Constant(value_ints=[0]))
    keys = op.Range(op.Constant(value_float=0.0), op.Cast(count, to=1), op.Constant(value_float=1.0))
    best = op.Equal(logits, op.ReduceMax(logits, last))
    matches = op.Cast(op.ReduceMin(op.Where(best, keys, op.Constant(value_float=3e38)), last, keepdims=0), to=7)
    return weights, matches


@onnxscript.script(gi, default_opset=op)
def ContextualAttentionWeights(gram: FLOAT, mask: FLOAT, scale: float = 10.0) -> tuple[FLOAT, INT64]:
    """Compute weights [N, L, L] and matches [N, L] from cell products [N, L, L] and cell mask [N, 1, h, w]."""
    one = op.Constant(value_ints=[1])
    count = op.Shape(mask, start=0, end=1)
    size = op.Shape(mask, start=2, end=4)
    cells = op.Shape(gram, start=1, end=2)
    grid = op.Concat(count, size, size, axis=0)
    flat = op.Concat(count, cells, cells, axis=0)
    similarity = op.Reshape(DiagonalBoxSum(op.Reshape(op.Cast(gram, to=1), grid)), flat)
    diagonal = op.Range(op.Constant(value_int=0), op.Squeeze(cells * cells), op.Squeeze(cells + one))
    line = op.Concat(count, op.Constant(value_ints=[-1]), axis=0)
    squares = op.Gather(op.Reshape(similarity, line), diagonal, axis=1)  # [N, L]
    norm = op.Sqrt(op.Max(squares, op.Constant(value_float=1e-8)))
    cosine = similarity / (op.Unsqueeze(norm, op.Constant(value_ints=[2])) * op.Unsqueeze(norm, one))
    score = op.Reshape(DiagonalBoxSum(op.Reshape(cosine, grid)), flat)
    weights, matches = WeightsOfScores(score, mask, scale=scale)
    return weights, matches


FUNCTIONS = (DiagonalBoxSum, WeightsOfScores, ContextualAttentionWeights)
