"""Specification of the hooks that a host calls and a plugin implements.

New versions only add hooks and arguments: pluggy lets an implementation accept fewer arguments than the specification has. `SPEC_VERSION`
is the version of the specification.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import pluggy

from gi_plugin.arrays import Array

SPEC_VERSION = 1
PROJECT = "gi_plugin"
GROUP = "gi_plugin"  # entry-point group of plugins

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec(firstresult=True)
def inpaint(image: Array, mask: Array, options: Mapping[str, Any]) -> Array | None:
    """Fill the hole of an image. The first result that is not None is used; later plugins are not called.

    :param image: HxW, HxWx1, HxWx3 or HxWx4; uint8, uint16 or float (usually in [0, 1]).
    :param mask: HxW or HxWx1, bool, integer or float, non-zero = missing.
    :param options: `plugin` is the name of the plugin that must answer; the other keys are options of that plugin.
    :return: a new array of the image's shape and dtype with bit-identical known pixels; None to decline.
    """


@hookspec
def inpaint_backends() -> list[dict[str, Any]]:  # type: ignore[empty-body]  # a specification is not called
    """List the backends of a plugin and whether they can run on this machine.

    :return: one record per backend, with at least `plugin`, `backend`, `available` (bool) and `reason` (str).
    """


def plugin_manager() -> pluggy.PluginManager:
    """Create a plugin manager with these hooks and without plugins."""
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(sys.modules[__name__])
    return manager
