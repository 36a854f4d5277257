"""Our plugin: the entry point that hosts load.

It imports only the standard library, numpy and pluggy, so that it can neither slow down nor break the start of a host; engines are opened
by the first call that has a hole to fill.
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

    Declines (None) if `options["plugin"]` names another plugin.
    """
    chosen = dict(options or {})
    if chosen.pop("plugin", NAME) != NAME:
        return None
    from gi_plugin.inpainter import default_inpainter  # noqa: PLC0415  # heavy: only once there is something to do
    from gi_plugin.options import Options  # noqa: PLC0415  # as above

    return default_inpainter().run(image, mask, Options.of(chosen)).image


@hookimpl
def inpaint_backends() -> list[dict[str, Any]]:
    """List the backends, the preferred one first."""
    from gi_plugin.engines import backend_status  # noqa: PLC0415  # as above

    return [{"plugin": NAME, "backend": status.name, "available": status.available, "reason": status.reason} for status in backend_status()]


def plugin_for(project_name: str) -> object:
    """The same plugin, marked for a host's own pluggy project.

    :param project_name: the name that the host gave to its `PluginManager`. Its specification needs `inpaint(image, mask, options)`;
        `inpaint_backends()` is served if it is there.
    :return: an object for the host to `register`.
    """
    marker = pluggy.HookimplMarker(project_name)
    plugin = ModuleType(NAME)  # as our entry point: named and hashable, since pluggy keeps plugins in sets
    vars(plugin).update(inpaint=marker(inpaint), inpaint_backends=marker(inpaint_backends, optionalhook=True))
    return plugin
