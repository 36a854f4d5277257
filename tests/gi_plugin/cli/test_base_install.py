"""The base install: the commands of users run without the packages of the extras, and what needs one names it."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests import product

EXTRAS = ("skimage", "scipy", "networkx", "imageio", "torch", "cv2", "matplotlib", "ray", "nncf", "onnxruntime")  # as modules
START = f"import sys; sys.modules.update(dict.fromkeys({EXTRAS})); sys.argv[0] = 'gi-plugin'; from gi_plugin.cli import main; main()"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, engine_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Change into a folder with a picture of a palette, its mask, and a folder of frames."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GI_PLUGIN_CACHE", str(engine_cache))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3)).astype(np.uint8)
    mask = np.zeros(noise.shape[:2], np.uint8)
    mask[10:40, 20:50] = mask[50:52, 60:70] = 255
    Path("frames").mkdir()
    Image.fromarray(noise).quantize(64).save("picture.png")
    Image.fromarray(noise).save("frames/a.png")
    Image.fromarray(mask).save("mask.png")


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", START, *arguments], capture_output=True, text=True, check=False, timeout=300, env=os.environ
    )


def test_the_blocked_packages_are_those_of_extras() -> None:
    """No package of the base install is blocked."""
    project = tomllib.loads((product.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {product.distribution(line) for line in project["dependencies"]} & {*EXTRAS, "scikit-image"} == set()


@pytest.mark.parametrize(
    "command",
    [
        "inpaint picture.png mask.png -o out.png --dilate 2 --attention-map map.png",
        "inpaint frames mask.png -o out",
        "demo -o demo.png",
        "doctor",
        "bench --window 128 --runs 1 --backend openvino",
    ],
)
def test_users_commands_need_no_extra(command: str) -> None:
    """Filling a picture of a palette with a grown hole and an attention map, a folder, the demo, the diagnosis and a benchmark run."""
    done = _run(*command.split())
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        ("inpaint frames mask.png -o out --sequence", "sequence"),
        ("inpaint picture.png --mask-from specks -o out.png", "specks"),
        ("train --data frames --steps 1", "train"),
        ("evaluate --data frames", "train"),
    ],
)
def test_a_missing_package_names_its_extra(command: str, extra: str) -> None:
    """One line holds the pip command."""
    done = _run(*command.split())
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
    assert f'pip install "gi-plugin[{extra}]"' in done.stderr
