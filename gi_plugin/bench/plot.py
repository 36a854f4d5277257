"""Plot how the cost grows with picture size, hole size and number of holes."""

from __future__ import annotations

import math
from pathlib import Path

from ..errors import require
from .tables import AXES, BenchReport, growth

HEADROOM = 1.15  # end of the vertical axis / largest value


def draw(report: BenchReport, path: Path) -> None:
    """Plot time and memory against picture size, hole size and number of holes. The suffix of `path` chooses the format.

    :raises MissingDependency: if matplotlib is not installed.
    """
    require("matplotlib", "bench")
    from matplotlib.figure import Figure  # noqa: PLC0415  # slow import of an optional package

    figure = Figure(figsize=(11, 5.5), layout="constrained")
    for column, (above, below) in enumerate(zip(*figure.subplots(2, len(AXES), sharex="col"), strict=True)):
        axis, name = list(AXES.items())[column]
        rows = growth(report, axis)
        values = [row[axis] for row in rows]
        windows, ratios = ([row[key] for row in rows] for key in ("windows", "ratio"))
        memory = [math.nan if row["memory"] is None else row["memory"] / 1e6 for row in rows]
        above.plot(values, windows, color="0.7", linewidth=6, label="windows, of 256 or 512 px")
        above.plot(values, ratios, "o-", label="time / time of one 512 px window")
        below.plot(values, memory, "o-")
        below.set_xlabel(name)
        for axes, shown in ((above, windows + ratios), (below, memory)):
            axes.set_ylim(0, HEADROOM * max((value for value in shown if value > 0), default=1))
            axes.grid(alpha=0.3)
        if not column:
            above.set_ylabel("one window = 1")
            above.legend()
            below.set_ylabel("MB beside picture,\nmask and result")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)
