"""The command `inpaint`: fill picture files."""

from __future__ import annotations

from .command import COMMANDS

__all__ = ["COMMANDS"]
