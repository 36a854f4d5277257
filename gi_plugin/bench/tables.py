"""Turn benchmark results into tables for the terminal and for documents. A test compares the tables in documents with the JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..errors import ConfigError
from .pictures import BASE, GROWTH, PHOTOS, Case

BLOCK = re.compile(r"(<!-- bench:(\w+) -->\n).*?(<!-- bench:end -->)", re.DOTALL)
AXES = {"megapixels": "megapixels", "side": "side of the hole, px", "holes": "holes"}
BenchReport = Mapping[str, Any]
JsonRow = Mapping[str, Any]


@dataclass(frozen=True)
class Grid:
    """A table of texts: title, heading and rows."""

    title: str
    heading: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]

    def markdown(self) -> str:
        """Format the table as Markdown, without the title."""
        lines = (self.heading, ("---",) * len(self.heading), *self.rows)
        return "".join(f"|{'|'.join(cells)}|\n" if cells[0] == "---" else f"| {' | '.join(cells)} |\n" for cells in lines)


def grids(report: BenchReport) -> dict[str, Grid]:
    """Make every table that a report has figures for, by the name of its block in documents."""
    tables = {"windows": _windows(report)}
    if "pictures" in report:
        tables |= {"pictures": _pictures(report), "command": _command(report), "growth": _growth(report)}
    if "thin" in report:
        tables["thin"] = _thin(report)
    return tables


def filled(document: str, report: BenchReport) -> str:
    """Insert the tables of a report into a document, between its marks `<!-- bench:NAME -->` and `<!-- bench:end -->`.

    :return: the changed document.
    :raises ConfigError: if the document has no mark, or a mark whose table the report lacks.
    """
    tables = grids(report)
    names = [match[2] for match in BLOCK.finditer(document)]
    if not names:
        raise ConfigError("the document has no place for a table: expected <!-- bench:windows --> and, below it, <!-- bench:end -->")
    for name in names:
        if name not in tables:
            raise ConfigError(f"<!-- bench:{name} -->: expected one of {', '.join(tables)}; measure with --pictures, or correct the mark")
    return BLOCK.sub(lambda match: match[1] + tables[match[2]].markdown() + match[3], document)


def growth(report: BenchReport, axis: str) -> list[JsonRow]:
    """Select our engine's rows of one axis of growth, sorted by its value; the other two axes are as in BASE."""
    rows = [row for row in report["pictures"] if all(row[key] == value for key, value in asdict(BASE).items() if key != axis)]
    chosen = [row for row in rows if row[axis] in GROWTH[axis] and row["method"] == report["reference"]]
    return sorted(chosen, key=lambda row: float(row[axis]))


def _windows(report: BenchReport) -> Grid:
    faster = ("times as fast as PyTorch fp32", "by the fastest calls")
    heading = ("window", "engine", "median", *faster, "windows/s", "cold start", "its first call", "memory")
    rows = [
        (
            str(row["window"]),
            row["backend"],
            _time(row["median"]),
            *("-" if row[key] is None else f"{row[key]:.2f}" for key in ("speedup", "least_speedup")),
            f"{row['per_second']:.2f}",
            _time(row["cold"]),
            _time(row["first"]),
            _bytes(row["memory"]),
        )
        for row in report["windows"]
    ]
    return Grid("one window", heading, rows)


def _pictures(report: BenchReport) -> Grid:
    heading = ("megapixels", "holes", "method", "median", "times one window")
    rows = [
        (f"{row['megapixels']:g}", str(row["holes"]), row["method"], _time(row["median"]), f"{row['ratio']:.2f}")
        for row in report["pictures"]
        if Case(row["megapixels"], row["holes"], row["side"]) in PHOTOS
    ]
    return Grid("whole pictures, holes of 200 px", heading, rows)


def _command(report: BenchReport) -> Grid:
    heading = ("megapixels", "holes", "files", "whole command", "engine and one window", "ratio", "their whole process", "ratio")
    rows = [
        (
            f"{row['megapixels']:g}",
            str(row["holes"]),
            f"jpg to {row['result']}",
            _time(row["median"]),
            _time(row["engine"]),
            f"{row['ratio']:.2f}",
            _time(row["process"]),
            f"{row['process_ratio']:.2f}",
        )
        for row in report["command"]
    ]
    return Grid("gi-plugin inpaint from a cold process", heading, rows)


def _growth(report: BenchReport) -> Grid:
    heading = ("what grows", "value", "windows", "times one window", "memory")
    rows = [
        (name, f"{row[axis]:g}", str(row["windows"]), f"{row['ratio']:.2f}", _bytes(row["memory"]))
        for axis, name in AXES.items()
        for row in growth(report, axis)
    ]
    return Grid(f"growth, else {BASE.megapixels:g} megapixels and one hole of {BASE.side} px", heading, rows)


def _thin(report: BenchReport) -> Grid:
    heading = ("holes", "megapixels", "bits", "missing pixels", "method", "median", "times gi-plugin")
    rows = [
        (
            row["holes"],
            f"{row['megapixels']:g}",
            str(row["bits"]),
            f"{row['missing']:,}",
            row["method"],
            _time(row["median"]),
            f"{row['ratio']:.2f}",
        )
        for row in report["thin"]
    ]
    return Grid("thin holes", heading, rows)


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1e3 * seconds:.0f} ms"


def _bytes(count: int | None) -> str:
    return "-" if count is None else f"{count / 1e6:.0f} MB"
