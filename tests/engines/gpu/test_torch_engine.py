"""The PyTorch engine for a GPU, without a GPU: precision, devices, and the host's side of a recorded call.

PyTorch's CUDA graphs and streams are replaced by `Recorder`, which runs the recorded call again at every replay.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gi_plugin.arrays import Floats
from gi_plugin.bench.sample import smooth_window
from gi_plugin.config import EngineSettings
from gi_plugin.engines import torch_engine
from gi_plugin.engines.gpu import recorded as recorded_module
from gi_plugin.engines.gpu.recorded import WARM, RecordedCall
from gi_plugin.engines.torch_engine import TorchEngine
from gi_plugin.errors import EngineError

WINDOW = 72
CPU = torch.device("cpu")
CUDA = torch.device("cuda")


@dataclass
class Recorder:
    """Counts recordings and replays; `fails` makes a recording fail."""

    fails: bool = False
    recordings: int = 0
    replays: int = 0
    tensors: list[int] = field(default_factory=list)

    def recorded(self, call: Callable[[], Any], _stream: object) -> Callable[[], Any]:
        """Stand in for `recorded`: call it as often as that does, and then at every replay write into the first result."""
        if self.fails:
            raise RuntimeError("operation not permitted when stream is capturing\nmore")
        self.recordings += 1
        results = [call() for _ in range(WARM + 1)][-1]

        def replay() -> Any:
            self.replays += 1
            for result, new in zip(results, call(), strict=True):
                result.copy_(new)
            return results

        return replay


@dataclass
class Stream:
    """A stream on which everything has happened already; `waited` are those that it was told to wait for."""

    device: object = None
    waited: list[object] = field(default_factory=list)

    def synchronize(self) -> None:
        """Wait for nothing."""

    def wait_stream(self, other: object) -> None:
        """Wait for the work on another stream."""
        self.waited.append(other)


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """Replace the parts of torch.cuda that a call needs; page-locked memory becomes ordinary memory."""
    recorder = Recorder()

    def plain(make: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def pageable(*sizes: Any, pin_memory: bool = False, device: object = None, **options: Any) -> Tensor:
            return make(*sizes, **options)

        return pageable

    monkeypatch.setattr(recorded_module, "recorded", recorder.recorded)
    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: f"the caller's stream on {device}")
    for name in ("stream", "device"):
        monkeypatch.setattr(torch.cuda, name, lambda _: nullcontext())
    for name in ("zeros", "empty"):
        monkeypatch.setattr(torch, name, plain(getattr(torch, name)))
    return recorder


def _double(image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    return image * 2, mask.flatten(1).sum(1).long()


def _inputs(value: float) -> tuple[Floats, Floats]:
    return np.full((1, 3, 8, 8), value, np.float32), np.full((1, 1, 8, 8), value, np.float32)


SHAPES = [(1, 3, 8, 8), (1, 1, 8, 8)]


def test_a_call_is_recorded_once_and_replayed(recorder: Recorder) -> None:
    """Every call gets the results of its own inputs, in memory of its own, from one recording."""
    call = RecordedCall(_double, SHAPES, CPU)
    results = [call(*_inputs(value)) for value in (1, 2, 3)]
    for value, (doubled, total) in zip((1, 2, 3), results, strict=True):
        np.testing.assert_array_equal(doubled, 2 * _inputs(value)[0])
        np.testing.assert_array_equal(total, [64 * value])
        assert (doubled.dtype, total.dtype) == (np.float32, np.int64)
    assert (recorder.recordings, recorder.replays) == (1, 4)  # one replay shows the shapes of the results


def test_a_recording_waits_for_what_the_caller_queued(recorder: Recorder) -> None:
    """Parameters may still be on their way to the GPU, on the caller's stream, when the function is first called on another one."""
    call = RecordedCall(_double, SHAPES, CPU)
    assert call._stream.waited == ["the caller's stream on cpu"]  # type: ignore[attr-defined]  # noqa: SLF001


def test_threads_take_turns(recorder: Recorder) -> None:
    """Simultaneous calls do not mix their buffers."""
    call = RecordedCall(_double, SHAPES, CPU)
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda value: call(*_inputs(value))[0], range(64)))
    for value, doubled in enumerate(results):
        np.testing.assert_array_equal(doubled, 2 * _inputs(value)[0])


def test_without_a_graph_every_call_runs_anew(recorder: Recorder, caplog: pytest.LogCaptureFixture) -> None:
    """If the call cannot be recorded, there is one warning with the reason, and the results are the same."""
    recorder.fails = True
    with caplog.at_level(logging.WARNING):
        call = RecordedCall(_double, SHAPES, CPU)
    for value in (1, 2):
        np.testing.assert_array_equal(call(*_inputs(value))[0], 2 * _inputs(value)[0])
    assert [record.message for record in caplog.records] == [
        "no CUDA graph can be used (operation not permitted when stream is capturing): every call starts its kernels one by one"
    ]


def _settings(tmp_path: Path, precision: str, batch: int = 1) -> EngineSettings:
    return EngineSettings(backend="torch", precision=precision, batch=batch, cache=str(tmp_path))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.usefixtures("recorder")
def test_a_recorded_engine_equals_the_eager_one(
    monkeypatch: pytest.MonkeyPatch, small_network_file: Path, tmp_path: Path, precision: str
) -> None:
    """The recorded call of an engine for three windows gives the eager results for one, two and three."""
    eager = TorchEngine(small_network_file, WINDOW, _settings(tmp_path, precision, 3))
    engine = TorchEngine(small_network_file, WINDOW, _settings(tmp_path, precision, 3))
    forward = engine._run.args[0]  # type: ignore[union-attr]  # noqa: SLF001
    shapes = [(3, channels, WINDOW, WINDOW) for channels in (3, 1)]
    monkeypatch.setattr(engine, "_run", torch_engine.on_arrays(forward, shapes, CUDA))
    image, mask = (np.repeat(array, 3, axis=0) for array in smooth_window(WINDOW))
    image *= np.float32([[[[1]]], [[[0.5]]], [[[-1]]]])
    for count in (1, 2, 3):
        completed, matches = engine(image[:count], mask[:count])
        expected, expected_matches = eager(image[:count], mask[:count])
        assert (completed.shape, matches.shape) == (expected.shape, expected_matches.shape)
        np.testing.assert_allclose(completed, expected, atol=1e-4 if precision == "fp32" else 2e-2)
        np.testing.assert_array_equal(completed * (1 - mask[:count]), image[:count] * (1 - mask[:count]))


def test_low_precision_is_that_of_autocast(small_network_file: Path, tmp_path: Path) -> None:
    """Convolutions with parameters in bf16 give bit by bit what autocast gives with parameters in fp32."""
    image, mask = smooth_window(WINDOW)
    engine = TorchEngine(small_network_file, WINDOW, _settings(tmp_path, "bf16"))
    network = torch_engine.load_network(small_network_file).eval().to(memory_format=torch.channels_last)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        expected = network(torch.from_numpy(image), torch.from_numpy(mask)).completed.float()
    np.testing.assert_array_equal(engine(image, mask)[0], expected.numpy())


def test_an_overflow_is_run_again_in_fp32(
    monkeypatch: pytest.MonkeyPatch, small_network_file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """If fp16 gives values that are not finite, the caller gets the fp32 engine's result and a warning; bf16, which cannot, is kept."""
    fp32 = TorchEngine(small_network_file, WINDOW, _settings(tmp_path, "fp32"))
    monkeypatch.setattr(torch_engine, "_precision", lambda setting, _device: setting)
    engine = TorchEngine(small_network_file, WINDOW, _settings(tmp_path, "fp16"))
    image, mask = smooth_window(WINDOW)
    broken = np.full_like(image, np.nan), np.zeros((1, (WINDOW // 8) ** 2), np.int64)
    monkeypatch.setattr(engine, "_run", lambda *_: broken)
    with caplog.at_level(logging.WARNING):
        completed, _ = engine(image, mask)
    np.testing.assert_array_equal(completed, fp32(image, mask)[0])
    assert caplog.messages == [f"torch cpu fp16 overflowed on a {WINDOW} px window, which is run again in fp32"]


@pytest.mark.parametrize(
    ("device", "gpus", "expected"),
    [("auto", 0, "cpu"), ("auto", 2, "cuda:0"), ("cpu", 2, "cpu"), ("gpu", 1, "cuda:0"), ("gpu:1", 2, "cuda:1")],
)
def test_the_device_of_the_settings(monkeypatch: pytest.MonkeyPatch, device: str, gpus: int, expected: str) -> None:
    """The setting "auto" takes the first GPU if there is one; "cpu" and a number are obeyed."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    assert str(torch_engine.torch_device(EngineSettings(device=device))) == expected


@pytest.mark.parametrize(("setting", "device", "expected"), [("auto", "cpu", "fp32"), ("auto", "cuda", "fp16"), ("bf16", "cuda", "bf16")])
def test_the_precision_of_the_settings(setting: str, device: str, expected: str) -> None:
    """The setting "auto" means fp16 on a GPU and fp32 on a CPU."""
    assert torch_engine._precision(setting, torch.device(device)) == expected  # noqa: SLF001


def test_a_gpu_that_cannot_run_the_network_is_an_error_of_the_engine(
    monkeypatch: pytest.MonkeyPatch, small_network_file: Path, tmp_path: Path
) -> None:
    """Too little memory, or a GPU that PyTorch was not built for, is reported with engine, window and remedy, in one line."""

    def fail(*_: object) -> Any:
        raise RuntimeError("CUDA error: no kernel image is available\nCompile with TORCH_USE_CUDA_DSA")

    monkeypatch.setattr(torch_engine, "on_arrays", fail)
    monkeypatch.setattr(torch_engine, "torch_device", lambda _: CUDA)
    monkeypatch.setattr(torch_engine, "placed", lambda network, *_: network)
    reason = "torch cuda fp32 cannot be opened for windows of 72 px: CUDA error: no kernel image is available"
    with pytest.raises(EngineError) as caught:
        TorchEngine(small_network_file, WINDOW, _settings(tmp_path, "fp32"))
    assert str(caught.value) == f"{reason}; [engine] device = 'cpu' does without the GPU"


def test_closing_does_not_disturb_a_running_call(small_network_file: Path, tmp_path: Path) -> None:
    """An engine that is closed while another thread calls it finishes that call or refuses it, and never crashes."""
    engine = TorchEngine(small_network_file, WINDOW, _settings(tmp_path, "fp32"))
    image, mask = smooth_window(WINDOW)
    outcomes: list[str] = []

    def work() -> None:
        try:
            engine(image, mask)
            outcomes.append("done")
        except EngineError as error:
            outcomes.append(str(error))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    engine.close()
    for thread in threads:
        thread.join()
    assert set(outcomes) <= {"done", "the engine was closed"}
