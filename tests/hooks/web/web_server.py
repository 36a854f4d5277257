"""`gi-plugin ui` in a process of its own, as a user would start it: what the tests of the web page talk to."""

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

from gi_plugin.config import CONFIG_VARIABLE

START = """
import os, sys

log = os.open(sys.argv.pop(1), os.O_WRONLY | os.O_CREAT | os.O_APPEND)

def note(event, arguments):
    if event == "socket.connect":
        os.write(log, f"{arguments[1]}\\n".encode())
    elif event == "socket.getaddrinfo":
        os.write(log, f"{arguments[:2]}\\n".encode())

sys.addaudithook(note)

from gi_plugin.cli import main

main()
"""
PATIENCE = 180  # seconds for a start on a busy machine, engines compiled


@dataclass(frozen=True)
class Server:
    """A running page."""

    address: str
    process: subprocess.Popen[bytes]
    folder: Path  # temporary files are in `folder / "tmp"`

    @property
    def calls(self) -> list[str]:
        """Hosts that the process looked up or connected to so far."""
        return (self.folder / "network.log").read_text(encoding="utf-8").splitlines()

    @property
    def peak(self) -> int:
        """Most memory that the process had so far, in bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert found
        return 1024 * int(found[1])

    def stop(self) -> int:
        """Ask the process to end, as Ctrl-C and `kill` do; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


def free_port() -> int:
    """A port of this machine on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start(folder: Path, settings: str, *arguments: str) -> subprocess.Popen[bytes]:
    """Run `gi-plugin ui` with settings of its own; what it says goes to `folder / "said.txt"`."""
    (folder / "tmp").mkdir(parents=True)
    (folder / "plugin.toml").write_text(settings, encoding="utf-8")
    command = [sys.executable, "-c", START, str(folder / "network.log"), "ui", *arguments]
    environment = {**os.environ, CONFIG_VARIABLE: str(folder / "plugin.toml"), "TMPDIR": str(folder / "tmp")}
    with (folder / "said.txt").open("wb") as said:
        return subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT, env=environment, cwd=folder)


@contextmanager
def running(folder: Path, settings: str) -> Iterator[Server]:
    """A server that answers, stopped at the end."""
    process = start(folder, settings, "--port", str(free_port()))
    try:
        yield Server(_address(process, folder / "said.txt"), process, folder)
    finally:
        process.kill()
        process.wait()


def _address(process: subprocess.Popen[bytes], said: Path) -> str:
    """The address that the server says it serves, once it does."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        if found := re.search(r"serving (http://\S+/)", said.read_text(encoding="utf-8")):
            return found[1]
        time.sleep(0.2)
    raise AssertionError(f"no page is served: {said.read_text(encoding='utf-8')}")
