"""The GPU's part of the transfer without a GPU: memory, order and arguments of the launches, and when the GPU is used.

`cuda_stand_in` simulates PyCUDA. A kernel is replaced by the numpy function that `test_kernels` compares it with; like on a GPU it gets
addresses, and it runs when the stream is waited for.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from gi_plugin.config import Config, EngineSettings
from gi_plugin.engines.gpu import memory as cuda_memory
from gi_plugin.engines.gpu.ahead_of_time import CompiledKernel
from gi_plugin.engines.gpu.driver import Gpu
from gi_plugin.engines.search import rounds
from gi_plugin.engines.search.compile import BLOCKS, signature
from gi_plugin.engines.search.rounds import GpuRounds, open_rounds
from gi_plugin.errors import EngineError, EngineMissing
from gi_plugin.inpainter import Inpainter
from gi_plugin.transfer import numpy_kernels, transfer
from gi_plugin.transfer.arrays import ONE, Estimate, Sources
from gi_plugin.transfer.matching import Start, run_rounds
from tests.engines.gpu import cuda_stand_in
from tests.gi_plugin.transfer import scenes

TYPES = {"*i16": np.int16, "*u8": np.uint8, "*i32": np.int32, "*fp32": np.float32}
MIN_WEIGHT = np.float32(1e-6)


class NumpyKernel:
    """A kernel by its numpy function. The box around the hole ends where its last target's patch ends."""

    gpu: cuda_stand_in.Gpu

    def __init__(self, _cubin: bytes, name: str, threads: int, _shared_bytes: int) -> None:
        self._form, self._threads = name, threads

    def launch(self, grid: tuple[int, int, int], stream: int, arguments: list[tuple[Any, Any]]) -> None:
        """Queue the function."""
        values = dict(zip(signature(self._form.partition(" ")[0]), (value for value, _ in arguments), strict=True))
        count = values.get("count", 1)
        assert grid == (-(-count // BLOCKS[self._form]), 1, 1)
        self.gpu.streams[stream].add(lambda: getattr(self, f"_{self._form.partition(' ')[0]}")(values))

    def _array(self, values: dict[str, Any], name: str, *shape: int) -> npt.NDArray[Any]:
        kinds = {key: kind for form in BLOCKS for key, kind in signature(form.partition(" ")[0]).items() if kind.startswith("*")}
        dtype = np.dtype(TYPES[kinds[name]])
        return self.gpu.at(values[name], int(np.prod(shape)) * dtype.itemsize).view(dtype).reshape(shape)

    def _search(self, values: dict[str, Any]) -> None:
        rows, columns, width, guided = values["rows"], values["columns"], values["width"], self._form == "search guided"
        targets = self._array(values, "targets", values["count"])
        height = int(targets.max()) // width + 3
        low = self._array(values, "low", rows, columns, 3) if guided else None
        goal = self._array(values, "goal", height, width, 3) if guided else None
        valid = self._array(values, "valid", rows, columns).view(np.bool_)
        sources = Sources(self._array(values, "planes", rows, columns, 5), valid, low, values["pull"] * ONE * ONE)
        estimate = Estimate(self._array(values, "estimate", height, width, 5), self._array(values, "weight", height, width), goal)
        field = self._array(values, "field", height, width, 2)
        found, cost = numpy_kernels.search(sources, estimate, field, values["radius"], values["seed"] % 2**32)
        self._array(values, "found", height * width, 2)[targets] = found.reshape(-1, 2)[targets]
        self._array(values, "cost", height * width)[targets] = cost.ravel()[targets]

    def _cost_scale(self, values: dict[str, Any]) -> None:
        targets = self._array(values, "targets", values["length"] * values["step"])[:: values["step"]]
        cost = self._array(values, "cost", int(targets.max()) + 1)
        self._array(values, "scale", 1)[:] = np.sort(cost[targets])[values["rank"]]

    def _vote_weights(self, values: dict[str, Any]) -> None:
        targets = self._array(values, "targets", values["count"])
        size = int(targets.max()) + 1
        cost, weights, scale = (self._array(values, name, length) for name, length in (("cost", size), ("weights", size), ("scale", 1)))
        weights[targets] = np.exp(cost[targets] * np.float32(-1 / max(float(scale[0]), 1e-6))) + MIN_WEIGHT

    def _vote(self, values: dict[str, Any]) -> None:
        width, pixels = values["width"], self._array(values, "pixels", values["count"])
        height = int(pixels.max()) // width + 5
        where = np.zeros(height * width, np.bool_)
        where[pixels] = True
        field, weights = self._array(values, "field", height, width, 2), self._array(values, "weights", height, width)
        rows = int(field[..., 0].max()) + 3
        planes = self._array(values, "planes", rows, values["columns"], 5)
        numpy_kernels.vote(planes, field, weights, where.reshape(height, width), self._array(values, "votes", height, width, 5))


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> cuda_stand_in.Gpu:
    """Simulate a GPU that runs our kernels."""
    gpu = cuda_stand_in.Gpu()
    pycuda = cuda_stand_in.pycuda(gpu)
    monkeypatch.setattr(cuda_memory, "_pycuda", lambda: pycuda)
    monkeypatch.setattr(NumpyKernel, "gpu", gpu, raising=False)
    monkeypatch.setattr(rounds, "Kernel", NumpyKernel)
    for name in ("current_gpu", "find_gpu"):
        monkeypatch.setattr(rounds, name, lambda *_: Gpu("Stand-in", "sm_89", "13.0"))
    code = {form: CompiledKernel(form, b"", "", 128, 0, 32, 0) for form in BLOCKS}
    monkeypatch.setattr(rounds, "compiled_kernels", lambda _arch, _cache: code)
    return gpu


SETTINGS = EngineSettings(device="gpu")


@pytest.mark.parametrize("guided", [False, True])
@pytest.mark.parametrize("seeds", [[7], [1, 2**31, 2**32 - 1]])
@pytest.mark.usefixtures("gpu")
def test_the_rounds_of_a_level_equal_those_of_the_cpu(seeds: list[int], *, guided: bool) -> None:
    """Field, weights and votes are those of the CPU after one and several rounds."""
    states = [scenes.state(11, guided=guided) for _ in range(2)]
    starts = [Start(sources, estimate, field, hole, 9) for sources, estimate, field, hole in states]
    expected, weights = run_rounds(starts[0], seeds, 1)
    found, found_weights = GpuRounds(SETTINGS)(starts[1], seeds)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(found_weights, weights)
    np.testing.assert_array_equal(starts[1].estimate.planes, starts[0].estimate.planes)


def test_a_whole_transfer_equals_that_of_the_cpu(gpu: cuda_stand_in.Gpu) -> None:
    """Holes of several sizes, one after the other and from several threads, get the pixels that the CPU gives; memory only grows."""
    cases = []
    for side in (20, 9, 30):
        image, hole = scenes.photo(side, 90, 84), scenes.block(90, 84, 30, 25, side, side)
        cases.append((image, hole, scenes.guide(image, hole, seed=side)))
    on_gpu = GpuRounds(SETTINGS)
    expected = [transfer(*case, threads=1).pixels for case in cases]
    found = [transfer(*case, threads=1, rounds=on_gpu).pixels for case in cases]
    with ThreadPoolExecutor(3) as pool:
        found += pool.map(lambda case: transfer(*case, threads=1, rounds=on_gpu).pixels, cases)
    for pixels, theirs in zip(found, expected * 2, strict=True):
        np.testing.assert_array_equal(pixels, theirs)
    assert len(gpu.memory) == 1
    on_gpu.close()
    assert gpu.memory == {}


def test_a_failing_gpu_is_an_error(gpu: cuda_stand_in.Gpu) -> None:
    """An error of the driver names the transfer."""
    on_gpu = GpuRounds(SETTINGS)
    gpu.fails = "copy"
    with pytest.raises(EngineError, match="the transfer failed on the GPU: an illegal memory access"):
        on_gpu(Start(*scenes.state(1), 9), [1])


@pytest.mark.parametrize(("device", "used"), [("auto", False), ("cpu", False), ("gpu", True), ("gpu:1", True)])
@pytest.mark.usefixtures("gpu")
def test_the_gpu_is_used_if_the_settings_name_one(device: str, *, used: bool) -> None:
    """Only [engine] device = "gpu…" moves the transfer to a GPU; an inpainter opens it once, at its first transfer."""
    config = Config(engine=EngineSettings(device=device))
    assert (open_rounds(config.engine) is not None) == used
    inpainter = Inpainter(config)
    first = inpainter._open_rounds()  # noqa: SLF001
    assert (first is not None) == used
    assert inpainter._open_rounds() is first  # noqa: SLF001
    inpainter.close()


def test_without_a_gpu_the_cpu_runs_the_transfer(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """If the GPU in the settings cannot be used, the transfer runs on the CPU, and the log has the reason."""

    def missing(_number: int) -> Gpu:
        raise EngineMissing("no CUDA GPU can be used: it is imaginary")

    monkeypatch.setattr(rounds, "find_gpu", missing)
    with caplog.at_level("INFO"):
        assert open_rounds(SETTINGS) is None
    assert caplog.messages == ["the transfer runs on the CPU: no CUDA GPU can be used: it is imaginary"]
