"""Queue the pyramid and the search of a transfer: the kernels of every level, from coarse to fine."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from gi_plugin.arrays import CELL
from gi_plugin.transfer.arrays import ONE
from gi_plugin.transfer.matching import QUANTILE, SAMPLE

from .arrays import fill_shapes
from .job import TransferJob
from .launching import Launcher
from .level_job import LevelJob


def search_levels(job: TransferJob, launch: Launcher, check: Callable[[], None]) -> None:
    """Queue the pyramid and the search at all levels. The result is in "field0", "weights0" and "estimate0".

    :param check: called before every level; what it raises ends the work.
    """
    pyramid(job, launch)
    coarser = None
    for level in reversed(job.levels):
        check()
        if level.guided or coarser is None:
            complete(job, level, launch)
        if level.guided:
            low_frequencies(job, level, launch)
        if coarser is None:
            first_estimate(job, level, launch)
            attend(job, level, launch)
        else:
            double(job, level, coarser, launch)
        rounds(job, level, launch)
        coarser = level


def pyramid(job: TransferJob, launch: Launcher) -> None:
    """Make the planes of all levels, once for the sources and once for what surrounds the hole, if these differ."""
    for known, planes, counts in (("known", "planes", "counts"), ("known_context", "context", "counts_context"))[: 1 + job.with_sources]:
        size, columns = math.prod(job.shape), job.shape[1]
        blur: dict[str, Any] = {
            "columns": columns,
            "count": size,
            "taps": "texture_taps",
            "radius": job.length("texture_taps") // 2,
            "lines": "lines",
        }
        launch("texture_rows", size, image="image", known=known, **blur)
        launch("planes", size, image="image", known=known, planes=f"{planes}0", counts=f"{counts}0", **blur)
        for level in job.levels[1:]:
            finer = job.levels[level.number - 1].masks.shape
            size = math.prod(level.masks.shape)
            launch(
                "halve",
                size,
                planes=f"{planes}{level.number - 1}",
                counts=f"{counts}{level.number - 1}",
                rows=finer[0],
                columns=finer[1],
                half=f"{planes}{level.number}",
                half_counts=f"{counts}{level.number}",
                count=size,
            )


def complete(job: TransferJob, level: LevelJob, launch: Launcher) -> None:
    """Put the guide into the hole of a level, in the part of it that its blur reads."""
    number, wide = level.number, level.wide
    count = math.prod(wide.shape)
    tables = {name: f"{name}{number}" for name in ("guide", "row_first", "row_shares", "column_first", "column_shares", "weight")}
    launch(
        "complete",
        count,
        **tables,
        guide_rows=job.sent[f"guide{number}"].shape[0],
        guide_columns=job.sent[f"guide{number}"].shape[1],
        planes=f"{job.context}{number}",
        columns=level.masks.shape[1],
        **origin(level),
        height=level.box.shape[0],
        wide_top=wide.top,
        wide_left=wide.left,
        wide_width=wide.shape[1],
        count=count,
        completed=f"completed{number}",
    )


def low_frequencies(job: TransferJob, level: LevelJob, launch: Launcher) -> None:
    """Blur the completed colours around the hole, and the colours of the sources."""
    number, (rows, columns), (height, width) = level.number, level.masks.shape, level.wide.shape
    blur: dict[str, Any] = {"taps": f"taps{number}", "radius": job.length(f"taps{number}") // 2, "lines": "lines"}
    goal = {"top": level.box.top - level.wide.top, "left": level.box.left - level.wide.left, "width": level.box.shape[1]}
    size, count = height * width, math.prod(level.box.shape)
    launch("blur_rows", size, values=f"completed{number}", known=f"known{number}", columns=width, count=size, **blur)
    launch("blur_columns fixed", count, rows=height, columns=width, **goal, count=count, result=f"goal{number}", **blur)
    size = rows * columns
    launch("blur_rows planes", size, values=f"planes{number}", known=f"known{number}", columns=columns, count=size, **blur)
    everywhere = {"top": 0, "left": 0, "width": columns, "count": size}
    launch("blur_columns fixed", size, rows=rows, columns=columns, **everywhere, result=f"lows{number}", **blur)


def first_estimate(job: TransferJob, level: LevelJob, launch: Launcher) -> None:
    """Fill the box of the coarsest level with the guide's colours and smooth texture, and write the sources to start with."""
    number, part, wide, columns = level.number, level.part, level.wide, level.masks.shape[1]
    around: dict[str, Any] = {"planes": f"{job.context}{number}", "columns": columns, "weight": f"weight{number}", **origin(level)}
    inner = {"part_top": part.top, "part_left": part.left, "part_width": part.shape[1]}
    size, count = math.prod(part.shape), math.prod(level.box.shape)
    launch("known_texture", size, **around, **inner, count=size, values="values0", known="seen0")
    smooth_fill(part.shape, "seen0", launch)
    launch(
        "first_estimate",
        count,
        **around,
        count=count,
        completed=f"completed{number}",
        wide_top=wide.top,
        wide_left=wide.left,
        wide_width=wide.shape[1],
        texture="values0",
        **inner,
        estimate=f"estimate{number}",
        start=f"start{number}",
        field=fields(level)[0],
        found=fields(level)[1],
        weights=f"weights{number}",
    )


def smooth_fill(shape: tuple[int, int], known: str, launch: Launcher) -> None:
    """Interpolate "values0" where `known` is 0; see `gi_plugin.transfer.interpolation`."""
    shapes = fill_shapes(shape)
    masks = [known, *(f"seen{number}" for number in range(1, len(shapes)))]
    for number, (rows, columns) in enumerate(shapes[:-1]):
        half = {"half": f"values{number + 1}", "half_known": masks[number + 1]}
        count = math.prod(shapes[number + 1])
        launch("push", count, values=f"values{number}", known=masks[number], rows=rows, columns=columns, **half, count=count)
    for number in range(len(shapes) - 2, -1, -1):
        count, columns = math.prod(shapes[number]), shapes[number][1]
        half_rows, half_columns = shapes[number + 1]
        coarse: dict[str, Any] = {"half": f"values{number + 1}", "half_rows": half_rows, "half_columns": half_columns}
        launch("pull", count, values=f"values{number}", known=masks[number], columns=columns, count=count, **coarse)


def attend(job: TransferJob, level: LevelJob, launch: Launcher) -> None:
    """Try the sources that the attention suggests; nothing if there is no cell."""
    if not job.guide.matches.size:
        return
    cell_rows, cell_columns = job.guide.matches.shape
    cells = {"matches": "matches", "cell_rows": cell_rows, "cell_columns": cell_columns, "step": CELL * job.guide.scale}
    origin = {"top": level.box.top, "left": level.box.left}
    shift = level.masks.factor.bit_length() - 1
    form = "attend guided" if level.guided else "attend"
    launch(form, job.length(f"targets{level.number}"), **_sought(job, level), field=fields(level)[0], **origin, **cells, shift=shift)


def double(job: TransferJob, level: LevelJob, coarser: LevelJob, launch: Launcher) -> None:
    """Begin a level with the sources of the coarser one, and vote with them."""
    number, first, second = level.number, *fields(level)
    launch(
        "double",
        math.prod(level.box.shape),
        coarse_field=f"field{coarser.number}",
        coarse_weights=f"weights{coarser.number}",
        coarse_top=coarser.box.top,
        coarse_left=coarser.box.left,
        coarse_height=coarser.box.shape[0],
        coarse_width=coarser.box.shape[1],
        planes=f"{job.context}{number}",
        **{name: f"{name}{number}" for name in ("valid", "weight", "target", "places", "estimate", "weights")},
        rows=level.masks.shape[0],
        columns=level.masks.shape[1],
        **origin(level),
        count=math.prod(level.box.shape),
        place_count=job.length(f"places{number}"),
        seed=level.seeds[0],
        field=first,
        found=second,
    )
    vote(job, level, launch, first, "pixels")


def rounds(job: TransferJob, level: LevelJob, launch: Launcher) -> None:
    """Search and vote once per seed. Sources and weights are then in "field" and "weights" of the level."""
    number = level.number
    count, pixels = job.length(f"targets{number}"), job.length(f"pixels{number}")
    now, other = fields(level)
    step = max(count // SAMPLE, 1)
    length = -(-count // step)
    listed: dict[str, Any] = {"cost": f"cost{number}", "targets": f"targets{number}", "scale": "scale"}
    search: dict[str, Any] = {**_sought(job, level), "cost": f"cost{number}", "radius": level.step.radius, "seed": 0}
    form = "search guided" if level.guided else "search"
    scale = launch.prepared("cost_scale", 1, **listed, step=step, length=length, rank=int(QUANTILE * (length - 1)))
    pairs = [
        (
            launch.prepared(form, count, **search, field=old, found=new),
            launch.prepared("vote priced", pixels, **_ballot(job, level, new, "pixels") | {"weights": f"cost{number}"}),
        )
        for old, new in ((now, other), (other, now))
    ]
    for index, seed in enumerate(level.seeds[1:]):
        searching, voting = pairs[index % 2]
        searching(seed)
        scale()
        voting()
    launch("vote_weights", count, **listed, count=count, weights=f"weights{number}")


def vote(job: TransferJob, level: LevelJob, launch: Launcher, field: str, pixels: str) -> None:
    """Vote for a list of pixels, with the sources in `field` and the weights of the level."""
    launch("vote", job.length(f"{pixels}{level.number}"), **_ballot(job, level, field, pixels))


def _ballot(job: TransferJob, level: LevelJob, field: str, pixels: str) -> dict[str, Any]:
    """The arguments of a vote."""
    number = level.number
    arrays = {"planes": f"planes{number}", "field": field, "weights": f"weights{number}", "scale": "scale", "votes": f"estimate{number}"}
    listed = {"pixels": f"{pixels}{number}", "count": job.length(f"{pixels}{number}")}
    return {**arrays, **listed, "columns": level.masks.shape[1], "width": level.box.shape[1]}


def _sought(job: TransferJob, level: LevelJob) -> dict[str, Any]:
    """The arguments of the search that do not change at a level."""
    number, guided = level.number, level.guided
    arrays = {name: f"{name}{number}" for name in ("planes", "valid", "estimate", "weight", "targets")}
    guide = {"low": f"lows{number}" if guided else "scale", "goal": f"goal{number}" if guided else "scale"}
    sizes = {"rows": level.masks.shape[0], "columns": level.masks.shape[1], "width": level.box.shape[1]}
    pull = level.step.pull / (ONE * ONE) if guided else 0.0
    return {**arrays, **guide, **sizes, "pull": pull, "count": job.length(f"targets{number}")}


def origin(level: LevelJob) -> dict[str, int]:
    """Where the box begins, and the length of its rows."""
    return {"top": level.box.top, "left": level.box.left, "width": level.box.shape[1]}


def fields(level: LevelJob) -> tuple[str, str]:
    """The array of sources to begin the rounds with, and the other one: after the last round they are in "field"."""
    names = (f"field{level.number}", f"found{level.number}")
    return names if level.step.rounds % 2 == 0 else (names[1], names[0])
