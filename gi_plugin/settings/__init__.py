"""The tables of plugin.toml as frozen dataclasses."""

from __future__ import annotations
