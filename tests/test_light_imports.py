"""What is heavy is imported late: a host that loads our plugin, or a user who asks for help, pays for no engine."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from tests import product

GPU = {"tensorrt", "tensorrt_rtx", "pycuda", "cuda", "triton"}
HEAVY = GPU | {"torch", "openvino", "onnx", "onnxscript", "safetensors", "tensorboard", "ray", "gradio", "scipy", "skimage", "tifffile"}
SLOWEST = 0.2  # seconds; typical is a tenth of it
STARTS = {
    "the library": "import gi_plugin",
    "a host that loads the plugin": "import gi_plugin.hooks.plugin",
    "a host that lists its plugins": "from gi_plugin.hooks.listing import list_plugins; list_plugins()",
    "a run over picture files": "import gi_plugin.pipeline",
    "gi-plugin --help": "import gi_plugin.cli; gi_plugin.cli.main()",
    "gi-plugin inpaint --help": "import gi_plugin.cli; gi_plugin.cli.main()",
    "gi-plugin export --help": "import gi_plugin.cli; gi_plugin.cli.main()",
}
ALLOWED = {  # file: what it imports at its start, beside torch in train/
    "engines/attention_kernel.py": {"triton"},
    "engines/gpu_check.py": {"torch"},
    "engines/torch_attention.py": {"torch"},
    "engines/torch_engine.py": {"torch"},
    "gi_plugin/bench_pictures.py": {"skimage"},
    "gi_plugin/demo.py": {"skimage"},
    "gi_plugin/openvino_core.py": {"openvino"},
    "hooks/web_layout.py": {"gradio"},
    "train/attention_function.py": {"onnxscript"},
    "train/checkpoint.py": {"safetensors"},
    "train/export.py": {"onnx"},
    "train/masks.py": {"scipy"},
    "train/metrics.py": {"skimage"},
    "train/region_functions.py": {"onnxscript"},
}


def _run(code: str, *arguments: str, folder: Path) -> str:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120, cwd=folder).stdout


@pytest.mark.parametrize("start", STARTS)
def test_no_engine_is_imported(tmp_path: Path, start: str) -> None:
    """After each of these starts none of the heavy packages is in `sys.modules`."""
    code = f"import atexit, sys; atexit.register(lambda: print('imported:', *sys.modules))\n{STARTS[start]}"
    output = _run(code, *start.split()[1:], folder=tmp_path)
    imported = output.splitlines()[-1].removeprefix("imported: ").split()
    assert "gi_plugin" in imported
    assert ("Usage" in output) == ("--help" in start)
    assert HEAVY & {name.split(".")[0] for name in imported} == set()


def test_the_import_is_quick(tmp_path: Path) -> None:
    """The best of five `import gi_plugin` stays within a bound that any import of an engine would break."""
    code = "import time; start = time.perf_counter(); import gi_plugin; print(time.perf_counter() - start)"
    assert min(float(_run(code, folder=tmp_path)) for _ in range(5)) < SLOWEST


def test_heavy_packages_stand_in_their_files() -> None:
    """At the start of a file a heavy package is imported only where the table has it; everything else imports it in a function."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in product.files().values():
        name = path.relative_to(product.ROOT).as_posix()
        for package in {imported.split(".")[0] for imported in product.imported(product.tree(path), at_start=True)} & HEAVY:
            if not (package == "torch" and name.startswith("train/")):
                found[name].add(package)
    assert found == ALLOWED
