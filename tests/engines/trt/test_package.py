"""The builder with the package `tensorrt`: its real Python on top of TensorRT-RTX's library (see `tensorrt_python`).

The behaviour of TensorRT's own library on a GPU (timing, running engines) is not tested.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from gi_plugin import network_file
from gi_plugin.config import EngineSettings
from gi_plugin.engines.trt.build_request import PLAN, REQUEST, TIMINGS
from gi_plugin.engines.trt.builder import request_of
from gi_plugin.engines.trt.package import TENSORRT, TENSORRT_RTX
from tests import product
from tests.engines.trt import tensorrt_python

WINDOW = 72


def _work(environment: dict[str, str], folder: Path, layer: str) -> tuple[int, list[dict[str, Any]]]:
    """Run the builder's process; return its exit code and its messages."""
    folder.mkdir()
    request = request_of(network_file.network_path(""), WINDOW, EngineSettings(precision="fp16", layer=layer), TENSORRT)
    (folder / REQUEST).write_text(json.dumps(asdict(request)), encoding="utf-8")
    command = [sys.executable, "-m", "gi_plugin.engines.trt.worker", str(folder)]
    ended = subprocess.run(command, env=environment, cwd=product.ROOT, capture_output=True, text=True, check=False, timeout=120)
    return ended.returncode, [json.loads(line) for line in ended.stdout.splitlines()]


@pytest.mark.slow
def test_one_source_builds_with_both_packages(tmp_path: Path) -> None:
    """With TensorRT's Python, too, the network has our layer and the right precisions, and timings are stored for the next build."""
    library = tmp_path / "tensorrt-python"
    library.mkdir()
    environment = tensorrt_python.environment(library)
    for turn, (layer, scales) in enumerate([("plugin", [10.0]), ("native", [])]):
        code, messages = _work(environment, tmp_path / f"build-{turn}", layer)
        report = messages[-1]["report"]
        assert code == 0
        assert [entry["scale"] for entry in report["attention"]] == scales
        assert {"CONVOLUTION HALF", "CONVOLUTION FLOAT"} <= report["precisions"].keys()
        assert (tmp_path / f"build-{turn}" / PLAN).stat().st_size == report["bytes"]
        assert (tmp_path / TIMINGS).stat().st_size > 0


@pytest.mark.slow
def test_the_ahead_of_time_form_needs_the_gpu_at_build_time(tmp_path: Path) -> None:
    """The ahead-of-time form is compiled for this machine's GPU, so without a GPU the builder reports an error."""
    library = tmp_path / "tensorrt-python"
    library.mkdir()
    environment = {**tensorrt_python.environment(library), "CUDA_VISIBLE_DEVICES": ""}
    code, messages = _work(environment, tmp_path / "build", "aot")
    assert code == 1
    assert messages[-1]["error"].startswith("no CUDA GPU can be used")


def test_the_shared_library_is_found() -> None:
    """TensorRT-RTX's library, which the wheel has under a name with a version, is found; `tensorrt` does not need this."""
    found = TENSORRT_RTX.shared_library()
    assert found is not None
    assert found.name.startswith("libtensorrt_rtx.so.")
    assert TENSORRT.shared_library() is None
