"""Run `gi-plugin ui` or `gi-plugin serve` in a separate process, as a user would start it, for the tests of the page and the API."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gi_plugin.config import CACHE_VARIABLE, CONFIG_VARIABLE

START = """
import os, sys, time

folder = sys.argv.pop(1)
log = os.open(f"{folder}/network.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

def note(event, arguments):
    if event == "socket.connect":
        os.write(log, f"{arguments[1]}\\n".encode())
    elif event == "socket.getaddrinfo":
        os.write(log, f"{arguments[:2]}\\n".encode())

sys.addaudithook(note)

from gi_plugin.cli import main
from gi_plugin.inpainter import Inpainter

run = Inpainter.run

def run_unless_held(*arguments):
    while os.path.exists(f"{folder}/hold"):
        open(f"{folder}/held", "w").close()
        time.sleep(0.02)
    return run(*arguments)

Inpainter.run = run_unless_held
main()
"""
LIMIT = 2_000_000  # pixels of a photo
SETTINGS = f"[hook]\nmax_pixels = {LIMIT}\n"
PATIENCE = 180  # seconds: limit for a start on a busy machine, with compiling the engines


@dataclass(frozen=True)
class PageServer:
    """A running server."""

    address: str
    process: subprocess.Popen[bytes]
    folder: Path  # its temporary files are in `folder / "tmp"`

    @property
    def calls(self) -> list[str]:
        """Addresses that the process has looked up or connected to so far."""
        return (self.folder / "network.log").read_text(encoding="utf-8").splitlines()

    @property
    def peak(self) -> int:
        """Peak memory of the process so far, in bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert found
        return 1024 * int(found[1])

    def stop(self) -> int:
        """Send SIGTERM and return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    @contextmanager
    def hold(self) -> Iterator[Path]:
        """Make every fill wait until the end of the `with` block; the file that is returned exists once a fill waits."""
        held = self.folder / "held"
        (self.folder / "hold").touch()
        try:
            yield held
        finally:
            (self.folder / "hold").unlink()
            held.unlink(missing_ok=True)


def free_port() -> int:
    """Return a free port of this machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start(folder: Path, settings: str, engine_cache: str, *arguments: str, command: str = "ui") -> subprocess.Popen[bytes]:
    """Start a command with its own settings file; its output goes to `folder / "output.txt"`."""
    (folder / "tmp").mkdir(parents=True)
    (folder / "plugin.toml").write_text(settings, encoding="utf-8")
    words = [sys.executable, "-c", START, str(folder), command, *arguments]
    environment = {**os.environ, CACHE_VARIABLE: engine_cache, CONFIG_VARIABLE: str(folder / "plugin.toml"), "TMPDIR": str(folder / "tmp")}
    with (folder / "output.txt").open("wb") as output:
        return subprocess.Popen(words, stdout=output, stderr=subprocess.STDOUT, env=environment, cwd=folder)


@contextmanager
def running(folder: Path, settings: str, engine_cache: str, *arguments: str, command: str = "ui") -> Iterator[PageServer]:
    """Start a server, wait until it answers, and end it after the `with` block."""
    process = start(folder, settings, engine_cache, "--port", str(free_port()), *arguments, command=command)
    try:
        yield PageServer(_address(process, folder / "output.txt"), process, folder)
    finally:
        process.kill()
        process.wait()


def _address(process: subprocess.Popen[bytes], output: Path) -> str:
    """Wait for the line of the server's output that names its address."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        if found := re.search(r"serving (http://\S+)", output.read_text(encoding="utf-8")):
            return found[1]
        time.sleep(0.2)
    raise AssertionError(f"no page is served: {output.read_text(encoding='utf-8')}")
