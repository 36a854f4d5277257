"""Specification of the hooks by which plugins register engines, file formats and commands, and where the registered things go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pluggy

from .markers import hookspec


@hookspec(historic=True)
def register_engines(register: Callable[..., None]) -> None:
    """Register engines that run our network, for the setting `[engine] backend = "NAME"`, `auto` and `gi-plugin doctor`.

    Every plugin is called once, also one that is registered later. Ours registers its backends the same way.

        @hookimpl
        def register_engines(register):
            register("npu", open_npu, status=npu_status, before="openvino")

    :param register: `register(name, opener, status=None, before=None)`. `opener(config, window)` returns a `gi_plugin.engines.Engine` for
        windows of `window` pixels. `status(settings)` takes the settings `[engine]`, among them `device`, and returns a
        `gi_plugin.engines.BackendStatus` without opening anything; without it the backend always counts as available. `auto` tries the
        backend before the one that `before` names, else last.
    """


@hookspec(historic=True)
def register_formats(register: Callable[..., None]) -> None:
    """Register picture file formats, by the suffix of the file name.

    Every plugin is called once, also one that is registered later.

        @hookimpl
        def register_formats(register):
            register(".fits", read=read_fits, write=write_fits)

    :param register: `register(suffix, read, write=None)`. `read(path)` returns the pixels, as for `inpaint`. `write(pixels, path)` writes
        them; without it, files of this suffix are only read.
    """


@hookspec(historic=True)
def register_commands(cli: Any) -> None:
    """Add commands to `gi-plugin`.

    Every plugin is called once, when the command line starts.

        @hookimpl
        def register_commands(cli):
            @cli.command()
            def stamp(picture: Path) -> None:
                "Find the date stamp of a picture."

    :param cli: the `typer.Typer` application.
    """


def collect(manager: pluggy.PluginManager) -> None:
    """Take the engines and file formats of all plugins of a manager, also of those that are registered later."""
    manager.hook.register_engines.call_historic(kwargs={"register": _register_engine})
    manager.hook.register_formats.call_historic(kwargs={"register": _register_format})


def _register_engine(*arguments: Any, **options: Any) -> None:
    from gi_plugin.engines import BACKENDS  # noqa: PLC0415  # heavy: imported if a plugin has an engine

    BACKENDS.register(*arguments, **options)


def _register_format(*arguments: Any, **options: Any) -> None:
    from gi_plugin.files import registered  # noqa: PLC0415  # as above

    registered.register(*arguments, **options)
