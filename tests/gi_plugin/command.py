"""Helpers that run the command line in this process, through `main`, or in a new process."""

from __future__ import annotations

import subprocess
import sys
from typing import NamedTuple

import pytest

from gi_plugin.cli import main


class Result(NamedTuple):
    """Exit code and output of a command."""

    code: int
    out: str
    lines: list[str]  # of stderr


class Cli:
    """Runs `gi-plugin` in this process, through `main`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, *arguments: str) -> Result:
        """Run one command; the test fails if it raises anything but `SystemExit`."""
        self._monkeypatch.setattr(sys, "argv", ["gi-plugin", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = self._capsys.readouterr()
        code = ended.value.code or 0
        assert isinstance(code, int)
        return Result(code, captured.out, captured.err.splitlines())


def process(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `gi-plugin` in a new process."""
    return subprocess.run([sys.executable, "-m", "gi_plugin", *arguments], capture_output=True, text=True, check=False, timeout=300)
