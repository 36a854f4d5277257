"""Tables, documents and the plot made from benchmark results, and the command `gi-plugin bench`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gi_plugin import planning
from gi_plugin.bench import command, pictures, plot, tables, thin_holes, windows
from gi_plugin.bench.pictures import BASE, CASES, Case
from gi_plugin.bench.thin_holes import ThinCase
from gi_plugin.errors import ConfigError
from tests.gi_plugin.command import Cli

MARKS = "<!-- bench:windows -->\nold\n<!-- bench:end -->\n"


def _window(backend: str, **changed: Any) -> dict[str, Any]:
    times = {"median": 0.5, "least": 0.4, "per_second": 2.25, "cold": 1.5, "opened": 0.4, "first": 0.6}
    ratios = {"speedup": 4.0, "least_speedup": 3.0}
    return {"backend": backend, "window": 512, "runs": 3, **times, **ratios, "memory": 5 * 10**8, **changed}


def _picture(case: Case, method: str = "ours", memory: int | None = 600 * 10**6) -> dict[str, Any]:
    ratio = float(case.holes)
    times = {"windows": case.holes, "runs": 3, "median": ratio / 2, "least": ratio / 2, "ratio": ratio, "memory": memory}
    return {**vars(case), "method": method, **times}


def _thin(method: str, ratio: float) -> dict[str, Any]:
    holes = {"holes": "2,000 specks of 2 px", "megapixels": 12, "bits": 8, "missing": 7990}
    return {**holes, "method": method, "runs": 3, "median": ratio / 4, "least": ratio / 5, "ratio": ratio}


@pytest.fixture
def report() -> dict[str, Any]:
    """Results such as `gi-plugin bench --pictures` writes them."""
    pictures = [row for case in CASES for row in (_picture(case), _picture(case, "theirs", None))]
    times = {"median": 3.0, "least": 2.5, "engine": 2.0, "ratio": 1.5, "process": 2.5, "process_ratio": 1.2}
    command = {**vars(BASE), "result": "png", "runs": 3, **times}
    windows = [_window("torch cpu fp32", speedup=1.0), _window("openvino bf16", memory=None, speedup=None, least_speedup=None)]
    thin = [_thin("ours", 1.0), _thin("theirs", 20.0)]
    return {"machine": {}, "windows": windows, "reference": "ours", "pictures": pictures, "command": [command], "thin": thin}


def test_windows_as_markdown(report: dict[str, Any]) -> None:
    """Times of at least a second are in seconds, shorter ones in milliseconds; an unknown value is a dash."""
    faster = "times as fast as PyTorch fp32 | by the fastest calls"
    assert tables.grids(report)["windows"].markdown().splitlines() == [
        f"| window | engine | median | {faster} | windows/s | cold start | its first call | memory |",
        "|---|---|---|---|---|---|---|---|---|",
        "| 512 | torch cpu fp32 | 500 ms | 1.00 | 3.00 | 2.25 | 1.50 s | 600 ms | 500 MB |",
        "| 512 | openvino bf16 | 500 ms | - | - | 2.25 | 1.50 s | 600 ms | - |",
    ]


@pytest.mark.parametrize(
    ("name", "row", "count"),
    [
        ("pictures", ("100", "10", "theirs", "5.00 s", "10.00"), 12),
        ("command", ("12", "1", "jpg to png", "3.00 s", "2.00 s", "1.50", "2.50 s", "1.20"), 1),
        ("growth", ("holes", "16", "16", "16.00", "600 MB"), 19),
        ("thin", ("2,000 specks of 2 px", "12", "8", "7,990", "theirs", "5.00 s", "20.00"), 2),
    ],
)
def test_every_figure_has_its_table(report: dict[str, Any], name: str, row: tuple[str, ...], count: int) -> None:
    """There are tables for pictures and thin holes by every method, for the command, and for every value of the three axes."""
    grid = tables.grids(report)[name]
    assert row in grid.rows
    assert len(grid.rows) == len(set(grid.rows)) == count
    assert {len(cells) for cells in grid.rows} == {len(grid.heading)}


def test_rows_of_an_axis_are_sorted(report: dict[str, Any]) -> None:
    """An axis has only our engine's rows, sorted by its value, with the other two properties fixed."""
    report["pictures"].reverse()
    for axis, values in pictures.GROWTH.items():
        rows = tables.growth(report, axis)
        assert [row[axis] for row in rows] == list(values)
        assert all(row[key] == value for row in rows for key, value in vars(BASE).items() if key != axis)
        assert {row["method"] for row in rows} == {"ours"}


def test_a_document_gets_its_tables(report: dict[str, Any]) -> None:
    """The text between marks is replaced, the rest is unchanged, and a second time changes nothing."""
    document = f"above\n{MARKS}between\n{MARKS.replace('windows', 'command')}below"
    once = tables.filled(document, report)
    grids = tables.grids(report)
    assert once == document.replace("old\n", grids["windows"].markdown(), 1).replace("old\n", grids["command"].markdown())
    assert tables.filled(once, report) == once


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ("no marks", "no place for a table: expected <!-- bench:windows -->"),
        (MARKS.replace("windows", "speed"), "bench:speed -->: expected one of windows, pictures, command, growth, thin"),
    ],
)
def test_a_document_without_a_known_mark_is_an_error(report: dict[str, Any], document: str, text: str) -> None:
    """A document without a mark, or with an unknown one, is an error."""
    with pytest.raises(ConfigError, match=text):
        tables.filled(document, report)


@pytest.mark.parametrize("memory", [True, False])
def test_the_plot_is_drawn(report: dict[str, Any], tmp_path: Path, memory: bool) -> None:
    """The plot has lines for each axis, even on a system that does not report memory."""
    if not memory:
        report["pictures"] = [{**row, "memory": None} for row in report["pictures"]]
    plot.draw(report, tmp_path / "new" / "plot.png")
    drawn = np.asarray(Image.open(tmp_path / "new" / "plot.png").convert("RGB"))
    colour = (drawn.max(axis=2).astype(int) - drawn.min(axis=2) > 50).any(axis=0)
    thirds = [part.any() for part in np.array_split(colour, 3)]
    assert thirds == [True] * 3
    assert (drawn == 255).mean() > 0.5


def test_tables_from_a_file_without_measuring(cli: Cli, report: dict[str, Any]) -> None:
    """`--table` prints every table of a result file, fills documents and draws the plot."""
    Path("figures.json").write_text(json.dumps(report), encoding="utf-8")
    Path("page.md").write_text(MARKS, encoding="utf-8")
    result = cli("bench", "--table", "figures.json", "--into", "page.md", "--plot", "plot.png")
    assert (result.code, result.lines) == (0, ["wrote plot.png", "wrote page.md"])
    grids = tables.grids(report)
    assert result.out == "".join(f"{grid.title}:\n\n{grid.markdown()}\n" for grid in grids.values())
    assert Path("page.md").read_text(encoding="utf-8") == MARKS.replace("old\n", grids["windows"].markdown())
    assert Path("plot.png").stat().st_size > 0


@pytest.mark.parametrize("text", ["{", "[]", '{"rows": []}', '{"windows": []}', '{"windows": [{"window": 512}]}', "\udcff"])
def test_a_file_without_results_is_an_error(cli: Cli, text: str) -> None:
    """A file with other content gives a one-line error."""
    Path("figures.json").write_text(text, encoding="utf-8", errors="surrogateescape")
    result = cli("bench", "--table", "figures.json")
    assert (result.code, result.out) == (2, "")
    assert result.lines == ["error: figures.json: expected figures written by this version's `gi-plugin bench --output`; measure again"]


@pytest.fixture
def _few_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only two engines and small windows; `test_windows` and `test_pictures` measure every engine."""
    monkeypatch.setattr(windows, "CANDIDATES", (("openvino", "fp32"), ("openvino", "int8")))
    monkeypatch.setattr(pictures, "LARGE", planning.SMALL)
    monkeypatch.setattr(command, "LARGE", planning.SMALL)


@pytest.mark.slow
@pytest.mark.usefixtures("_few_engines")
def test_bench_measures_windows(cli: Cli) -> None:
    """The JSON on standard output and in the file describes the machine and has a row per engine, but no pictures."""
    report = json.loads(cli("bench", "--runs", "1", "--window", "72", "--json", "--output", "new/figures.json").out)
    assert report == json.loads(Path("new/figures.json").read_text(encoding="utf-8"))
    assert report.keys() == {"machine", "windows"}
    assert report["machine"].keys() == {"system", "processor", "cpus", "python"}
    assert [row["backend"] for row in report["windows"]] == ["openvino fp32", "openvino int8"]
    assert all(row.keys() == _window("").keys() for row in report["windows"])


@pytest.mark.slow
@pytest.mark.usefixtures("_few_engines")
def test_bench_measures_pictures(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--pictures` adds results of pictures, thin holes and the command; all results are printed as tables and drawn."""
    monkeypatch.setattr(pictures, "CASES", (Case(0.2, 1, 40),))
    monkeypatch.setattr(pictures, "BASE", Case(0.2, 1, 40))
    monkeypatch.setattr(thin_holes, "CASES", (ThinCase("a wire", 0.2, thin_holes.wire),))
    result = cli("bench", "--runs", "1", "--window", "72", "--pictures", "--output", "figures.json", "--plot", "plot.png")
    assert (result.code, [line for line in result.lines if line.startswith("wrote")]) == (0, ["wrote figures.json", "wrote plot.png"])
    report = json.loads(Path("figures.json").read_text(encoding="utf-8"))
    (picture,) = report["pictures"]
    assert picture.keys() == _picture(BASE).keys()
    assert picture["method"] == report["reference"]
    assert {row["result"] for row in report["command"]} == {"png", "jpg"}
    assert all(row.keys() == _thin("", 1).keys() for row in report["thin"])
    assert all(grid.title in result.out for grid in tables.grids(report).values())
