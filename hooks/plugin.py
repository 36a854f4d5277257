"""Our plugin: the entry point that hosts load.

It imports only the standard library, numpy and pluggy, so that it neither slows down nor breaks the start of a host. The first call with a
hole opens an engine.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gi_plugin.arrays import Array

from .calling.call_options import CallOptions
from .loading import adapt
from .markers import NAME, SPEC_VERSION, Option, hookimpl

if TYPE_CHECKING:
    from gi_plugin.config import Config
    from gi_plugin.inpainter import Inpainter, Inpainting
    from gi_plugin.options import Options
    from gi_plugin.planning import PlannedHole

spec_version = SPEC_VERSION


class NetworkPlugin:
    """The hooks of our plugin.

    :param inpainter: returns the inpainter behind it; called in every call.
    """

    spec_version = SPEC_VERSION

    def __init__(self, inpainter: Callable[[], Inpainter]) -> None:
        self.__name__ = NAME
        self._inpainter = inpainter

    @hookimpl
    def inpaint(self, image: Array, mask: Array, options: Mapping[str, Any] | None) -> Array | None:
        """Fill the hole with the contextual-attention network: see `gi_plugin.inpaint`.

        :return: the filled image; None (declined) if `options["plugin"]` names another plugin.
        """
        given = options if isinstance(options, CallOptions) else CallOptions(options or {})
        if given.get("plugin", NAME) != NAME:
            return None
        own = own_options(given, checked=given is options)
        inpainter = self._inpainter()
        inpainting = _fill(inpainter, image, _planned(inpainter, given, mask, own) if given is options else mask, own)
        given.pieces += inpainting.pieces
        given.data_range = inpainting.data_range
        return inpainting.image

    @hookimpl
    def inpaint_sequence(self, frames: Iterable[Array], masks: Any, options: Mapping[str, Any] | None) -> Iterator[Array] | None:
        """Fill the frames of a sequence: see `gi_plugin.inpaint_sequence`."""
        from gi_plugin.sequence import fill_sequence  # noqa: PLC0415  # heavy: imported when needed

        given = options if isinstance(options, CallOptions) else CallOptions(options or {})
        if given.get("plugin", NAME) != NAME:
            return None
        return fill_sequence(frames, masks, self._inpainter(), own_options(given, checked=given is options))

    @hookimpl
    def inpaint_backends(self) -> list[dict[str, Any]]:
        """List the backends that run our network, those of other plugins too, in order of preference."""
        from gi_plugin.engines import backend_status  # noqa: PLC0415  # heavy: imported when needed

        return [
            {"plugin": NAME, "backend": status.name, "available": status.available, "reason": status.reason}
            for status in backend_status(self._inpainter().config.engine)
        ]

    @hookimpl
    def register_engines(self, register: Callable[..., None]) -> None:
        """Register our backends."""
        from gi_plugin.engines import register_engines  # noqa: PLC0415  # as above

        register_engines(register)

    @hookimpl
    def plugin_options(self) -> list[Option]:
        """Name the options of `gi_plugin.inpaint`."""
        from gi_plugin.options import Options  # noqa: PLC0415  # as above

        return [Option(entry.name, entry.default) for entry in dataclasses.fields(Options)]

    @hookimpl
    def warm_up(self, shapes: Sequence[tuple[int, ...]]) -> None:
        """Open the engines that holes in images of these shapes can need, and run each once."""
        self._inpainter().warm_up(shapes)

    @hookimpl
    def shutdown(self) -> None:
        """Release the engines."""
        self._inpainter().close()


def _planned(inpainter: Inpainter, options: CallOptions, mask: Array, own: Options) -> PlannedHole:
    """The plan for a mask that a host has checked; the host also warned if it is doubtful."""
    planned: PlannedHole | None = options.planned
    return planned if planned is not None and planned.hole is mask else inpainter.plan(mask, (mask.shape[0], mask.shape[1]), own)


def _fill(inpainter: Inpainter, *arguments: Any) -> Inpainting:
    """Fill a hole by an inpainter itself, even if its `run` leads through the hooks."""
    from gi_plugin.inpainter import Inpainter  # noqa: PLC0415  # as above

    return Inpainter.run(inpainter, *arguments)


def own_options(options: Mapping[str, Any], *, checked: bool) -> Options:
    """Take our options out of the mapping of a call.

    :param checked: whether a host has checked the mapping and filled in ours. If not, options that stand alone are ours, and those under
        the names of plugins belong to these plugins.
    :raises ConfigError: if one of ours is unknown or has a wrong value.
    """
    from gi_plugin.options import Options  # noqa: PLC0415  # as above

    alone = {} if checked else {key: value for key, value in options.items() if key != "plugin" and not isinstance(value, Mapping)}
    return Options.of({**alone, **options.get(NAME, {})})


def plugin_for(project_name: str, config: Config | None = None, inpainter: Inpainter | None = None) -> NetworkPlugin:
    """Make a copy of the plugin, for a host with its own pluggy project or with its own settings.

    :param project_name: the name of the host's `PluginManager`. Its specification must have `inpaint(image, mask, options)`; see also
        `gi_plugin.hooks.spec.add_specs`.
    :param config: settings of this copy, which then has its own engines; None: those of the user, and the engines of this process.
    :param inpainter: the inpainter of this copy; then `config` is not used.
    :return: an object for the host to `register`.
    """
    from gi_plugin.inpainter import Inpainter  # noqa: PLC0415  # as above
    from gi_plugin.shared import default_inpainter  # noqa: PLC0415  # as above

    own = inpainter or (Inpainter(config) if config is not None else None)
    plugin = NetworkPlugin(default_inpainter if own is None else lambda: own)
    adapt(plugin, project_name)
    return plugin


def _default() -> Inpainter:
    from gi_plugin.shared import default_inpainter  # noqa: PLC0415  # as above

    return default_inpainter()


_ours = NetworkPlugin(_default)
inpaint = _ours.inpaint
inpaint_sequence = _ours.inpaint_sequence
inpaint_backends = _ours.inpaint_backends
register_engines = _ours.register_engines
plugin_options = _ours.plugin_options
warm_up = _ours.warm_up
shutdown = _ours.shutdown
