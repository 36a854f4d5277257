"""An environment in which `import tensorrt` gives TensorRT's real Python package, on top of TensorRT-RTX's library.

TensorRT's own library is several gigabytes. Its Python package, `tensorrt_bindings`, is a small wheel that opens three libraries by name;
TensorRT-RTX's libraries have the same classes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest
import tensorrt_rtx_libs

COMPILER = shutil.which("gcc") or shutil.which("cc")
MODULES = {
    "tensorrt/__init__.py": "from tensorrt_bindings import *\nfrom tensorrt_bindings import __version__\n",
    "tensorrt/plugin/__init__.py": "from tensorrt_bindings.plugin import *\n",
}
STUB = "int initLibNvInferPlugins(void *logger, const char *space) { return 1; }"


def environment(folder: Path) -> dict[str, str]:
    """Make the environment in a folder. Without a C compiler the test that needs it is skipped."""
    if COMPILER is None:
        pytest.skip("there is no C compiler (gcc or cc) for the one-function library that TensorRT's Python asks for")
    libraries, major = Path(tensorrt_rtx_libs.__path__[0]), version("tensorrt-cu13-bindings").split(".")[0]
    links = {
        f"libnvinfer.so.{major}": "libtensorrt_rtx.so.1",
        f"libnvonnxparser.so.{major}": "libtensorrt_onnxparser_rtx.so.1",
        "libtensorrt_rtx.so": "libtensorrt_rtx.so.1",
    }
    for name, library in links.items():
        (folder / name).symlink_to(libraries / library)
    command = [COMPILER, "-shared", "-fPIC", "-x", "c", "-", "-o", str(folder / f"libnvinfer_plugin.so.{major}")]
    subprocess.run(command, input=STUB, text=True, check=True)
    for name, text in MODULES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return {**os.environ, "LD_LIBRARY_PATH": str(folder), "PYTHONPATH": str(folder)}
