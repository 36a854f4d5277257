"""The builder's process: what happens when it refuses, dies, is cancelled, or is wanted twice at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gi_plugin import network_file
from gi_plugin.config import EngineSettings
from gi_plugin.engines.cache import EngineCache
from gi_plugin.engines.trt.builder import PORTABLE, Built, build_engine, request_of
from gi_plugin.engines.trt.package import TENSORRT_RTX
from gi_plugin.errors import EngineError

WINDOW = 72  # the smallest that the network takes
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


def _workers(directory: Path) -> list[int]:
    """Processes that build into a cache."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue  # it has ended
        if WORKER in command and any(part.startswith(str(directory)) for part in command):
            found.append(int(process.name))
    return found


def _until(true: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def _left(directory: Path) -> list[str]:
    """What lies in the cache apart from entries and their locks."""
    names = [path.name for path in (directory / "engines").iterdir()]
    return sorted(name for name in names if not name.endswith(".lock") and not (directory / "engines" / name / "engine.json").is_file())


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL])
def test_a_crash_of_the_builder_is_an_error_with_a_log(tmp_path: Path, number: signal.Signals) -> None:
    """The message names signal, phase and log; nothing is in the cache, and the next build succeeds."""

    def kill(phase: str) -> None:
        if phase == "Building engine":
            (worker,) = _workers(tmp_path)
            os.kill(worker, number)

    with pytest.raises(EngineError, match=rf"the tensorrt-rtx builder was ended by signal {int(number)} in phase '.+': ") as caught:
        _build(tmp_path, kill)
    (log,) = _left(tmp_path)
    assert str(caught.value).endswith(f"(log: {tmp_path / 'engines' / log})")
    assert EngineCache(tmp_path).entries() == []
    assert _build(tmp_path).new


@pytest.mark.slow
def test_a_refusal_of_the_builder_is_one_line(tmp_path: Path) -> None:
    """A target that TensorRT-RTX does not know: the message names it and those that it knows."""
    ended = _command(tmp_path, "--window", str(WINDOW), "--target", "sm_10")
    output, errors = ended.communicate(timeout=120)
    assert (ended.returncode, output, len(errors.splitlines())) == (2, "", 1)
    assert "knows no target 'sm_10': expected some of " in errors
    assert "sm_89" in errors
    assert EngineCache(tmp_path).entries() == []


@pytest.mark.slow
def test_an_exception_of_the_caller_ends_the_builder(tmp_path: Path) -> None:
    """Whatever leaves `build_engine` early takes the process with it."""

    class Enough(Exception):
        pass

    def stop(phase: str) -> None:
        if phase == "Building engine":
            raise Enough

    with pytest.raises(Enough):
        _build(tmp_path, stop)
    assert _workers(tmp_path) == []
    assert EngineCache(tmp_path).entries() == []


@pytest.mark.slow
def test_ctrl_c_ends_builder_and_command(tmp_path: Path) -> None:
    """A command that is cancelled leaves no process, no half of an entry, and no lock that the next one would wait for."""
    command = _command(tmp_path, "--window", str(WINDOW))
    _until(lambda: _workers(tmp_path))
    time.sleep(0.5)  # well into the worker's start or its build
    command.send_signal(signal.SIGINT)
    _, errors = command.communicate(timeout=60)
    assert command.returncode in {130, -signal.SIGINT}
    assert "Traceback" not in errors
    assert _workers(tmp_path) == []
    assert EngineCache(tmp_path).entries() == []
    assert [name for name in _left(tmp_path) if not name.endswith(".log")] == []
    assert _build(tmp_path).new


@pytest.mark.slow
def test_two_processes_build_one_engine_once(tmp_path: Path) -> None:
    """The second waits for the first and takes its engine."""
    commands = [_command(tmp_path, "--window", str(WINDOW)) for _ in range(2)]
    most = 0
    while any(command.poll() is None for command in commands):
        most = max(most, len(_workers(tmp_path)))
        time.sleep(0.01)
    errors = [command.communicate()[1] for command in commands]
    assert [command.returncode for command in commands] == [0, 0], errors
    assert sorted("already in the cache" in text for text in errors) == [False, True]
    assert all(f"tensorrt-rtx fp16, {WINDOW} px, attention as plugin: " in text for text in errors)
    assert all(f"runs on {' '.join(PORTABLE)}; not compared with fp32: there is no GPU here" in text for text in errors)
    assert most == 1
    assert len(EngineCache(tmp_path).entries()) == 1
    assert _left(tmp_path) == []


@pytest.mark.slow
def test_different_engines_are_built_at_once(tmp_path: Path) -> None:
    """Builds of two windows do not wait for each other, and each ends with its engine."""
    commands = [_command(tmp_path, "--window", str(window)) for window in (WINDOW, WINDOW + 8)]
    _until(lambda: len(_workers(tmp_path)) == 2)
    errors = [command.communicate(timeout=120)[1] for command in commands]
    assert [command.returncode for command in commands] == [0, 0], errors
    assert len(EngineCache(tmp_path).entries()) == 2
    assert _left(tmp_path) == []
