"""The command `bench`: time windows and whole pictures, and write tables and a plot of the figures."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from ..config import Config, load_config
from ..errors import ConfigError
from .terminal import AsJson, Backend, ConfigFile, Spinner, print_json, say, show


def bench(
    runs: Annotated[int, typer.Option("--runs", min=1, help="Timed calls per engine and window.")] = 10,
    window: Annotated[list[int] | None, typer.Option("--window", help="Side of a window in pixels; may be repeated.")] = None,
    pictures: Annotated[bool, typer.Option("--pictures", help="Also time whole pictures of up to 100 megapixels (takes minutes).")] = False,
    overhead: Annotated[
        bool, typer.Option("--overhead", help="Time only what a call costs beside the network, with an engine that does nothing.")
    ] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Also write the figures to this JSON file.")] = None,
    plot: Annotated[Path | None, typer.Option("--plot", help="Also plot time against picture size to this file.")] = None,
    table: Annotated[
        Path | None, typer.Option("--table", help="Measure nothing; read the figures from this JSON file and print Markdown tables.")
    ] = None,
    into: Annotated[
        list[Path] | None, typer.Option("--into", help="Write the tables between the marks in this document; may be repeated.")
    ] = None,
    config: ConfigFile = None,
    backend: Backend = None,
    as_json: AsJson = False,
) -> None:
    """Time one window on every engine that runs on this machine, compared with PyTorch in the same run."""
    if overhead:
        _show_overhead(runs, as_json=as_json)
        return
    if plot and not (pictures or table):
        raise ConfigError("--plot needs times of whole pictures: also give --pictures, or --table with the figures of such a run")
    report = _read(table) if table else _measure(config, backend, window, runs, pictures=pictures)
    from ..bench import plot as plotting, tables  # noqa: PLC0415  # heavy

    if output:
        _write(output, json.dumps(report, indent=1) + "\n")
    if plot:
        plotting.draw(report, plot)
        say(f"wrote {plot}")
    for document in into or ():
        _write(document, tables.filled(document.read_text(encoding="utf-8"), report))
    if as_json:
        print_json(report)
        return
    for grid in tables.grids(report).values():
        if table:
            print(f"{grid.title}:\n\n{grid.markdown()}")
            continue
        shown = Table(*grid.heading, title=grid.title)
        for row in grid.rows:
            shown.add_row(*row)
        show(shown)


def _show_overhead(runs: int, *, as_json: bool) -> None:
    from ..bench.overhead import measure  # noqa: PLC0415  # heavy

    with Spinner("measuring", at_once=True) as progress:
        rows = measure(runs, progress)
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    table = Table("picture", "dtype", "processor time", "times a copy of the picture", title="a call without the network, hole of 16 px")
    for row in rows:
        table.add_row(row.picture, row.dtype, f"{row.milliseconds:.2f} ms", f"{row.times_copy:.1f}")
    show(table)


def _measure(file: Path | None, backend: str | None, window: list[int] | None, runs: int, *, pictures: bool) -> dict[str, Any]:
    config = load_config(file, backend)
    with Spinner("measuring", at_once=True) as progress:
        from ..bench import windows  # noqa: PLC0415  # heavy
        from ..planning import WINDOWS  # noqa: PLC0415  # heavy

        rows = [asdict(row) for row in windows.measure(config, window or WINDOWS, runs, progress, backend)]
        return {"machine": windows.machine(), "windows": rows, **(_pictures(config, file, runs, progress) if pictures else {})}


def _pictures(config: Config, file: Path | None, runs: int, progress: Callable[[str], None]) -> dict[str, Any]:
    from ..bench import command, pictures, thin_holes  # noqa: PLC0415  # heavy

    measured = pictures.measure(config, pictures.CASES, runs, progress)
    commands = command.measure(pictures.BASE, config, file, runs, progress)
    thin = thin_holes.measure(config, thin_holes.CASES, runs, progress)
    return {
        "reference": measured[0].method,  # the engine in the settings; the time of one of its windows is the unit of the ratios
        "pictures": [asdict(row) for row in measured],
        "command": [asdict(row) for row in commands],
        "thin": [asdict(row) for row in thin],
    }


def _read(file: Path) -> dict[str, Any]:
    from ..bench import tables  # noqa: PLC0415  # heavy

    try:
        report = json.loads(file.read_text(encoding="utf-8"))
        usable = bool(report["windows"] and tables.grids(report))
    except (json.JSONDecodeError, KeyError, TypeError, UnicodeDecodeError):
        usable = False
    if not usable:
        raise ConfigError(f"{file}: expected figures written by this version's `gi-plugin bench --output`; measure again")
    return dict(report)


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    say(f"wrote {file}")


COMMANDS: tuple[Callable[..., None], ...] = (bench,)
