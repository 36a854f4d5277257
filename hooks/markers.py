"""The names under which hosts and plugins meet, the markers of hooks, and the description of an option."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pluggy

SPEC_VERSION = 2
PROJECT = "gi_plugin"
GROUP = "gi_plugin"  # entry-point group of plugins
NAME = "contextual-attention"  # our plugin

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@dataclass(frozen=True)
class Option:
    """An option of a plugin. Values must have the type of the default; if that is None, any type."""

    name: str
    default: Any
    help: str = ""
