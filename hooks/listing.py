"""List the plugins that are installed in this environment, for `gi-plugin plugins`."""

from __future__ import annotations

import warnings
from importlib.metadata import entry_points
from typing import Any

import pluggy

from .loading import load_plugins
from .markers import GROUP, SPEC_VERSION
from .spec import plugin_manager


def list_plugins(*, check: bool = False) -> dict[str, Any]:
    """List every plugin of the entry-point group with its hooks, options and backends, and every plugin that is broken.

    :param check: also let every plugin fill a small picture, and check the result.
    :return: data for JSON with the keys `spec_version`, `plugins`, `backends` and `failed`. A broken plugin has the reason as `broken`.
    """
    manager = plugin_manager()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the failures are part of the result
        unloaded = load_plugins(manager)
    packages = {(point.name, point.value): point.dist for point in entry_points(group=GROUP)}
    broken = {name: reason for name, plugin in manager.list_name_plugin() if (reason := _broken(manager, plugin, check=check))}
    plugins = []
    for name, plugin in manager.list_name_plugin():
        loaded = (dist for (other, value), dist in packages.items() if other == name and not _failed(unloaded, name, value))
        distribution = next(loaded, None)
        package = (distribution.name, distribution.version) if distribution else (None, None)
        hooks = sorted(caller.name for caller in manager.get_hookcallers(plugin) or [])
        entry = {"name": name, "package": package[0], "version": package[1], "hooks": hooks}
        plugins.append({**entry, "broken": broken[name]} if name in broken else entry)
    for failure in unloaded:
        distribution = packages.get((failure.name, failure.value))
        version = distribution.version if distribution else None
        plugins.append({"name": failure.name, "package": failure.package, "version": version, "hooks": [], "broken": failure.reason})
    failed = [*map(str, unloaded), *(f"{name}: {reason}" for name, reason in broken.items())]
    return {"spec_version": SPEC_VERSION, "plugins": plugins, "backends": _backends(manager, broken), "failed": failed}


def _failed(failures: list[Any], name: str, value: str) -> bool:
    return any((failure.name, failure.value) == (name, value) for failure in failures)


def _only(manager: pluggy.PluginManager, hook: str, plugin: Any) -> Any:
    """A function that calls a hook of one plugin."""
    return manager.subset_hook_caller(hook, [other for other in manager.get_plugins() if other is not plugin])


def _broken(manager: pluggy.PluginManager, plugin: Any, *, check: bool) -> str:
    """Say why a plugin is broken; an empty string if nothing is found."""
    for hook in ("inpaint_backends", "plugin_options"):
        try:
            _only(manager, hook, plugin)()
        except Exception as error:  # noqa: BLE001  # one broken plugin must not hide the others
            return f"{hook}: {type(error).__name__}: {error}"
    if not check:
        return ""
    from .calling.probe import probe  # noqa: PLC0415  # heavy

    return probe(manager, plugin)


def _backends(manager: pluggy.PluginManager, broken: dict[str, str]) -> list[dict[str, Any]]:
    good = [plugin for name, plugin in manager.list_name_plugin() if not broken.get(name, "").startswith("inpaint_backends")]
    others = [plugin for plugin in manager.get_plugins() if plugin not in good]
    return [record for records in manager.subset_hook_caller("inpaint_backends", others)() for record in records]
