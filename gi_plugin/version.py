"""The version of gi-plugin. pyproject.toml takes it from here; to ask the installed metadata would take 15 ms of every start."""

from __future__ import annotations

VERSION = "0.1.0"
