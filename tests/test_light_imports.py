"""Heavy packages are imported late: loading the plugin or printing the help imports no engine."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from tests import product

GPU = {"tensorrt", "tensorrt_rtx", "pycuda", "cuda", "triton"}
WEB = {"starlette", "uvicorn", "python_multipart"}
OTHERS = {"torch", "openvino", "onnx", "onnxscript", "safetensors", "tensorboard", "ray", "scipy", "skimage", "tifffile"}
HEAVY = GPU | WEB | OTHERS
STARTS = {
    "the library": "import gi_plugin",
    "a host that loads the plugin": "import gi_plugin.hooks.plugin",
    "a host that lists its plugins": "from gi_plugin.hooks.listing import list_plugins; list_plugins()",
    "a run over picture files": "import gi_plugin.folder_run.pipeline",
    "gi-plugin --help": "import gi_plugin.cli; gi_plugin.cli.main()",
    "gi-plugin inpaint --help": "import gi_plugin.cli; gi_plugin.cli.main()",
    "gi-plugin export --help": "import gi_plugin.cli; gi_plugin.cli.main()",
}
ALLOWED = {  # file: heavy packages that it imports at its start; torch in train/ is always allowed
    "engines/attention/kernel.py": {"triton"},
    "engines/transfer/kernels/blur.py": {"triton"},
    "engines/transfer/kernels/composition.py": {"triton"},
    "engines/transfer/kernels/level.py": {"triton"},
    "engines/transfer/kernels/pictures.py": {"triton"},
    "engines/transfer/kernels/search.py": {"triton"},
    "engines/transfer/kernels/votes.py": {"triton"},
    "gi_plugin/bench/gpu.py": {"torch"},
    "engines/attention/autograd.py": {"torch"},
    "engines/thin/torch_thin.py": {"torch"},
    "engines/torch_engine.py": {"torch"},
    "engines/gpu/recorded.py": {"torch"},
    "gi_plugin/openvino_core.py": {"openvino"},
    "hooks/web/access.py": {"starlette"},
    "hooks/web/answers.py": {"starlette"},
    "hooks/web/api.py": {"starlette"},
    "hooks/web/app.py": {"starlette"},
    "hooks/web/arriving.py": {"starlette"},
    "hooks/web/page.py": {"starlette"},
    "hooks/web/photos/stored.py": {"starlette"},
    "hooks/web/state.py": {"starlette"},
    "hooks/web/work.py": {"starlette"},
    "train/onnx_export/attention_function.py": {"onnxscript"},
    "train/checkpoint.py": {"safetensors"},
    "train/onnx_export/export.py": {"onnx"},
    "train/onnx_export/tracing.py": {"onnx"},
    "train/thin/export.py": {"onnx"},
    "train/evaluation/metrics.py": {"skimage"},
    "train/onnx_export/region_functions.py": {"onnxscript"},
}


def _run(code: str, *arguments: str, folder: Path) -> str:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120, cwd=folder).stdout


@pytest.mark.parametrize("start", STARTS)
def test_no_engine_is_imported(tmp_path: Path, start: str) -> None:
    """After each start in `STARTS`, `sys.modules` holds no heavy package."""
    code = f"import atexit, sys; atexit.register(lambda: print('imported:', *sys.modules))\n{STARTS[start]}"
    output = _run(code, *start.split()[1:], folder=tmp_path)
    imported = output.splitlines()[-1].removeprefix("imported: ").split()
    assert "gi_plugin" in imported
    assert ("Usage" in output) == ("--help" in start)
    assert HEAVY & {name.split(".")[0] for name in imported} == set()


def test_heavy_packages_are_imported_by_few_files() -> None:
    """Only the files in `ALLOWED` import heavy packages at their start; all others import them inside functions."""
    found: dict[str, set[str]] = defaultdict(set)
    for module, path in product.files().items():
        name = path.relative_to(product.ROOT).as_posix()
        for package in {imported.split(".")[0] for imported in product.imported_by(module, path, at_start=True)} & HEAVY:
            if not (package == "torch" and name.startswith("train/")):
                found[name].add(package)
    assert found == ALLOWED


def test_opening_an_engine_imports_no_converter(tmp_path: Path) -> None:
    """OpenVINO's converter, half of the import of OpenVINO, comes only when somebody else in the process calls it, and then works."""
    code = (
        "import sys, gi_plugin.openvino_core as core; from gi_plugin.network_file import THIN, network_path\n"
        "print('openvino.tools.ovc' in sys.modules, type(core.openvino.convert_model(network_path('', THIN))).__name__)"
    )
    assert _run(code, folder=tmp_path).splitlines()[-1] == "False Model"


def test_a_converter_that_is_there_stays(tmp_path: Path) -> None:
    """A process that has imported OpenVINO itself keeps its converter."""
    code = "import openvino; before = openvino.convert_model; import gi_plugin.openvino_core; print(openvino.convert_model is before)"
    assert _run(code, folder=tmp_path).splitlines()[-1] == "True"


def test_the_first_call_imports_little(tmp_path: Path) -> None:
    """Planning a hole imports neither masked arrays nor the package metadata, which many calls never need."""
    code = (
        "import sys, numpy as np; from gi_plugin.inpainter import Inpainter; from gi_plugin.options import Options\n"
        "mask = np.zeros((64, 64), bool); mask[20:40, 20:40] = True\n"
        "Inpainter().plan(mask, mask.shape, Options())\n"
        "print(sorted({'numpy.ma', 'importlib.metadata', 'email', 'tomllib'} & set(sys.modules)))"
    )
    assert _run(code, folder=tmp_path).splitlines()[-1] == "[]"
