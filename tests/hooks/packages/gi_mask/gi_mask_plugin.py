"""A mask source of a third party: white pixels are missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gi_plugin.arrays import Array, Bools
from gi_plugin.hooks.spec import Option, hookimpl


@hookimpl
def plugin_options() -> list[Option]:
    """Name the option."""
    return [Option("level", 255, "lowest level that counts as white")]


@hookimpl
def make_mask(image: Array, options: Mapping[str, Any]) -> Bools:
    """Mark white pixels."""
    return (image >= options["white"]["level"]).all(axis=2)
