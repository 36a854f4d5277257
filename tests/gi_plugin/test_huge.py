"""A photo of 108 megapixels: time and memory follow the holes, not the image."""

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

# The process's own peak is VmHWM; getrusage's ru_maxrss would start at the peak of the process that started it.
SCRIPT = """
import json, sys
import numpy as np
from gi_plugin.config import Config, EngineSettings
from gi_plugin.inpainter import Inpainter

height, width, holes = json.loads(sys.argv[1])
image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
mask = np.zeros((height, width), bool)
for top, left, side in holes:
    mask[top : top + side, left : left + side] = True
result = Inpainter(Config(engine=EngineSettings(backend="openvino", threads=1)))(image, mask)
with open("/proc/self/status") as status:
    peak = next(1024 * int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
kept = all(np.array_equal(result[row][~mask[row]], image[row][~mask[row]]) for row in range(height))
filled = [bool((result[y : y + side, x : x + side] != image[y : y + side, x : x + side]).any()) for y, x, side in holes]
print(json.dumps({"peak": peak, "kept": kept, "filled": filled}))
"""


@pytest.mark.slow
@pytest.mark.parametrize("holes", [[(10, 10, 200), (5000, 6000, 200), (8790, 11790, 200)], [(1000, 3000, 4000)]])
def test_memory_is_input_output_and_a_constant(tmp_path: Path, holes: list[tuple[int, int, int]]) -> None:
    """The peak of the whole process, Python and libraries included, is image, mask and result plus at most 1 GiB."""
    command, environment = [sys.executable, "-c", SCRIPT, json.dumps([HEIGHT, WIDTH, holes])], {**os.environ, CACHE_VARIABLE: str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["kept"]
    assert report["filled"] == [True] * len(holes)
    assert report["peak"] <= INPUT + OUTPUT + MASK + ALLOWANCE
