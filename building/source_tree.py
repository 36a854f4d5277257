"""Lays out the package in a folder for an interpreter in which it is not installed, and installs nothing.

`python -m building.source_tree FOLDER` makes FOLDER, with links to the sources, fit for PYTHONPATH. It first checks that this interpreter
has the packages for training, and names those that are missing. It needs the standard library only.
"""

from __future__ import annotations

import runpy
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYTHON = (3, 11)
NEEDED = {  # module: package
    "PIL": "pillow",
    "cv2": "opencv-python-headless",
    "filelock": "filelock",
    "numpy": "numpy",
    "onnx": "onnx",
    "packaging": "packaging",
    "platformdirs": "platformdirs",
    "rich": "rich",
    "safetensors": "safetensors",
    "tensorboard": "tensorboard",
    "torch": "torch",
    "typer": "typer",
}


def missing(needed: dict[str, str]) -> list[str]:
    """Return the packages whose modules this interpreter does not have."""
    return [package for module, package in needed.items() if find_spec(module) is None]


def lay_out(folder: Path) -> None:
    """Make a folder with the package `gi_plugin`, all links to the checkout, and its metadata."""
    import tomllib  # noqa: PLC0415  # so that an older Python gets as far as the message below

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    shutil.rmtree(folder, ignore_errors=True)
    package, name = folder / "gi_plugin", project["project"]["name"]
    package.mkdir(parents=True)
    parts = {inside.rpartition(".")[2]: path for inside, path in project["tool"]["setuptools"]["package-dir"].items() if "." in inside}
    for source in [*(ROOT / "gi_plugin").iterdir(), *(ROOT / path for path in parts.values())]:
        (package / source.name).symlink_to(source)
    metadata = folder / f"{package.name}.dist-info" / "METADATA"
    metadata.parent.mkdir()
    version = runpy.run_path(str(ROOT / "gi_plugin" / "version.py"))["VERSION"]
    metadata.write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")


if __name__ == "__main__":
    if sys.version_info < PYTHON:
        sys.exit(f"{sys.executable} is Python {sys.version.split()[0]}, expected at least 3.11; choose another interpreter with PYTHON=…")
    absent = missing(NEEDED)
    if absent:
        sys.exit(f"{sys.executable} lacks: {' '.join(absent)}; install them, or choose another interpreter with PYTHON=…")
    lay_out(Path(sys.argv[1]))
