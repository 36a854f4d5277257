"""The command line under test: in this process, through `main`, or in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from typing import NamedTuple

import pytest

from gi_plugin.cli import main


class Result(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    lines: list[str]  # of stderr


class Cli:
    """Runs `gi-plugin` in this process, through `main`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, *arguments: str) -> Result:
        """Run one command; anything but an exit is a failure of the test."""
        self._monkeypatch.setattr(sys, "argv", ["gi-plugin", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = self._capsys.readouterr()
        code = ended.value.code or 0
        assert isinstance(code, int)
        return Result(code, captured.out, captured.err.splitlines())


def process(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `gi-plugin` in a process of its own."""
    return subprocess.run([sys.executable, "-m", "gi_plugin", *arguments], capture_output=True, text=True, check=False, timeout=300)
