"""The bench of one window: every engine that runs here, in this process and in fresh ones."""

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
    """Settings with a cache of their own."""
    return Config(engine=EngineSettings(threads=1, cache=str(tmp_path / "cache")))


@pytest.fixture
def told() -> list[str]:
    """What a bench said it is doing."""
    return []


def test_every_engine_has_a_row(config: Config, told: list[str]) -> None:
    """Candidates that this CPU runs are there, with times that fit together, and PyTorch in fp32 is the unit of the ratios."""
    rows = {row.backend: row for row in bench.measure(config, [WINDOW], 1, told.append)}
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
    assert {text.split(",")[0] for text in told} == {f"{WINDOW} px"}
    assert all(any(f"{name}, fresh process 1 of 1" in text for text in told) for name in rows)


def test_a_fresh_process_takes_the_engine_from_the_cache(config: Config) -> None:
    """The first one builds, and the second one finds what was built."""
    cache = Path(config.engine.cache)
    for _ in range(2):
        fresh = bench.from_cold(config, WINDOW)
        assert fresh.result.keys() == {"opened", "first"}
        assert 0 < fresh.result["opened"] + fresh.result["first"] < fresh.seconds
        assert len(list(cache.rglob("*.json"))) == 1


def test_without_torch_there_is_no_ratio(config: Config, monkeypatch: pytest.MonkeyPatch, told: list[str]) -> None:
    """Where PyTorch is not installed the other engines are measured all the same."""
    monkeypatch.setattr(bench, "CANDIDATES", (("openvino", "fp32"),))
    (row,) = bench.measure(config, [WINDOW], 1, told.append)
    assert (row.backend, row.speedup, row.least_speedup) == ("openvino fp32", None, None)


@pytest.mark.parametrize(
    ("windows", "candidates", "error", "text"),
    [
        ([256, 100], bench.CANDIDATES, ConfigError, "window 100: expected a multiple of 8"),
        ([WINDOW], (("openvino", "fp16"),), EngineMissing, "there is nothing to measure"),
    ],
)
def test_what_cannot_be_measured_is_told(
    config: Config, monkeypatch: pytest.MonkeyPatch, windows: list[int], candidates: Candidates, error: type[Exception], text: str
) -> None:
    """A window that the network does not take, and a machine on which no candidate runs, are errors before anything is timed."""
    monkeypatch.setattr(bench, "CANDIDATES", candidates)
    with pytest.raises(error, match=text):
        bench.measure(config, windows, 1, pytest.fail)
