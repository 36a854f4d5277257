"""The hooks that a host calls and a plugin implements.

The specification grows by new hooks and new arguments only: pluggy lets an implementation accept fewer arguments than the
specification has. `SPEC_VERSION` says which ones there are.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import pluggy

from gi_plugin.arrays import Array

SPEC_VERSION = 1
PROJECT = "gi_plugin"
GROUP = "gi_plugin"  # entry-point group in which plugins are found

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec(firstresult=True)
def inpaint(image: Array, mask: Array, options: Mapping[str, Any]) -> Array | None:
    """Fill the hole of an image; the first plugin that does not return None has answered.

    :param image: HxW, HxWx1, HxWx3 or HxWx4; uint8, uint16, or float in [0, 1].
    :param mask: HxW or HxWx1, bool, integer or float, non-zero = missing.
    :param options: what the caller chose; `plugin` names the plugin that shall answer, the other keys are that plugin's own.
    :return: a new array of the image's shape and dtype, known pixels bit-identical; None to decline.
    """


@hookspec
def inpaint_backends() -> list[dict[str, Any]]:  # type: ignore[empty-body]  # a specification is not called
    """List what a plugin can run on here.

    :return: one record per backend, with at least `plugin`, `backend`, `available` (bool) and `reason` (str).
    """


def plugin_manager() -> pluggy.PluginManager:
    """A plugin manager of the `gi_plugin` project that knows these hooks; no plugin is registered yet."""
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(sys.modules[__name__])
    return manager
