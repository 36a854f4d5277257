"""The hook in several processes: what docs/hosts.md says of fork, spawn and forkserver."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

HOST = """
import multiprocessing, sys
import numpy as np
from gi_plugin import EngineError
from gi_plugin.hooks.host import Host

host = Host()
image = np.random.default_rng(0).integers(0, 256, (40, 50, 3)).astype(np.uint8)
mask = np.zeros((40, 50), bool)
mask[10:20, 10:30] = True


def fill(_number):
    try:
        return host.run(image, mask).image.tobytes()
    except EngineError as error:
        return str(error)


if __name__ == "__main__":
    method, parent_first = sys.argv[1], sys.argv[2] == "first"
    before = fill(0) if parent_first else None
    with multiprocessing.get_context(method).Pool(2) as pool:
        answers = set(pool.map(fill, range(4)))
    expected = before or fill(0)
    print("same" if answers == {expected} else answers)
"""


@pytest.mark.parametrize(
    ("method", "parent", "answer"),
    [
        ("spawn", "first", "same"),
        ("spawn", "later", "same"),
        ("forkserver", "first", "same"),
        ("forkserver", "later", "same"),
        ("fork", "later", "same"),
        ("fork", "first", "start workers by 'spawn' or 'forkserver'"),
    ],
)
def test_workers_fill_or_are_told(tmp_path: Path, method: str, parent: str, answer: str) -> None:
    """Workers give the parent's pixels however they were started, except those forked after a fill: they get an error, no deadlock."""
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system has no {method}")
    (tmp_path / "host.py").write_text(HOST, encoding="utf-8")
    command = [sys.executable, "-W", "ignore", str(tmp_path / "host.py"), method, parent]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert answer in done.stdout
