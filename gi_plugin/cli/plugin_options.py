"""The options of commands that fill pictures by plugins."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Annotated

import typer

from ..config import Config
from .terminal import say

if TYPE_CHECKING:
    from gi_plugin.hooks.calling.session import PluggedInpainter, PluginChoice

Plugin = Annotated[str | None, typer.Option("--plugin", help="Name of the plugin that must fill; see `gi-plugin plugins`.")]
NoPlugins = Annotated[bool, typer.Option("--no-plugins", help="Use no plugins but ours; see also GI_PLUGIN_PLUGINS.")]


def choice_of(plugin: str | None, no_plugins: bool, mask_from: str | None = None) -> PluginChoice:
    """The choice of plugins that the options of a command make."""
    from gi_plugin.hooks.calling.session import PluginChoice  # noqa: PLC0415  # heavy

    return PluginChoice(plugin, not no_plugins, mask_from)


def plugged(config: Config, choice: PluginChoice) -> PluggedInpainter:
    """Make an inpainter with the installed plugins; each broken one is reported in one line.

    :raises ConfigError: if a chosen plugin is not there.
    """
    from gi_plugin.hooks.calling.session import PluggedInpainter  # noqa: PLC0415  # heavy

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # reported below
        inpainter = PluggedInpainter(config, choice=choice)
    for failure in inpainter.failures:
        say(f"warning: plugin not loaded: {failure}", "yellow")
    return inpainter
