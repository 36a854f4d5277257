"""The logic of `TensorRtEngine`: the pool of workers, overflow, closing, errors, graphs.

No GPU is used: `cuda_stand_in` simulates PyCUDA, the driver and TensorRT. Their behaviour on a real GPU is not tested here.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from gi_plugin import network_file
from gi_plugin.arrays import Floats, Matches
from gi_plugin.config import EngineSettings
from gi_plugin.engines.cache import EngineCache
from gi_plugin.engines.gpu import driver as cuda_driver, memory as cuda_memory
from gi_plugin.engines.gpu.driver import Gpu
from gi_plugin.engines.trt import engine as tensorrt_engine
from gi_plugin.engines.trt.builder import RUNS_ON, engine_parts, request_of
from gi_plugin.engines.trt.engine import WORKERS, TensorRtEngine
from gi_plugin.engines.trt.package import TENSORRT, TENSORRT_RTX, TensorRtPackage
from gi_plugin.errors import EngineError, EngineMismatch
from tests.engines.gpu import cuda_stand_in

WINDOW = 72
CELLS = (WINDOW // 8) ** 2
GPU = Gpu("Stand-in", "sm_89", "13.0")
NETWORK = network_file.network_path("")


@dataclass
class Fp32Engine:
    """The fp32 engine for windows that overflow. It counts its calls."""

    window: int = WINDOW
    batch: int = 1
    backend: str = "stand-in fp32"
    calls: int = 0
    closed: bool = False

    def __call__(self, image: Floats, mask: Floats) -> tuple[Floats, Matches]:
        """Return a grey picture."""
        self.calls += 1
        return np.full_like(image, 0.5), np.full((image.shape[0], CELLS), np.count_nonzero(mask))

    def close(self) -> None:
        """Record that the engine was closed."""
        self.closed = True


@dataclass
class Workbench:
    """A simulated GPU with an engine in the cache, and the fp32 engines opened on it."""

    gpu: cuda_stand_in.Gpu
    directory: Path
    monkeypatch: pytest.MonkeyPatch
    fp32: list[Fp32Engine] = field(default_factory=list)

    def open(self, package: TensorRtPackage = TENSORRT, batch: int = 1) -> TensorRtEngine:
        """Store an engine in the cache and open it."""
        settings = EngineSettings(layer="native", batch=batch, cache=str(self.directory))
        module = cuda_stand_in.tensorrt(self.gpu, WINDOW, batch)
        self.monkeypatch.setattr(TensorRtPackage, "load", lambda _: module)
        parts = engine_parts(request_of(NETWORK, WINDOW, settings, package), None if package.portable else GPU)
        EngineCache(self.directory).store(parts, b"plan", {RUNS_ON: "sm_86 sm_89"})
        return TensorRtEngine(NETWORK, WINDOW, settings, package, self._open_fp32_engine)

    def _open_fp32_engine(self) -> Fp32Engine:
        self.fp32.append(Fp32Engine())
        return self.fp32[-1]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workbench:
    gpu = cuda_stand_in.Gpu()
    pycuda, driver = cuda_stand_in.pycuda(gpu), cuda_stand_in.driver(gpu)
    monkeypatch.setattr(cuda_memory, "_pycuda", lambda: pycuda)
    monkeypatch.setattr(cuda_driver, "_driver", lambda: driver)
    monkeypatch.setattr(tensorrt_engine, "find_gpu", lambda _: GPU)
    monkeypatch.setattr(TensorRtPackage, "installed", lambda _: "11.4.0")
    return Workbench(gpu, tmp_path, monkeypatch)


def _window(value: float, count: int = 1) -> tuple[Floats, Floats]:
    """Make windows of one colour whose hole has `10 * value` pixels."""
    image, mask = np.full((count, 3, WINDOW, WINDOW), value, np.float32), np.zeros((count, 1, WINDOW, WINDOW), np.float32)
    mask.reshape(count, -1)[:, : int(10 * value) if np.isfinite(value) else 0] = 1
    return image, mask


def _warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.levelno >= logging.WARNING]


def _started(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_sixteen_threads_share_two_workers(bench: Workbench) -> None:
    """Every caller gets the result of its own window; at most WORKERS calls run at once, with as many contexts."""
    engine = bench.open()
    values = [0.01 * number for number in range(1, 161)]
    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(lambda value: engine(*_window(value)), values))
    for value, (completed, matches) in zip(values, results, strict=True):
        np.testing.assert_array_equal(completed, -_window(value)[0])
        np.testing.assert_array_equal(matches, np.full((1, CELLS), int(10 * value)))
    assert (bench.gpu.most_running, bench.gpu.contexts) == (WORKERS, WORKERS)


def test_workers_are_made_one_after_the_other(bench: Workbench) -> None:
    """Memory that one thread allocates would spoil the graph that another one records."""
    engine, making, most = bench.open(), threading.Semaphore(1), list[bool]()
    create = cuda_stand_in.Engine.create_execution_context

    def created(self: cuda_stand_in.Engine, config: object = None) -> cuda_stand_in.Context | None:
        most.append(making.acquire(blocking=False))
        time.sleep(0.05)
        making.release()
        return create(self, config)

    bench.monkeypatch.setattr(cuda_stand_in.Engine, "create_execution_context", created)
    bench.gpu.gate.clear()
    calls = [_started(lambda: engine(*_window(0.1))) for _ in range(WORKERS)]
    bench.gpu.gate.set()
    for call in calls:
        call.join(30)
    assert most == [True] * bench.gpu.contexts


def test_a_call_allocates_nothing(bench: Workbench) -> None:
    """After the first call no memory, graph or context is created, and results do not share memory."""
    engine = bench.open()
    first, _ = engine(*_window(0.1))
    made = bench.gpu.allocations, len(bench.gpu.memory), len(bench.gpu.graphs), bench.gpu.contexts
    for _ in range(50):
        engine(*_window(0.2))
    assert made == (bench.gpu.allocations, len(bench.gpu.memory), len(bench.gpu.graphs), bench.gpu.contexts) == (8, 4, 1, 1)
    np.testing.assert_array_equal(first, -_window(0.1)[0])


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_call_need_not_be_full(bench: Workbench, count: int) -> None:
    """An engine for three windows also accepts fewer."""
    completed, matches = bench.open(batch=3)(*_window(0.3, count))
    np.testing.assert_array_equal(completed, -_window(0.3, count)[0])
    assert matches.shape == (count, CELLS)


def test_an_overflow_is_run_again_in_fp32(bench: Workbench, caplog: pytest.LogCaptureFixture) -> None:
    """Instead of NaN the caller gets the fp32 engine's result and a warning; that engine is opened once, when first needed."""
    engine = bench.open()
    assert np.isfinite(engine(*_window(0.1))[0]).all()
    assert bench.fp32 == []
    for calls in (1, 2):
        completed, _ = engine(*_window(np.nan))
        assert (completed == 0.5).all()
        assert [engine.calls for engine in bench.fp32] == [calls]
        assert [text.startswith("tensorrt fp16 overflowed on a 72 px window") for text in _warnings(caplog)] == [True] * calls
    engine.close()
    assert bench.fp32[0].closed


def test_overflows_at_once_open_one_fp32_engine(bench: Workbench) -> None:
    """Threads whose windows overflow at the same time share one fp32 engine."""
    engine = bench.open()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: engine(*_window(np.inf)), range(8)))
    assert [engine.calls for engine in bench.fp32] == [8]


def test_closing_waits_for_running_calls_and_releases_everything(bench: Workbench) -> None:
    """Closing waits for the running call; afterwards all memory and graphs are released, and a further call is an error."""
    engine = bench.open()
    engine(*_window(0.1))
    bench.gpu.gate.clear()
    results: list[Floats] = []
    call = _started(lambda: results.append(engine(*_window(0.2))[0]))
    while not bench.gpu.running:
        time.sleep(0.001)
    closing = _started(engine.close)
    closing.join(0.2)
    assert closing.is_alive()
    bench.gpu.gate.set()
    for thread in (call, closing):
        thread.join(30)
    np.testing.assert_array_equal(results[0], -_window(0.2)[0])
    assert (bench.gpu.memory, bench.gpu.graphs) == ({}, {})
    engine.close()  # once more does nothing
    for _ in range(WORKERS + 1):
        with pytest.raises(EngineError, match="closed"):
            engine(*_window(0.1))


@pytest.mark.parametrize("package", [TENSORRT, TENSORRT_RTX], ids=lambda package: package.backend)
def test_a_closed_engine_releases_tensorrt(bench: Workbench, package: TensorRtPackage) -> None:
    """`close` destroys contexts, engine and runtime, even if our engine object is still referenced."""
    engine = bench.open(package)
    engine(*_window(0.1))
    assert bench.gpu.alive == {"Context": 1, "Engine": 1, "Runtime": 1, "Stream": 1}
    engine.close()
    assert bench.gpu.alive == {}


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ("execute", "TensorRT could not queue the engine"),
        ("copy", "an illegal memory access was encountered"),
        ("context", "not enough GPU memory"),
        ("launch", "CUDA_ERROR_NOT_SUPPORTED"),
    ],
)
def test_a_failure_is_an_engine_error_and_later_calls_work(bench: Workbench, fault: str, text: str) -> None:
    """After a failure in any library the message names engine and window, and later calls work."""
    engine = bench.open()
    bench.gpu.fails = fault
    for _ in range(WORKERS + 1):
        with pytest.raises(EngineError, match=f"tensorrt fp16 failed on a {WINDOW} px window: .*{text}"):
            engine(*_window(0.1))
    bench.gpu.fails = ""
    np.testing.assert_array_equal(engine(*_window(0.2))[0], -_window(0.2)[0])


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        *((fault, "the CUDA driver reported CUDA_ERROR_NOT_SUPPORTED") for fault in ("capture", "end", "instantiate")),
        ("recorded copy", "an illegal memory access was encountered"),
    ],
)
def test_without_a_graph_the_work_is_queued_piece_by_piece(
    bench: Workbench, caplog: pytest.LogCaptureFixture, fault: str, reason: str
) -> None:
    """If a graph cannot be recorded, results are the same and there is one warning."""
    bench.gpu.fails = fault
    engine = bench.open()
    for value in (0.1, 0.2, 0.3):
        np.testing.assert_array_equal(engine(*_window(value))[0], -_window(value)[0])
    assert [text.startswith(f"no CUDA graph can be used ({reason})") for text in _warnings(caplog)] == [True]
    engine.close()
    assert bench.gpu.memory == {}


def test_a_plan_that_tensorrt_refuses_names_the_command(bench: Workbench) -> None:
    """If TensorRT cannot load an engine, for example one of another version, the message has the build command."""
    bench.gpu.fails = "plan"
    with pytest.raises(
        EngineMismatch,
        match=r"build it again with: .* --precision fp16 --window 72 --layer native --batch 1 --device gpu:0$",
    ):
        bench.open()


def test_compiled_kernels_are_stored(bench: Workbench) -> None:
    """TensorRT-RTX compiles kernels when an engine is first opened on a GPU; the next engine loads them from the cache."""
    for _ in range(2):
        engine = bench.open(TENSORRT_RTX)
        engine(*_window(0.1))
        engine.close()
    kept = [entry.parts for entry in EngineCache(bench.directory).entries() if entry.parts["backend"].endswith("kernels")]
    assert [parts["backend"] for parts in kept] == ["tensorrt-rtx fp16 kernels"]
    assert kept[0]["device"].startswith(f"{GPU}, engine for ")
    assert bench.gpu.deserialized == [b"kernels"]
