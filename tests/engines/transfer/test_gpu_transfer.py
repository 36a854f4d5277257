"""The whole transfer on a simulated GPU, whose kernels Triton interprets: its result, its memory, and when the GPU is used."""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest

from gi_plugin.config import Config, EngineSettings
from gi_plugin.engines.gpu import memory
from gi_plugin.engines.gpu.driver import Gpu
from gi_plugin.engines.transfer import gpu_transfer
from gi_plugin.engines.transfer.composing import compose
from gi_plugin.engines.transfer.forms import BLOCKS
from gi_plugin.engines.transfer.gpu_transfer import GpuTransfer, open_transfer
from gi_plugin.engines.transfer.job import job_of
from gi_plugin.engines.transfer.launching import Launcher
from gi_plugin.engines.transfer.searching import search_levels
from gi_plugin.errors import Cancelled, EngineError, EngineMissing
from gi_plugin.inpainter import Inpainter
from gi_plugin.transfer import Transferred, schedule, transfer
from gi_plugin.transfer.arrays import go_on
from tests.engines.transfer import interpreted
from tests.engines.transfer.interpreted import simulated
from tests.engines.transfer.stages import CASES, Case, case
from tests.gi_plugin.transfer.scenes import block

SETTINGS = EngineSettings(device="gpu")
ROUNDS = (1, 2, 1)  # of search and vote: the interpreter is slow
NO_SOURCE = case(8, block(10, 9, 0, 0, 10, 8), 1)
NO_HOLE = case(9, block(20, 30, 0, 0, 0, 0), 1)


def _run(form: Callable[..., Transferred], given: Case) -> Transferred:
    return form(given.image, given.hole, given.guide, sources=given.sources, seed=given.seed, threads=1)


def _assert_equal(found: Transferred, expected: Transferred) -> None:
    np.testing.assert_array_equal(found.pixels, expected.pixels)
    np.testing.assert_array_equal(found.sources, expected.sources)


def _compare_whole_transfers() -> None:
    """Run transfers one after the other and from two threads, on one block of memory, which is kept unless it is large."""
    with simulated() as gpu, pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(2) as pool:
        patch.setattr(schedule, "ROUNDS", ROUNDS)
        on_gpu = GpuTransfer(SETTINGS)
        for given in (NO_HOLE, NO_SOURCE, CASES["odd sizes"]):
            _assert_equal(_run(on_gpu, given), _run(transfer, given))
        together = [CASES["at the edge, chosen sources"], CASES["smaller than a cell"]]
        for given, found in zip(together, pool.map(lambda given: _run(on_gpu, given), together), strict=True):
            _assert_equal(found, _run(transfer, given))
        assert len(gpu.memory) == 1
        patch.setattr(memory, "MOST_KEPT", 1000)
        _assert_equal(_run(on_gpu, CASES["smaller than a cell"]), _run(transfer, CASES["smaller than a cell"]))
        assert gpu.memory == {}
        for _ in range(2):  # once more does nothing
            on_gpu.close()
        assert (gpu.alive["Kernel"], gpu.alive["Stream"]) == (0, 0)
        with pytest.raises(EngineError, match="the engine was closed"):
            _run(on_gpu, CASES["smaller than a cell"])


def test_a_whole_transfer_equals_that_of_the_cpu(interpreting: ProcessPoolExecutor) -> None:
    """Pixels and sources of all cases are equal bit by bit, since the interpreter computes the exponential as numpy does."""
    interpreting.submit(_compare_whole_transfers).result()


def test_a_transfer_takes_few_launches() -> None:
    """Every round takes three, all else together fewer than a hundred, for a hole of 224 px at 512 px: a launch costs microseconds."""
    given = case(3, block(512, 512, 144, 144, 224, 224), 4)
    job = job_of(*given, threads=1)
    assert job is not None
    launched: list[str] = []
    kernels = {form: SimpleNamespace(relaunch=lambda *_, form=form: launched.append(form)) for form in BLOCKS}
    launch = Launcher(kernels, 0, defaultdict(int))  # type: ignore[arg-type]  # has what is used of a kernel
    search_levels(job, launch, go_on)
    compose(job, launch, go_on)
    rounds = sum(level.step.rounds for level in job.levels)
    assert rounds == sum(schedule.ROUNDS[:5])
    assert [launched.count(form) for form in ("cost_scale", "vote priced")] == [rounds] * 2
    assert sum(form.startswith("search") for form in launched) == rounds
    assert len(launched) - 3 * rounds < 100


def test_a_failing_gpu_is_an_error() -> None:
    """An error of the driver names the transfer."""
    with simulated() as gpu:
        on_gpu = GpuTransfer(SETTINGS)
        gpu.fails = "copy"
        with pytest.raises(EngineError, match="the transfer failed on the GPU: an illegal memory access"):
            _run(on_gpu, CASES["odd sizes"])


def test_a_gpu_with_little_memory_leaves_the_transfer_to_the_cpu(caplog: pytest.LogCaptureFixture) -> None:
    """The result is that of the CPU, and the log has the reason."""
    with simulated() as gpu, caplog.at_level(logging.WARNING):
        on_gpu = GpuTransfer(SETTINGS)
        gpu.fails = "memory"
        _assert_equal(_run(on_gpu, CASES["odd sizes"]), _run(transfer, CASES["odd sizes"]))
    assert caplog.messages == ["the transfer runs on the CPU: the GPU has too little memory: cuMemAlloc failed: out of memory"]


def test_a_transfer_on_a_gpu_can_be_cancelled() -> None:
    """It asks between its steps whether to go on, at least once per level, and what is raised then ends it."""
    given = CASES["odd sizes"]
    for last in range(1, 6):
        asked = []

        def check(last: int = last, asked: list[int] = asked) -> None:
            asked.append(1)
            if len(asked) == last:
                raise Cancelled

        with simulated(), pytest.raises(Cancelled):
            GpuTransfer(SETTINGS)(given.image, given.hole, given.guide, check=check)
        assert len(asked) == last


@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_the_gpu_is_used_only_if_the_settings_name_it(device: str) -> None:
    """Without a GPU in [engine] device the transfer stays on the CPU, also if there is a GPU."""
    with simulated():
        assert open_transfer(EngineSettings(device=device)) is None


def _open_twice() -> None:
    with simulated(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(schedule, "ROUNDS", ROUNDS)
        inpainter = Inpainter(Config(engine=EngineSettings(device="gpu:1")))
        first = inpainter._open_transfer()  # noqa: SLF001
        assert isinstance(first, GpuTransfer)
        assert inpainter._open_transfer() is first  # noqa: SLF001
        inpainter.close()


def test_an_inpainter_opens_the_gpu_once(interpreting: ProcessPoolExecutor) -> None:
    """The GPU that the settings name passes the check of its results, and serves all calls."""
    interpreting.submit(_open_twice).result()


def _open_a_wrong_gpu() -> tuple[bool, list[str]]:
    """Open a simulated GPU that leaves out one kernel: whether it is used, and what the log says."""
    run, said = interpreted.run, list[str]()
    with simulated() as gpu, pytest.MonkeyPatch.context() as patch:
        patch.setattr(schedule, "ROUNDS", ROUNDS)
        patch.setattr(interpreted, "run", lambda form, *rest: None if form == "finish" else run(form, *rest))
        patch.setattr(gpu_transfer.log, "warning", lambda *message: said.append(message[0] % message[1:]))
        used = open_transfer(SETTINGS) is not None
        assert gpu.memory == {}
    return used, said


def test_a_gpu_with_wrong_results_is_not_used(interpreting: ProcessPoolExecutor) -> None:
    """The transfer runs on the CPU, the log says why, and the GPU's memory is released."""
    used, said = interpreting.submit(_open_a_wrong_gpu).result()
    assert not used
    assert [re.sub(r"[0-9.]+ of", "N of", message) for message in said] == [
        "the transfer runs on the CPU: on this GPU the fill of a test picture differs from the CPU's by N of 255 on average"
    ]


def test_a_gpu_that_fails_when_it_is_opened_is_not_used(caplog: pytest.LogCaptureFixture) -> None:
    """The transfer runs on the CPU, and the log has the driver's words."""
    with simulated() as gpu, caplog.at_level(logging.WARNING):
        gpu.fails = "copy"
        assert open_transfer(SETTINGS) is None
    assert caplog.messages == ["the transfer runs on the CPU: the transfer failed on the GPU: an illegal memory access was encountered"]


def test_without_a_gpu_the_cpu_runs_the_transfer(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """If the GPU in the settings cannot be used, the transfer runs on the CPU, and the log has the reason."""

    def missing(_number: int) -> Gpu:
        raise EngineMissing("no CUDA GPU can be used: it is imaginary")

    monkeypatch.setattr(gpu_transfer, "find_gpu", missing)
    with caplog.at_level("INFO"):
        assert open_transfer(SETTINGS) is None
    assert caplog.messages == ["the transfer runs on the CPU: no CUDA GPU can be used: it is imaginary"]
