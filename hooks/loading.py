"""Load the installed plugins. A broken one is named, and hurts no other."""

from __future__ import annotations

import functools
import inspect
import os
import warnings
from collections.abc import Iterator, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any, NamedTuple

import pluggy

from gi_plugin.errors import ConfigError
from gi_plugin.options import nearest

from .markers import GROUP, PROJECT, SPEC_VERSION
from .spec import plugin_manager, specified

PLUGINS_VARIABLE = "GI_PLUGIN_PLUGINS"  # names of the plugins to load beside ours, separated by commas; empty: none
OURS = "gi-plugin"  # our distribution


class Failure(NamedTuple):
    """A plugin that was not loaded."""

    name: str  # of its entry point
    value: str  # what the entry point names
    package: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name} ({self.value}, package {self.package}): {self.reason}"


class Unusable(Exception):
    """A plugin cannot be used; the message is the reason."""


def load_plugins(manager: pluggy.PluginManager, group: str = GROUP, names: Sequence[str] | None = None) -> list[Failure]:
    """Register every installed plugin of an entry-point group. A broken plugin is skipped with a warning that names it.

    Broken means: its import fails, it is a class and not an instance, it has a hook that the specification lacks, its hook has an argument
    too many, it needs a newer specification, or another plugin has its name (ours keeps its own; of others that of the first package in
    alphabetical order is loaded). If the manager has another project name than `gi_plugin`, plugins are adapted to it.

    :param names: the plugins to load beside ours. None takes them from the environment variable GI_PLUGIN_PLUGINS, separated by commas; if
        it is not set, all are loaded.
    :return: the plugins that were not loaded.
    :raises ConfigError: if no installed plugin has one of the names; the message lists those that there are.
    """
    points = sorted(entry_points(group=group), key=_order)
    chosen = _chosen(names, points)
    failures, taken = [], dict[str, EntryPoint]()
    for point in points:
        skipped = manager.has_plugin(point.name) and point.name not in taken  # the host registered a plugin of this name
        if skipped or manager.is_blocked(point.name) or not (chosen is None or point.name in chosen or _package(point) == OURS):
            continue
        reason = _same_name(point, taken) or _load(manager, point)
        taken.setdefault(point.name, point)
        if reason:
            failures.append(Failure(point.name, point.value, _package(point), reason))
            warnings.warn(f"plugin not loaded: {failures[-1]}", RuntimeWarning, stacklevel=2)
    return failures


@functools.cache
def installed_plugins() -> pluggy.PluginManager:
    """Return a manager with all installed plugins, the same one at every call in this process."""
    manager = plugin_manager()
    load_plugins(manager)
    return manager


def adapt(plugin: Any, project: str) -> Any:
    """Mark the hooks of a plugin made for `gi_plugin` for another pluggy project as well, and return the plugin.

    Hooks that the host's specification lacks are left alone; see `add_specs`.
    """
    for _, function, options in _hooks(plugin) if project != PROJECT else ():
        setattr(function, f"{project}_impl", {**options, "optionalhook": True})
    return plugin


def _chosen(names: Sequence[str] | None, points: Sequence[EntryPoint]) -> set[str] | None:
    if names is None:
        text = os.environ.get(PLUGINS_VARIABLE)
        names = None if text is None else [name.strip() for name in text.split(",") if name.strip()]
    if names is None:
        return None
    known = [point.name for point in points]
    for name in names:
        if name not in known:
            raise ConfigError(f"there is no plugin {name!r}: installed are {', '.join(sorted(set(known)))}")
    return set(names)


def _order(point: EntryPoint) -> tuple[bool, str]:
    """Ours come first, so that they keep their names; others by their packages, so that the order is the same on every machine."""
    return _package(point) != OURS, _package(point)


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist else "unknown"


def _same_name(point: EntryPoint, taken: dict[str, EntryPoint]) -> str:
    if (other := taken.get(point.name)) is None:
        return ""
    return f"{_package(other)} has a plugin of the same name; one of the two must be uninstalled or renamed"


def _load(manager: pluggy.PluginManager, point: EntryPoint) -> str:
    """Import, check and register a plugin; return the reason if that fails."""
    try:
        plugin = point.load()
        check_plugin(plugin)
        if manager.project_name != PROJECT:
            adapt(plugin, manager.project_name)
        manager.register(plugin, name=point.name)
    except Unusable as error:
        return str(error)
    except pluggy.PluginValidationError as error:
        manager.unregister(name=point.name)  # pluggy 1.6 keeps a plugin that failed its check, and hooks added before the failure
        return "; ".join(str(error).splitlines()[1:]) or str(error)  # its first line is the name of the plugin
    except (Exception, SystemExit) as error:  # noqa: BLE001  # no error in another plugin's module may end the host
        manager.unregister(name=point.name)  # with the hooks added before the failure
        return f"{type(error).__name__}: {error}"
    return ""


def check_plugin(plugin: Any) -> None:
    """Check a plugin before it is registered.

    :raises Unusable: if it cannot be used; the message is the reason.
    """
    version, hooks = getattr(plugin, "spec_version", 1), list(_hooks(plugin))
    if not isinstance(version, int) or version > SPEC_VERSION:
        raise Unusable(f"it needs version {version} of the hook specification, this host has {SPEC_VERSION}: update gi-plugin")
    for name, function, options in hooks:
        hook = options.get("specname") or name
        if hook not in specified() and not options.get("optionalhook"):
            raise Unusable(f"there is no hook {hook!r}: {nearest(hook, specified())}")
        if inspect.isclass(plugin) and inspect.isfunction(inspect.getattr_static(plugin, name)):
            raise Unusable(f"{plugin.__name__} is a class and {function.__name__} needs an instance: let the entry point name an instance")


def _hooks(plugin: Any) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Yield name, function and pluggy's options of every hook that a plugin implements, without evaluating its properties."""
    for name in dir(plugin):
        found = inspect.getattr_static(plugin, name, None)
        function = getattr(found, "__func__", found)  # of methods of an object, class methods and static methods
        options = getattr(function, f"{PROJECT}_impl", None)
        if isinstance(options, dict):
            yield name, function, options
