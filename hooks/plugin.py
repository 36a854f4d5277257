"""Our plugin: the entry point that hosts load.

It imports only the standard library, numpy and pluggy, so that it neither slows down nor breaks the start of a host. The first call with a
hole opens an engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import pluggy

from gi_plugin.arrays import Array

from .spec import SPEC_VERSION, hookimpl

NAME = "contextual-attention"
spec_version = SPEC_VERSION


@hookimpl
def inpaint(image: Array, mask: Array, options: Mapping[str, Any] | None) -> Array | None:
    """Fill the hole with the contextual-attention network: see `gi_plugin.inpaint`.

    :return: the filled image; None (declined) if `options["plugin"]` names another plugin.
    """
    own_options = dict(options or {})
    if own_options.pop("plugin", NAME) != NAME:
        return None
    from gi_plugin.inpainter import default_inpainter  # noqa: PLC0415  # heavy: imported by the first call
    from gi_plugin.options import Options  # noqa: PLC0415  # as above

    return default_inpainter().run(image, mask, Options.of(own_options)).image


@hookimpl
def inpaint_backends() -> list[dict[str, Any]]:
    """List our backends in order of preference."""
    from gi_plugin.engines import backend_status  # noqa: PLC0415  # as above

    return [{"plugin": NAME, "backend": status.name, "available": status.available, "reason": status.reason} for status in backend_status()]


def plugin_for(project_name: str) -> object:
    """Make a copy of the plugin for a host with its own pluggy project.

    :param project_name: the name of the host's `PluginManager`. Its specification must have `inpaint(image, mask, options)`;
        `inpaint_backends()` is optional.
    :return: an object for the host to `register`.
    """
    marker = pluggy.HookimplMarker(project_name)
    plugin = ModuleType(NAME)  # a module like our entry point: it has a name and is hashable, since pluggy keeps plugins in sets
    vars(plugin).update(inpaint=marker(inpaint), inpaint_backends=marker(inpaint_backends, optionalhook=True))
    return plugin
