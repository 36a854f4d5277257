"""The GPU check, run on the CPU: its rows, its formulas and its report."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from gi_plugin.bench import gpu as gpu_check, gpu_transfer
from gi_plugin.bench.gpu import GpuRow
from gi_plugin.config import Config, EngineSettings
from gi_plugin.engines.gpu import driver
from gi_plugin.engines.gpu.driver import Gpu
from gi_plugin.errors import EngineMissing
from gi_plugin.transfer import Guide, Transferred, transfer
from gi_plugin.transfer.arrays import Bools, Floats
from tests.gi_plugin.command import Cli

SECONDS = 0.25


def _not_built(*_: object) -> Any:
    raise EngineMissing("engines are not built in this test")


class Clock:
    """A clock by which every timed call takes SECONDS. It counts the floating-point operations of the calls."""

    def __init__(self) -> None:
        self.operations: list[int] = []

    def in_turns(self, calls: Mapping[str, Callable[[], object]], turns: int, _warm: int) -> dict[str, list[float]]:
        """Run every call once, instead of timing it."""
        for call in calls.values():
            with FlopCounterMode(display=False) as counter:
                call()
            self.operations.append(counter.get_total_flops())
        return {name: [SECONDS] * turns for name in calls}


class Checked(NamedTuple):
    """The rows of one check, and the operations of all timed calls."""

    rows: list[GpuRow]
    operations: list[int]


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Checked:
    """Check the smallest window. Because fp16 is slow on a CPU, this is done once, with one call per form."""
    clock = Clock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gpu_check, "in_turns", clock.in_turns)
        patch.setattr(gpu_check, "build_engine", _not_built)
        config = Config(engine=EngineSettings(cache=str(tmp_path_factory.mktemp("cache"))))
        rows = list(gpu_check.check(config, [72], "cpu", lambda _: None))
    return Checked(rows, clock.operations)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Replace the clock of the check."""
    clock = Clock()
    monkeypatch.setattr(gpu_check, "in_turns", clock.in_turns)
    return clock


def test_every_form_has_a_row(checked: Checked) -> None:
    """There are rows for the attention step, PyTorch in both precisions, and both TensorRT packages."""
    assert [(row.form, row.precision) for row in checked.rows] == [
        ("attention: PyTorch", "fp32"),
        ("PyTorch eager", "fp32"),
        ("PyTorch eager", "fp16"),
        ("tensorrt", "fp16"),
        ("tensorrt-rtx", "fp16"),
        ("transfer on the CPU", "int16"),
        ("whole call", "auto"),
    ]
    assert {row.window for row in checked.rows} == {72}


def test_rows_have_figures_or_a_reason(checked: Checked) -> None:
    """A form that ran has a time and a difference from fp32 that fits its precision; one that could not run has a reason."""
    measured = {row.precision: row for row in checked.rows if row.form == "PyTorch eager"}
    assert all(row.milliseconds and row.times_floor for row in measured.values())
    assert measured["fp32"].difference == pytest.approx(0, abs=1e-3)
    assert 0 < (measured["fp16"].difference or 0) < 0.5
    assert all(row.milliseconds for row in checked.rows[-2:])
    assert checked.rows[-1].note == "transfer on the CPU"  # a GPU that fails its check would leave it there, too
    for row in checked.rows[-4:-2]:
        assert (row.milliseconds, row.note) == (None, "engines are not built in this test")


@pytest.mark.usefixtures("clock")
def test_a_row_that_fails_does_not_end_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a row raises becomes its note, in one line, and the rows behind it are measured."""

    def fail(*_: object) -> Any:
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    monkeypatch.setattr(gpu_check, "load_network", fail)
    monkeypatch.setattr(gpu_check, "build_engine", _not_built)
    rows = list(gpu_check.check(Config(), [72, 80], "cpu", lambda _: None))
    failed, not_built = ["operation not permitted when stream is capturing"] * 2, ["engines are not built in this test"] * 2
    for window in (72, 80):
        attention, *others, transfer, call = [row for row in rows if row.window == window]
        assert None not in {attention.milliseconds, transfer.milliseconds, call.milliseconds}
        assert [row.note for row in others] == failed + not_built
        assert {row.milliseconds for row in others} == {None}


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.usefixtures("clock")
def test_without_a_gpu_every_row_of_one_has_a_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A PyTorch without CUDA, or a driver without a GPU, costs the rows that need them, and no row runs on the CPU in secret."""
    monkeypatch.setattr(gpu_check, "build_engine", _not_built)
    rows = list(gpu_check.check(Config(engine=EngineSettings(cache=str(tmp_path))), [72], "cuda", lambda _: None))
    ran = [row for row in rows if row.milliseconds is not None]
    assert [row.form for row in ran] == ["transfer on the CPU"]
    assert all(row.note and "\n" not in row.note for row in rows if row not in ran)


def test_differences_of_the_transfer_are_found() -> None:
    """The comparison of two transfers is all zeros for the CPU with itself, and has the differences of one that is wrong."""

    def wrong(image: Floats, hole: Bools, guide: Guide, **options: Any) -> Transferred:
        done = transfer(image, hole, guide, **options)
        assert done.sources is not None
        return Transferred(done.pixels + np.where(hole[..., None], np.float32(2 / 255), 0), done.sources + np.int32(1))

    zero, seeds = gpu_transfer.differences(72, transfer, 2).split("; ")
    assert zero == "from the CPU: 0.00% of the sources differ, pixels by 0.00 of 255"
    assert re.fullmatch(r"of two seeds: \d\d.\d\d% of the sources differ, pixels by \d+.\d\d of 255", seeds)
    found = gpu_transfer.differences(72, wrong, 2)
    assert found == f"from the CPU: 100.00% of the sources differ, pixels by 1.00 of 255; {seeds}"


def test_a_gpu_has_more_rows() -> None:
    """On a GPU there are also rows for the kernel, for CUDA graphs, and for the PyTorch engine in three precisions."""
    rows = [row for row, _ in gpu_check._stages(Config(), [256], gpu_check.Rates("cuda"))]  # noqa: SLF001
    assert [(row.form, row.precision) for row in rows] == [
        *((f"attention: {form}", "fp32") for form in ("PyTorch", "kernel", "kernel in a CUDA graph")),
        *((f"PyTorch {form}", kind) for kind in ("fp32", "fp16") for form in ("eager", "+ kernel", "+ kernel in a CUDA graph")),
        *(("torch", kind) for kind in ("fp32", "fp16", "bf16")),
        ("tensorrt", "fp16"),
        ("tensorrt-rtx", "fp16"),
        ("transfer on the CPU", "int16"),
        ("transfer on the GPU", "int16"),
        ("whole call", "auto"),
    ]


@pytest.mark.parametrize("kind", [torch.float32, torch.float16])
def test_the_matrix_rate_is_operations_per_second(clock: Clock, kind: torch.dtype) -> None:
    """The rate is the number of operations that PyTorch counts in the timed product, divided by its time."""
    rate = gpu_check.matrix_rate("cpu", kind)
    assert clock.operations == [2 * 256**3]
    assert rate == pytest.approx(clock.operations[0] / SECONDS)


@pytest.mark.usefixtures("clock")
def test_the_copy_rate_counts_reading_and_writing() -> None:
    """A copy of 4 MiB reads and writes 4 MiB each."""
    assert gpu_check.copy_rate("cpu") == pytest.approx(2 * 4 * 2**20 / SECONDS)


@pytest.mark.usefixtures("clock")
def test_a_row_has_the_median_and_its_ratio_to_the_floor() -> None:
    """The time is in milliseconds; without a floor there is no ratio, and on a CPU no GPU memory."""
    row = gpu_check.timed_row(GpuRow("form", 72, "fp32"), lambda: None, "cpu", SECONDS / 5)
    assert row == GpuRow("form", 72, "fp32", milliseconds=1e3 * SECONDS, times_floor=pytest.approx(5))
    assert gpu_check.timed_row(GpuRow("form", 72, "fp32"), lambda: None, "cpu", None).times_floor is None


def test_the_floor_of_the_network_is_its_operations_at_the_measured_rate(checked: Checked) -> None:
    """As all calls take the same time, a row's ratio to the floor is the operations of the matrix product / those of the network."""
    copy, _, product, network, product_fp16, network_fp16, _, _ = checked.operations
    assert (product_fp16, copy, network_fp16) == (product, 0, network)
    ratios = [row.times_floor for row in checked.rows if row.form == "PyTorch eager"]
    assert ratios == pytest.approx([product / network] * 2)


def test_the_result_file_is_named_after_the_gpu() -> None:
    """The words of the name are in lower case and joined by dashes."""
    assert gpu_check.result_file(Path("docs"), "NVIDIA H200 NVL").as_posix() == "docs/gpu-nvidia-h200-nvl.json"


def test_without_a_gpu_the_command_says_why(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is one line with the reason, and no file, which would have the name of no GPU."""

    def missing(_number: int) -> Gpu:
        raise EngineMissing("no CUDA GPU can be used: it is imaginary")

    monkeypatch.setattr(driver, "find_gpu", missing)
    result = cli("gpu", "--output", "results")
    assert (result.code, result.lines) == (2, ["error: no CUDA GPU can be used: it is imaginary"])
    assert not Path("results").exists()


def test_the_command_writes_the_report(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """`gi-plugin gpu` writes GPU and rows as JSON, with null for missing figures, and prints a table."""
    measured = [GpuRow("first form", 256, "fp32", note="no engine"), GpuRow("second form", 512, "fp16", 1.5, 2.0, 3.0, 0.125)]
    monkeypatch.setattr(driver, "find_gpu", lambda _: Gpu("Stand-in 1", "sm_89", "13.0"))
    monkeypatch.setattr(gpu_check, "check", lambda *_: iter(measured))
    result = cli("gpu", "--output", "results")
    assert (result.code, result.lines) == (0, ["wrote results/gpu-stand-in-1.json"])
    report = json.loads(Path("results/gpu-stand-in-1.json").read_text(encoding="utf-8"))
    assert report["gpu"] == {"name": "Stand-in 1", "capability": "sm_89", "driver": "13.0"}
    assert [GpuRow(**row) for row in report["rows"]] == measured
    assert report["rows"][0]["milliseconds"] is None
    assert all(text in result.out for text in ("first form", "no engine", "second form", "0.125"))
