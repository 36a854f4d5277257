"""The hook in several processes: the behaviour under fork, spawn and forkserver that docs/hosts.md describes."""

from __future__ import annotations

import json
import multiprocessing
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

HOST = """
import json, multiprocessing, sys
from multiprocessing import forkserver
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


def answers():
    found = {}
    for method in multiprocessing.get_all_start_methods():
        with multiprocessing.get_context(method).Pool(2) as pool:
            found[method] = set(pool.map(fill, range(4)))
    forkserver._forkserver._stop()  # so that the next one starts from this process as it is then
    return found


if __name__ == "__main__":
    before = answers()
    expected = fill(0)
    after = answers()
    as_text = lambda found: {method: "same" if given == {expected} else str(given) for method, given in found.items()}
    print(json.dumps({"before": as_text(before), "after": as_text(after)}))
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """Run a host whose workers fill a picture, before and after the host's own first fill.

    :return: by "before" or "after" and start method, "same" if all workers returned the host's pixels; otherwise their answers.
    """
    folder = tmp_path_factory.mktemp("host")
    (folder / "host.py").write_text(HOST, encoding="utf-8")
    command = [sys.executable, "-W", "ignore", str(folder / "host.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, cwd=folder)
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, str]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    ("method", "when", "answer"),
    [
        ("spawn", "before", "same"),
        ("spawn", "after", "same"),
        ("forkserver", "before", "same"),
        ("forkserver", "after", "same"),
        ("fork", "before", "same"),
        ("fork", "after", "start workers by 'spawn' or 'forkserver'"),
    ],
)
def test_workers_fill_or_are_told(answers: dict[str, dict[str, str]], method: str, when: str, answer: str) -> None:
    """Workers return the host's pixels for every start method; workers forked after the host's first fill get an error, not a deadlock."""
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system has no {method}")
    assert answer in answers[when][method]
