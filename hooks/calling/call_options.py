"""The options of one call: checked against what the plugins declare, with their settings and defaults filled in."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

import pluggy

from gi_plugin.config import Config
from gi_plugin.errors import ConfigError
from gi_plugin.options import Options, nearest, unknown_option

from ..markers import Option

log = logging.getLogger(__name__)


class CallOptions(dict[str, Any]):
    """Options that a host has checked: a plugin need not look at those of others.

    :param planned: what the inpainter of this host planned for the mask; None if nothing was planned.
    """

    def __init__(self, values: Mapping[str, Any], planned: Any = None) -> None:
        super().__init__(values)
        self.planned = planned
        self.pieces: list[Any] = []  # our plugin notes here where the pixels came from
        self.data_range: tuple[float, float] | None = None  # and here the values that the network saw as black and white


def declared(manager: pluggy.PluginManager) -> dict[str, dict[str, Option]]:
    """The options of every plugin that declares some, by the name of the plugin and of the option."""
    found: dict[str, dict[str, Option]] = {}
    for impl in manager.hook.plugin_options.get_hookimpls() if hasattr(manager.hook, "plugin_options") else []:
        try:
            found[impl.plugin_name] = {option.name: option for option in impl.function()}  # type: ignore[attr-defined]  # pluggy: object
        except Exception:  # one broken plugin must not end the calls of the others
            log.exception("plugin %s: plugin_options failed; the plugin gets no options", impl.plugin_name)
    return found


def resolve(manager: pluggy.PluginManager, options: Mapping[str, Any] | None, config: Config) -> CallOptions:
    """Check the options of a call, and fill in the settings `[plugins.NAME]` and the defaults.

    An option that stands alone, not under the name of its plugin, goes to every plugin that has declared one of this name. If a plugin
    without declared options is registered, as those of version 1 are, unknown options are passed on.

    :return: the given options, and under the name of each plugin its own, complete.
    :raises ConfigError: if an option is unknown or has the wrong type.
    """
    given, known = dict(options or {}), declared(manager)
    plugins = {name for name, plugin in manager.list_name_plugin() if plugin is not None}
    alone = {key: value for key, value in given.items() if key not in plugins}
    _check_alone(alone, known, open_to_others=any(name not in known for name in _with_own_options(manager)))
    for name, table in known.items():
        settings, own = config.plugins.get(name, {}), given.get(name, {})
        for values, origin in ((settings, f"[plugins.{name}]"), (own, f"options of plugin {name}:")):
            _check(values, table, origin)
        shared = {key: value for key, value in alone.items() if key in table}
        given[name] = {**{key: option.default for key, option in table.items()}, **settings, **shared, **own}
    return CallOptions(given)


def _with_own_options(manager: pluggy.PluginManager) -> set[str]:
    """The plugins whose hooks take options."""
    hooks = (getattr(manager.hook, name, None) for name in ("inpaint", "prepare_input", "finish", "make_mask", "inpaint_sequence"))
    return {impl.plugin_name for hook in hooks if hook is not None for impl in hook.get_hookimpls() if "options" in impl.argnames}


def _check_alone(options: Mapping[str, Any], known: Mapping[str, Mapping[str, Option]], *, open_to_others: bool) -> None:
    shared = (entry.name for entry in dataclasses.fields(Options))  # every plugin may take these, whether ours is there or not
    names = sorted({"plugin", *shared, *(name for table in known.values() for name in table)})
    for key, value in options.items():
        if isinstance(value, Mapping):
            hint = nearest(key, known) if known else "no plugin has options"
            raise ConfigError(f"options for {key!r}: there is no such plugin with options; {hint}")
        if key not in names and not open_to_others:
            raise unknown_option(key, names)


def _check(values: Any, table: Mapping[str, Option], origin: str) -> None:
    if not isinstance(values, Mapping):
        raise ConfigError(f"{origin} {values!r}: expected a mapping from names to values")
    for key, value in values.items():
        if key not in table:
            raise ConfigError(f"{origin} unknown option {key!r}: {nearest(key, table)}")
        default = table[key].default
        if None not in (default, value) and not _fits(value, default):
            raise ConfigError(f"{origin} {key} = {value!r}: expected {type(default).__name__}, got {type(value).__name__}")


def _fits(value: Any, default: Any) -> bool:
    """Whether a value has the type of the default; numpy's numbers count, too."""
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(default, bool) and isinstance(value, bool)
    if isinstance(default, int | float):
        return isinstance(value, Integral if isinstance(default, int) else Real)
    return isinstance(value, type(default))
