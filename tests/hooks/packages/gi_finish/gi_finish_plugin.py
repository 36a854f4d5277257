"""A finishing step of a third party: the first channel of filled pixels gets a fixed level."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gi_plugin.arrays import Array, Bools
from gi_plugin.hooks.spec import Option, hookimpl


@hookimpl
def plugin_options() -> list[Option]:
    """Name the option."""
    return [Option("level", 3, "of the first channel")]


@hookimpl
def finish(mask: Bools, filled: Array, options: Mapping[str, Any]) -> Array:
    """Mark filled pixels."""
    result = filled.copy()
    result[mask, 0] = options["marked"]["level"]
    return result
