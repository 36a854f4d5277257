"""Models that OpenVINO compiled: options that it may not know, and loading from the cache."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from gi_plugin.config import EngineSettings
from gi_plugin.engines.cpu import compiled
from gi_plugin.engines.thin.openvino_thin import BATCH, OpenVinoThin
from gi_plugin.errors import EngineError
from gi_plugin.network_file import THIN, network_path
from gi_plugin.thin import TILE

NETWORK = network_path("", THIN)
TILES = np.random.default_rng(0).normal(size=(BATCH, 3, TILE, TILE)).astype(np.float32)
MASKS = np.zeros((BATCH, 1, TILE, TILE), np.float32)
MASKS[:, :, 6:10, 6:10] = 1


@pytest.fixture
def settings(tmp_path: Path) -> EngineSettings:
    """Settings with a cache of their own."""
    return EngineSettings(precision="fp32", threads=1, cache=str(tmp_path))


def test_an_option_that_openvino_does_not_know_is_left_out(
    settings: EngineSettings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without the options for a quick start a model gives the same result, is stored, and is loaded from the cache."""
    expected = OpenVinoThin(NETWORK, settings)(TILES, MASKS)
    monkeypatch.setattr(compiled, "QUICK_START", {"NO_SUCH_OPTION": "1"})
    for _ in ("compiled", "loaded"):
        np.testing.assert_allclose(OpenVinoThin(NETWORK, settings)(TILES, MASKS), expected, atol=1e-5)
    assert len(list(Path(settings.cache).rglob("engine.bin"))) == 2  # the cache knows them by their options
    assert not caplog.records
    monkeypatch.setattr(compiled, "KEPT", "many")
    with pytest.raises(EngineError, match="cannot compile"):
        OpenVinoThin(NETWORK, settings)


def test_an_engine_in_the_cache_is_loaded_without_its_lock(settings: EngineSettings) -> None:
    """A process that holds the lock, because it builds the engine again, keeps no other one from loading it."""
    OpenVinoThin(NETWORK, settings)
    (lock,) = Path(settings.cache).rglob("*.lock")
    with ThreadPoolExecutor(1) as pool, FileLock(lock):
        opened = pool.submit(OpenVinoThin, NETWORK, settings)
        assert opened.result(timeout=60).backend == "openvino fp32"
