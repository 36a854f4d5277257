"""The engines give the same results, and report errors clearly."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gi_plugin.arrays import CELL, Floats
from gi_plugin.config import BACKENDS, Config, EngineSettings, ModelSettings
from gi_plugin.engines import Engine, EngineCache, backend_status, open_engine
from gi_plugin.errors import EngineError, EngineMissing, ModelError

SETTINGS = EngineSettings(precision="fp32")
WINDOW = 128


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def _open(cache: Path, backend: str = "openvino", **settings: object) -> Engine:
    return open_engine(Config(engine=replace(SETTINGS, cache=str(cache), backend=backend, **settings)), WINDOW)  # type: ignore[arg-type]


def _windows(count: int) -> tuple[Floats, Floats]:
    """Make pictures of coarse squares, each with one hole at a different place."""
    random = np.random.default_rng(3)
    coarse = random.uniform(-1, 1, (count, 3, WINDOW // 16, WINDOW // 16)).astype(np.float32)
    image = coarse.repeat(16, axis=2).repeat(16, axis=3)
    mask = np.zeros((count, 1, WINDOW, WINDOW), np.float32)
    for index in range(count):
        mask[index, 0, 20 + 10 * index : 60 + 10 * index, 32:90] = 1
    return image, mask


@pytest.mark.parametrize(("precision", "mean", "largest"), [("fp32", 1e-5, 1e-3), ("bf16", 1e-2, 0.5)])
def test_openvino_equals_torch(cache: Path, precision: str, mean: float, largest: float) -> None:
    """The compiled network gives the same result as PyTorch; bf16 (8 bits of mantissa) within its rounding errors."""
    image, mask = _windows(1)
    expected, _ = _open(cache, "torch")(image, mask)
    try:
        engine = _open(cache, precision=precision)
    except EngineMissing:
        pytest.skip("this CPU has no bf16")
    completed, matches = engine(image, mask)
    difference = np.abs(completed - expected)
    assert difference.mean() < mean
    assert difference.max() < largest
    assert matches.shape == (1, (WINDOW // CELL) ** 2)
    np.testing.assert_array_equal(completed * (1 - mask), image * (1 - mask))


@pytest.mark.parametrize("backend", ["openvino", "torch"])
def test_a_batch_equals_its_windows_one_by_one(cache: Path, backend: str) -> None:
    """Windows in one call do not affect each other, even if the call has fewer windows than the batch."""
    image, mask = _windows(3)
    engine = _open(cache, backend, batch=4)
    together, matches = engine(image, mask)
    assert (together.shape[0], matches.shape[0]) == (3, 3)
    for index in range(3):
        alone, _ = engine(image[index : index + 1], mask[index : index + 1])
        np.testing.assert_allclose(together[index], alone[0], atol=1e-4)


@pytest.mark.parametrize("streams", [0, 3])
def test_threads_share_one_engine(cache: Path, streams: int) -> None:
    """Simultaneous calls from several threads each get the result of their own window."""
    engine = _open(cache, streams=streams)
    image, mask = _windows(4)
    expected = [engine(image[index : index + 1], mask[index : index + 1])[0] for index in range(4)]
    results: dict[int, Floats] = {}

    def work(index: int) -> None:
        results[index] = engine(image[index : index + 1], mask[index : index + 1])[0]

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    engine.close()
    for index in range(4):
        np.testing.assert_array_equal(results[index], expected[index])


def test_the_second_start_loads_the_engine_from_the_cache(tmp_path: Path) -> None:
    """The compiled engine is stored once, and gives the same pixels when it is loaded."""
    image, mask = _windows(1)
    first, _ = _open(tmp_path)(image, mask)
    created = [entry.created for entry in EngineCache(tmp_path).entries()]
    second, _ = _open(tmp_path)(image, mask)
    assert len(created) == 1
    assert [entry.created for entry in EngineCache(tmp_path).entries()] == created
    np.testing.assert_array_equal(first, second)


def test_a_damaged_cache_entry_is_built_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A damaged entry gives one warning, a correct result, and a repaired entry."""
    _open(tmp_path)
    (entry,) = EngineCache(tmp_path).entries()
    (entry.folder / "engine.bin").write_bytes(b"x" * entry.size)
    with caplog.at_level(logging.WARNING):
        engine = _open(tmp_path)
    assert [record.message.startswith("cached engine not used") for record in caplog.records] == [True]
    completed, _ = engine(*_windows(1))
    assert np.isfinite(completed).all()
    assert EngineCache(tmp_path).load(entry.parts) is not None


def test_an_unwritable_cache_is_only_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """If the cache folder cannot be created, the engine runs anyway and logs a warning."""
    blocked = tmp_path / "file"
    blocked.write_text("", encoding="utf-8")
    with caplog.at_level(logging.WARNING):
        completed, _ = _open(blocked)(*_windows(1))
    assert np.isfinite(completed).all()
    assert "cannot be used" in caplog.text


def test_the_thread_setting_does_not_change_the_result(cache: Path) -> None:
    """One thread gives the same picture as all threads."""
    image, mask = _windows(1)
    np.testing.assert_allclose(_open(cache, threads=1)(image, mask)[0], _open(cache)(image, mask)[0], atol=1e-4)


@pytest.mark.parametrize(
    ("backend", "precision", "text"),
    [
        ("nonsense", "fp32", "unknown backend 'nonsense'"),
        ("openvino", "fp16", "not in fp16"),
        ("torch", "fp16", "not in fp16"),
        ("tensorrt", "fp32", "tensorrt: "),
    ],
)
def test_an_engine_that_cannot_be_opened_says_why(cache: Path, backend: str, precision: str, text: str) -> None:
    """The message names the backend or precision and the reason."""
    with pytest.raises(EngineMissing, match=text):
        _open(cache, backend, precision=precision)


def test_a_missing_or_damaged_network_is_named(tmp_path: Path) -> None:
    """A wrong [model] path is a ModelError that names the file."""
    damaged = tmp_path / "network.onnx"
    for text in ("no such network file", "not a readable ONNX model"):
        with pytest.raises(ModelError, match=text) as caught:
            open_engine(Config(model=ModelSettings(str(damaged)), engine=replace(SETTINGS, cache=str(tmp_path / "cache"))), 256)
        assert str(damaged) in str(caught.value)
        damaged.write_bytes(b"nonsense")


def test_a_closed_engine_refuses_to_run(cache: Path) -> None:
    """A call after `close` raises an error instead of crashing."""
    engine = _open(cache)
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        engine(*_windows(1))


def test_every_backend_has_a_status_with_a_reason() -> None:
    """All backends are listed in order of preference with a reason, and openvino, which is always installed, is available."""
    statuses = backend_status()
    assert [status.name for status in statuses] == list(BACKENDS)
    assert all(status.reason for status in statuses)
    assert next(status for status in statuses if status.name == "openvino").available


SIGNALLED = """
import os, signal, sys, time

signal.signal(signal.SIGINT, signal.default_int_handler)  # tests started in the background ignore it
from gi_plugin.config import Config, EngineSettings
from gi_plugin.engines import open_engine

config = Config(engine=EngineSettings(backend="openvino", cache=sys.argv[1]))
engines = [open_engine(config, 72) for _ in range(3)]
while engines:
    engines.pop(0).close()
try:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(10)
except KeyboardInterrupt:
    print("interrupted")
"""


def test_ctrl_c_works_after_engines_were_closed(cache: Path) -> None:
    """Ctrl-C raises KeyboardInterrupt even after engines were opened and closed in any order."""
    done = subprocess.run([sys.executable, "-c", SIGNALLED, str(cache)], capture_output=True, text=True, check=False, timeout=120)
    assert done.stdout == "interrupted\n", done.stderr


AT_ONCE = """
import sys, threading
import numpy as np
from gi_plugin.openvino_core import CORE
import openvino
from openvino import opset8

sys.setswitchinterval(1e-5)
picture = opset8.parameter([1, 3, -1, -1], np.float32)
compiled = CORE.compile_model(openvino.Model([opset8.relu(picture)], [picture]), "CPU", {"NUM_STREAMS": "2"})
requests, start = [compiled.create_infer_request() for _ in range(16)], threading.Barrier(16)

def call(request):
    start.wait()
    request.infer([np.zeros((1, 3, 64, 64), np.float32)])

threads = [threading.Thread(target=call, args=(request,)) for request in requests]
for thread in threads:
    thread.start()
"""


def test_simultaneous_first_calls_do_not_deadlock() -> None:
    """Several threads may make OpenVINO's first call at the same time. Three of four such processes once waited for ever."""
    processes = [subprocess.Popen([sys.executable, "-c", AT_ONCE]) for _ in range(5)]
    try:
        assert [process.wait(timeout=60) for process in processes] == [0] * 5
    finally:
        for process in processes:
            process.kill()
