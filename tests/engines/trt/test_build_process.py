"""The builder's process: errors, crashes, cancelling, and several builds at the same time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from gi_plugin import network_file
from gi_plugin.config import EngineSettings
from gi_plugin.engines.cache import EngineCache
from gi_plugin.engines.trt.build_request import REQUEST
from gi_plugin.engines.trt.builder import Built, build_engine, request_of
from gi_plugin.engines.trt.package import TENSORRT_RTX
from gi_plugin.errors import EngineError

WINDOW = 72  # the smallest that the network accepts
NETWORK = network_file.network_path("")
WORKER = "gi_plugin.engines.trt.worker"
COMMAND = (sys.executable, "-m", "gi_plugin", "build", "--backend", "tensorrt-rtx")


def _settings(directory: Path) -> EngineSettings:
    return EngineSettings(precision="fp16", layer="plugin", cache=str(directory))


def _build(directory: Path, progress: Callable[[str], None] = lambda _: None) -> Built:
    settings = _settings(directory)
    return build_engine(request_of(NETWORK, WINDOW, settings, TENSORRT_RTX), settings, progress)


def _command(directory: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "GI_PLUGIN_CACHE": str(directory), "HOME": str(directory), "XDG_CONFIG_HOME": str(directory)}
    command = [*COMMAND, "--precision", "fp16", *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _workers(directory: Path) -> dict[int, Path]:
    """Find the processes that build into a cache, each with its folder."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue  # it has ended
        if WORKER in command and any(part.startswith(str(directory)) for part in command):
            found[int(process.name)] = Path(command[command.index(WORKER) + 1])
    return found


def _windows(directory: Path) -> list[int]:
    """List the windows of the engines that are being built into a cache."""
    windows = []
    for folder in _workers(directory).values():
        with suppress(FileNotFoundError):  # the build has ended
            windows.append(json.loads((folder / REQUEST).read_text(encoding="utf-8"))["window"])
    return sorted(windows)


def _killing(directory: Path, number: signal.Signals) -> Callable[[str], None]:
    """Make a progress function that sends a signal to the builder during the build."""

    def kill(phase: str) -> None:
        if phase == "Building engine":
            (worker,) = _workers(directory)
            os.kill(worker, number)

    return kill


def _until(true: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "timeout"
        time.sleep(0.02)


def _left(directory: Path) -> list[str]:
    """List the files in the cache that are neither entries nor locks."""
    names = [path.name for path in (directory / "engines").iterdir()]
    return sorted(name for name in names if not name.endswith(".lock") and not (directory / "engines" / name / "engine.json").is_file())


@pytest.mark.slow
def test_a_crash_of_the_builder_is_an_error_with_a_log(tmp_path: Path) -> None:
    """After a crash the message names signal, phase and log file, the cache is empty, and the next build succeeds."""
    for number in (signal.SIGSEGV, signal.SIGKILL):
        with pytest.raises(EngineError, match=rf"the tensorrt-rtx builder was ended by signal {int(number)} in phase '.+': ") as caught:
            _build(tmp_path, _killing(tmp_path, number))
        (log,) = (tmp_path / "engines" / name for name in _left(tmp_path))
        assert str(caught.value).endswith(f"(log: {log})")
        log.unlink()
        assert EngineCache(tmp_path).entries() == []
    assert _build(tmp_path).new


@pytest.mark.slow
def test_an_unknown_target_is_one_line(tmp_path: Path) -> None:
    """For an unknown target the message names it and the targets that TensorRT-RTX knows."""
    ended = _command(tmp_path, "--window", str(WINDOW), "--target", "sm_10")
    output, errors = ended.communicate(timeout=120)
    assert (ended.returncode, output, len(errors.splitlines())) == (2, "", 1)
    assert "tensorrt-rtx does not support the compute capability sm_10; it supports sm_80" in errors
    assert "sm_89" in errors
    assert EngineCache(tmp_path).entries() == []


@pytest.mark.slow
def test_an_exception_of_the_caller_ends_the_builder(tmp_path: Path) -> None:
    """An exception in `build_engine` also ends the builder's process."""

    class Enough(Exception):
        pass

    def stop(phase: str) -> None:
        if phase == "Building engine":
            raise Enough

    with pytest.raises(Enough):
        _build(tmp_path, stop)
    assert _workers(tmp_path) == {}
    assert EngineCache(tmp_path).entries() == []


@pytest.mark.slow
def test_ctrl_c_ends_builder_and_command(tmp_path: Path) -> None:
    """A cancelled command leaves no process, no incomplete entry, and no lock that would block the next build."""
    command = _command(tmp_path, "--window", str(WINDOW))
    _until(lambda: _workers(tmp_path))
    time.sleep(0.5)  # during the start of the worker or its build
    command.send_signal(signal.SIGINT)
    _, errors = command.communicate(timeout=60)
    assert command.returncode in {130, -signal.SIGINT}
    assert "Traceback" not in errors
    assert _workers(tmp_path) == {}
    assert EngineCache(tmp_path).entries() == []
    assert [name for name in _left(tmp_path) if not name.endswith(".log")] == []
    assert _build(tmp_path).new


class Builds(NamedTuple):
    """Three commands that ran at the same time: two for one engine, one for another."""

    directory: Path
    messages: list[str]
    windows: list[list[int]]  # windows that were being built, at many moments


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> Builds:
    """Run the three commands and watch which engines are being built."""
    directory = tmp_path_factory.mktemp("cache")
    commands = [_command(directory, "--window", str(window)) for window in (WINDOW, WINDOW, WINDOW + 8)]
    windows = []
    while any(command.poll() is None for command in commands):
        windows.append(_windows(directory))
        time.sleep(0.01)
    messages = [command.communicate()[1] for command in commands]
    assert [command.returncode for command in commands] == [0, 0, 0], messages
    return Builds(directory, messages, windows)


@pytest.mark.slow
def test_two_processes_build_one_engine_once(builds: Builds) -> None:
    """Of two processes that need the same engine, one builds it and the other waits and uses it."""
    messages = builds.messages[:2]
    assert sorted("already in the cache" in text for text in messages) == [False, True]
    assert all(f"tensorrt-rtx fp16, {WINDOW} px, attention as plugin: " in text for text in messages)
    assert all(f"runs on {' '.join(TENSORRT_RTX.capabilities)}; not compared with fp32: there is no GPU here" in text for text in messages)
    assert max(windows.count(WINDOW) for windows in builds.windows) == 1


@pytest.mark.slow
def test_different_engines_are_built_at_the_same_time(builds: Builds) -> None:
    """Builds of two windows do not wait for each other, and the cache has both engines and no temporary files."""
    assert [WINDOW, WINDOW + 8] in builds.windows
    assert "already in the cache" not in builds.messages[2]
    assert sorted(int(entry.parts["window"]) for entry in EngineCache(builds.directory).entries()) == [WINDOW, WINDOW + 8]
    assert _left(builds.directory) == []
