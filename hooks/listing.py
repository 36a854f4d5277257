"""List the plugins that are installed in this environment, for `gi-plugin plugins`."""

from __future__ import annotations

import warnings
from importlib.metadata import entry_points
from typing import Any

from .host import load_plugins
from .spec import GROUP, SPEC_VERSION, plugin_manager


def list_plugins() -> dict[str, Any]:
    """List every plugin of the entry-point group with its hooks and backends, and every plugin that failed.

    :return: data for JSON with the keys `spec_version`, `plugins`, `backends` and `failed`.
    """
    manager = plugin_manager()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the failures are part of the result
        failures = load_plugins(manager)
    distributions = {point.name: point.dist for point in entry_points(group=GROUP)}
    plugins, backends = [], []
    for name, plugin in manager.list_name_plugin():
        distribution = distributions.get(name)
        hooks = sorted(caller.name for caller in manager.get_hookcallers(plugin) or [])
        package = (distribution.name, distribution.version) if distribution else (None, None)
        plugins.append({"name": name, "package": package[0], "version": package[1], "hooks": hooks})
        others = [other for other in manager.get_plugins() if other is not plugin]
        try:
            for records in manager.subset_hook_caller("inpaint_backends", others)():
                backends += records
        except Exception as error:  # noqa: BLE001  # one broken plugin must not hide the others
            failures.append(f"{name}: inpaint_backends: {type(error).__name__}: {error}")
    return {"spec_version": SPEC_VERSION, "plugins": plugins, "backends": backends, "failed": failures}
