"""Queue the composition of a transfer: low frequencies from the votes, high frequencies copied, no step at the border."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .job import TransferJob
from .launching import Launcher
from .searching import origin, smooth_fill, vote


def compose(job: TransferJob, launch: Launcher, check: Callable[[], None]) -> None:
    """Queue the composition; the fill of the box is then in "filled". See `gi_plugin.transfer.composition`.

    :param check: called between the steps; what it raises ends the work.
    """
    level = job.levels[0]
    (rows, columns), box, wide = job.shape, level.box.shape, level.surroundings
    size, count = math.prod(job.shape), math.prod(box)
    place: dict[str, Any] = {"image": "image", "columns": columns, **origin(level)}
    filled: dict[str, Any] = {"votes": "estimate0", "weight": "weight0", "correction": "values0"}
    vote(job, level, launch, "field0", "edge")
    launch("lack", count, **place, votes="estimate0", border="border0", count=count, correction="values0")
    smooth_fill(box, "border0", launch)
    check()
    area, inner = math.prod(wide.shape), {"wide_top": wide.top, "wide_left": wide.left, "wide_width": wide.shape[1]}
    launch("surround", area, **place, **filled, **inner, fade="fade0", height=box[0], count=area, filled="surrounded")
    offset = {"top": level.box.top - wide.top, "left": level.box.left - wide.left, "width": box[1], "count": count}
    _blur(job, launch, "blur_rows", "surrounded", wide.shape, offset, "low")
    _blur(job, launch, "blur_rows masked", "image", (rows, columns), {"top": 0, "left": 0, "width": columns, "count": size}, "blurred")
    inked: dict[str, Any] = {"pixels": "inked0", "count": job.length("inked0"), "field": "field0", "weights": "weights0"}
    written = {"blurred": "blurred", "window": "window", "low": "low", "high": "high", "correction": "values0"}
    launch("copy", job.length("inked0"), **place, **inked, **written)
    check()
    smooth_fill(box, "border0", launch)
    launch("finish", count, low="low", high="high", correction="values0", fade="fade_high0", weight="weight0", count=count, filled="filled")


def _blur(
    job: TransferJob, launch: Launcher, rows_form: str, values: str, shape: tuple[int, int], box: dict[str, int], result: str
) -> None:
    """Blur `values`, known where the mask "known" is, and write a box of it."""
    size = math.prod(shape)
    blur: dict[str, Any] = {"taps": "band_taps", "radius": job.length("band_taps") // 2, "lines": "lines", "columns": shape[1]}
    launch(rows_form, size, values=values, known="known", count=size, **blur)
    launch("blur_columns", box["count"], rows=shape[0], **box, result=result, **blur)
