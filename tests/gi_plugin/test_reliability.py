"""Faults outside the program: many callers, signals, full disks, too little memory, wrong clocks."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gi_plugin.arrays import Bools, Bytes
from gi_plugin.config import Config, EngineSettings, ModelSettings
from gi_plugin.engines.cache import EngineCache
from gi_plugin.inpainter import Inpainter
from tests.gi_plugin.windows import COARSE

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("small_windows")]
THREADS, CALLS = 16, 2000
GROWTH = 64 * 2**20  # bytes by which memory may grow from the first fifth of the calls to the last


@pytest.fixture(scope="module")
def config(small_network_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Config:
    """Return settings with a small network, so that thousands of calls take seconds, and an engine cache for this file only."""
    engine = EngineSettings(backend="openvino", precision="fp32", cache=str(tmp_path_factory.mktemp("cache")))
    return Config(model=ModelSettings(path=str(small_network_file)), engine=engine)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Return the environment of a process without the user's settings and engines."""
    (tmp_path / "plugin.toml").touch()
    return {**os.environ, "GI_PLUGIN_CACHE": str(tmp_path / "cache"), "GI_PLUGIN_CONFIG": str(tmp_path / "plugin.toml")}


def _picture(seed: int) -> tuple[Bytes, Bools]:
    random = np.random.default_rng(seed)
    mask = np.zeros((256, 256), bool)
    top, left = random.integers(0, (240, 200))
    mask[top : top + 12, left : left + 10 + seed] = True
    return random.integers(0, 256, (256, 256, 3)).astype(np.uint8), mask


def _memory() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1]) * resource.getpagesize()


def test_sixteen_threads_call_one_plugin_two_thousand_times(config: Config) -> None:
    """Every result equals the result of a single call, and memory stops growing."""
    inpainter = Inpainter(config)
    pictures = [_picture(seed) for seed in range(8)]
    expected = [inpainter(*picture) for picture in pictures]

    def call(number: int) -> int:
        np.testing.assert_array_equal(inpainter(*pictures[number % 8]), expected[number % 8])
        return _memory()

    with ThreadPoolExecutor(THREADS) as pool:
        memory = list(pool.map(call, range(CALLS)))
    inpainter.close()
    assert max(memory[CALLS // 5 :]) - max(memory[: CALLS // 5]) < GROWTH


ENDLESS = """
import sys
import numpy as np
import gi_plugin

image, mask = np.zeros((400, 400, 3), np.uint8), np.zeros((400, 400), bool)
mask[100:300, 100:300] = True
gi_plugin.inpaint(image, mask)
print("ready", flush=True)
while True:
    gi_plugin.inpaint(image, mask)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_process_that_is_filling(environment: dict[str, str], number: signal.Signals) -> None:
    """A signal ends the process after the current call of the engine, with the signal's exit code and without a crash."""
    code = f"import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n{ENDLESS}"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == -number
    assert ("KeyboardInterrupt" in errors) == (number == signal.SIGINT)


def _limited(limit: int, size: int) -> None:
    resource.setrlimit(limit, (size, size))


@pytest.fixture
def files(tmp_path: Path) -> Iterator[list[str]]:
    """Return the arguments of a command that fills a picture of noise."""
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (400, 500, 3)).astype(np.uint8)).save(tmp_path / "photo.png")
    mask = np.zeros((400, 500), np.uint8)
    mask[100:300, 100:300] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    return [str(tmp_path / "photo.png"), str(tmp_path / "mask.png"), "-o", str(tmp_path / "filled.png")]


def _command(arguments: list[str], environment: dict[str, str], limit: int, size: int) -> subprocess.CompletedProcess[str]:
    """Run `gi-plugin inpaint` under a limit of the operating system."""
    code = "import gi_plugin.cli; gi_plugin.cli.main()"
    command = [sys.executable, "-c", code, "inpaint", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=120, env=environment, preexec_fn=lambda: _limited(limit, size)
    )  # the child process sets its own limit before it starts Python


def test_a_disk_without_room_for_the_result(tmp_path: Path, environment: dict[str, str], files: list[str]) -> None:
    """The command prints one line that names the file, exits with 1 or 2, and leaves no partial file."""
    done = _command(files, environment, resource.RLIMIT_FSIZE, 100_000)
    assert done.returncode in {1, 2}
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert "filled.png" in done.stderr.splitlines()[-1]
    assert sorted(path.name for path in tmp_path.glob("*.png*")) == ["mask.png", "photo.png"]


def test_a_disk_without_room_for_the_engine(tmp_path: Path, environment: dict[str, str], files: list[str]) -> None:
    """The picture is filled, a warning is printed, and the cache stays empty."""
    done = _command(files, environment, resource.RLIMIT_FSIZE, 2_000_000)
    assert done.returncode == 0
    assert "cannot be written" in done.stderr
    assert (tmp_path / "filled.png").is_file()
    assert not list((tmp_path / "cache").rglob("engine.bin"))


SCARCE = """
import resource
import numpy as np
import gi_plugin

image, mask = np.zeros((10_000, 10_000, 3), np.uint8), np.zeros((10_000, 10_000), bool)
mask[100:130, 100:130] = True
gi_plugin.inpaint(image[:400, :400], mask[:400, :400])
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 100 * 2**20, resource.RLIM_INFINITY))
try:
    gi_plugin.inpaint(image, mask)
except gi_plugin.EngineError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(gi_plugin.inpaint(image, mask).shape)
"""


def test_too_little_memory(environment: dict[str, str]) -> None:
    """Too little memory for a result raises an error that says what to do, and the next call works again."""
    done = subprocess.run([sys.executable, "-c", SCARCE], capture_output=True, text=True, check=True, timeout=120, env=environment)
    message, shape = done.stdout.splitlines()
    assert message.startswith("not enough memory to fill an image of shape (10000, 10000, 3): cut it into parts, lower [engine] batch, run")
    assert shape == "(10000, 10000, 3)"


@pytest.mark.parametrize("seconds", [0, 4e9], ids=["1970", "2096"])
def test_a_clock_that_jumped(config: Config, seconds: float) -> None:
    """Cached engines with a date far in the past or future are used."""
    first = Inpainter(config)
    expected = first(*_picture(0))
    first.close()
    cache = EngineCache(Path(config.engine.cache))
    (entry,) = [entry for entry in cache.entries() if entry.parts["window"] == str(COARSE)]
    for path in (*entry.folder.iterdir(), entry.folder):
        os.utime(path, (seconds, seconds))
    again = Inpainter(replace(config))
    np.testing.assert_array_equal(again(*_picture(0)), expected)
    again.close()
    assert [found.folder.stat().st_mtime for found in cache.entries() if found.key == entry.key] == [seconds]
