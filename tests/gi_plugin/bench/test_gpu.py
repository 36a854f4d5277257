"""The GPU check, exercised on the CPU: its figures mean nothing there, its structure does. The CUDA rows have not been run on a GPU."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from gi_plugin.bench import gpu as gpu_check
from gi_plugin.bench.gpu import GpuRow
from gi_plugin.config import Config


@pytest.fixture(scope="module")
def rows() -> list[GpuRow]:
    """All rows of the smallest window; fp16 is slow on a CPU, so two calls each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gpu_check, "RUNS", 1)
        patch.setattr(gpu_check, "WARM", 1)
        return list(gpu_check.check(Config(), [72], "cpu", lambda _: None))


def test_every_form_has_a_row(rows: list[GpuRow]) -> None:
    """Attention step, PyTorch in both precisions, and both kinds of TensorRT."""
    assert [(row.what, row.precision) for row in rows] == [
        ("attention: PyTorch", "fp32"),
        ("PyTorch eager", "fp32"),
        ("PyTorch eager", "fp16"),
        ("tensorrt", "fp16"),
        ("tensorrt-rtx", "fp16"),
    ]
    assert {row.window for row in rows} == {72}


def test_rows_have_figures_or_say_why_not(rows: list[GpuRow]) -> None:
    """What ran has a time and a difference from fp32 that fits its precision; what could not run has a reason."""
    measured = {row.precision: row for row in rows if row.what == "PyTorch eager"}
    assert all(row.milliseconds and row.times_floor for row in measured.values())
    assert measured["fp32"].difference == pytest.approx(0, abs=1e-3)
    assert 0 < (measured["fp16"].difference or 0) < 0.5
    for row in rows[-2:]:
        assert (row.milliseconds is None) == bool(row.note)


def test_rates_are_of_the_right_order() -> None:
    """A matrix product runs at more than 0.1 and less than 1e6 GFLOP/s, a copy at more than 0.01 and less than 1e5 GB/s."""
    assert 1e8 < gpu_check._matrix_rate("cpu", torch.float32) < 1e15  # noqa: SLF001  # the floor rests on it
    assert 1e7 < gpu_check._copy_rate("cpu") < 1e14  # noqa: SLF001


def test_the_result_file_is_named_for_the_gpu() -> None:
    """Words joined by dashes, in small letters."""
    assert gpu_check.result_file(Path("docs"), "NVIDIA H200 NVL").as_posix() == "docs/gpu-nvidia-h200-nvl.json"


@pytest.mark.parametrize("row", [GpuRow("a", 256, "fp32"), GpuRow("b", 512, "fp16", 1.5, 2.0, 3.0, 0.1, "note")])
def test_rows_are_json(row: GpuRow) -> None:
    """Figures that are missing are null."""
    assert GpuRow(**json.loads(json.dumps(vars(row)))) == row
