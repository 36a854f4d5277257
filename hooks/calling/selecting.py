"""Choose among the plugins of a manager, and find out which of them raised an error."""

from __future__ import annotations

from typing import Any

import pluggy

from gi_plugin.errors import ConfigError, GiError, PluginError, first_line

from ..markers import NAME


def others_with(manager: pluggy.PluginManager, hook: str, name: str) -> list[Any]:
    """The plugins that implement a hook, except the one with this name and except wrappers.

    :raises ConfigError: if no plugin of this name implements it; the message lists those that do.
    """
    impls = [impl for impl in getattr(manager.hook, hook).get_hookimpls() if not is_wrapper(impl)]
    names = [impl.plugin_name for impl in impls]
    if name not in names:
        raise ConfigError(f"there is no plugin {name!r} with the hook {hook}: expected one of {', '.join(names) or 'none'}")
    return [impl.plugin for impl in impls if impl.plugin_name != name]


def is_wrapper(impl: pluggy.HookImpl) -> bool:
    """Return whether an implementation runs around the others."""
    return impl.wrapper or impl.hookwrapper


def raiser(manager: pluggy.PluginManager, hook: str, error: Exception) -> str | None:
    """Return the name of the plugin that raised an error in a hook: that of the innermost of its functions in the traceback."""
    codes = {_code(impl.function): impl.plugin_name for impl in getattr(manager.hook, hook).get_hookimpls()}
    trace, found = error.__traceback__, None
    while trace is not None:
        found = codes.get(trace.tb_frame.f_code, found)
        trace = trace.tb_next
    return found


def named(name: str, error: Exception) -> Exception:
    """Return an error of our own as it is; wrap an error of another plugin into one that names it."""
    if isinstance(error, PluginError) or (name == NAME and isinstance(error, GiError)):
        return error
    wrapped = PluginError(name, f"{type(error).__name__}: {first_line(error)}")
    wrapped.__cause__ = error
    return wrapped


def _code(function: Any) -> Any:
    function = getattr(function, "__func__", function)
    return getattr(function, "__code__", function)
