"""The benchmark of one window, with every engine that runs here, in this process and in fresh ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from gi_plugin.bench import windows as bench
from gi_plugin.config import Config, EngineSettings
from gi_plugin.errors import ConfigError, EngineMissing

WINDOW = 72
Candidates = tuple[tuple[str, str], ...]


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Settings with an empty cache."""
    return Config(engine=EngineSettings(threads=1, cache=str(tmp_path / "cache")))


def test_every_engine_has_a_row(config: Config) -> None:
    """Every candidate that this CPU can run has a row with consistent times, and ratios are relative to PyTorch in fp32."""
    progress: list[str] = []
    rows = {row.backend: row for row in bench.measure(config, [WINDOW], 1, progress.append)}
    assert {"torch cpu fp32", "openvino fp32"} <= rows.keys()
    assert len(rows) <= len(bench.CANDIDATES)
    for row in rows.values():
        assert (row.window, row.runs) == (WINDOW, 1)
        assert 0 < row.least <= row.median < row.cold
        assert 0 < row.opened < row.cold
        assert 0 < row.first < row.cold
        assert row.per_second > 0
        assert row.speedup == rows["torch cpu fp32"].median / row.median
        assert row.least_speedup == rows["torch cpu fp32"].least / row.least
        assert row.memory is not None
        assert 20e6 < row.memory < 20e9
    assert {text.split(",")[0] for text in progress} == {f"{WINDOW} px"}
    assert all(any(f"{name}, fresh process 1 of 1" in text for text in progress) for name in rows)


def test_a_fresh_process_loads_the_engine_from_the_cache(config: Config) -> None:
    """The first process compiles the engine, and the second one loads it from the cache."""
    cache = Path(config.engine.cache)
    for _ in range(2):
        fresh = bench.from_cold(config, WINDOW)
        assert fresh.result.keys() == {"opened", "first"}
        assert 0 < fresh.result["opened"] + fresh.result["first"] < fresh.seconds
        assert len(list(cache.rglob("*.json"))) == 1


def test_without_torch_there_is_no_ratio(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without PyTorch the other engines are measured, but have no ratio."""
    monkeypatch.setattr(bench, "CANDIDATES", (("openvino", "fp32"),))
    (row,) = bench.measure(config, [WINDOW], 1, lambda _: None)
    assert (row.backend, row.speedup, row.least_speedup) == ("openvino fp32", None, None)


@pytest.mark.parametrize(
    ("windows", "candidates", "error", "text"),
    [
        ([256, 100], bench.CANDIDATES, ConfigError, "window 100: expected a multiple of 8"),
        ([WINDOW], (("openvino", "fp16"),), EngineMissing, "there is nothing to measure"),
    ],
)
def test_an_impossible_benchmark_is_an_error(
    config: Config, monkeypatch: pytest.MonkeyPatch, windows: list[int], candidates: Candidates, error: type[Exception], text: str
) -> None:
    """A wrong window size, or no candidate that runs here, is an error before anything is timed."""
    monkeypatch.setattr(bench, "CANDIDATES", candidates)
    said: list[str] = []
    with pytest.raises(error, match=text):
        bench.measure(config, windows, 1, said.append)
    assert [line for line in said if "calls" in line] == []
