"""Memory use for a photo of 108 megapixels."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gi_plugin.config import CACHE_VARIABLE

HEIGHT, WIDTH = 9_000, 12_000
INPUT = OUTPUT = HEIGHT * WIDTH * 3
MASK = HEIGHT * WIDTH
ALLOWANCE = 2**30  # Python, the libraries, the compiled network and one window

MASKS = (  # square holes: top, left, side
    [(10, 10, 200), (5000, 6000, 200), (8790, 11790, 200)],
    [(3000, 4000, 1500)],
    [(1000, 3000, 4000)],
)

# The process's own peak is VmHWM; getrusage's ru_maxrss would start at the peak of the process that started it.
SCRIPT = """
import json, sys
import numpy as np
from gi_plugin.config import Config, EngineSettings
from gi_plugin.inpainter import Inpainter

height, width, masks = json.loads(sys.argv[1])
image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
inpainter = Inpainter(Config(engine=EngineSettings(backend="openvino", threads=2)))
for holes in masks:
    mask = np.zeros((height, width), bool)
    for top, left, side in holes:
        mask[top : top + side, left : left + side] = True
    result = inpainter(image, mask)
    with open("/proc/self/status") as status:
        peak = next(1024 * int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
    filled = [bool((result[y : y + side, x : x + side] != image[y : y + side, x : x + side]).any()) for y, x, side in holes]
    result[mask] = image[mask]
    kept = all(np.array_equal(result[row : row + 500], image[row : row + 500]) for row in range(0, height, 500))
    print(json.dumps({"peak": peak, "kept": kept, "filled": filled}))
    del mask, result
"""


@pytest.mark.slow
def test_memory_is_input_output_and_a_constant(tmp_path: Path) -> None:
    """With small holes, one of 1,500 px or one of 4,000 px, the process never uses more than image, mask, result and 1 GiB."""
    command, environment = [sys.executable, "-c", SCRIPT, json.dumps([HEIGHT, WIDTH, MASKS])], {**os.environ, CACHE_VARIABLE: str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr
    for holes, line in zip(MASKS, done.stdout.splitlines(), strict=True):
        report = json.loads(line)
        assert report["kept"]
        assert report["filled"] == [True] * len(holes)
        assert report["peak"] <= INPUT + OUTPUT + MASK + ALLOWANCE
