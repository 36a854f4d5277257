"""Specification of the hooks that a host calls and a plugin implements: docs/hooks.md is made from the docstrings below.

New versions only add hooks and arguments: pluggy lets an implementation accept fewer arguments than the specification has. `SPEC_VERSION`
is the version of the specification.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any

import pluggy

from gi_plugin.arrays import Array

from .markers import GROUP, PROJECT, SPEC_VERSION, Option, hookimpl, hookspec
from .registrations import collect, register_commands, register_engines, register_formats

__all__ = [
    "GROUP",
    "PROJECT",
    "SPEC_VERSION",
    "Option",
    "add_specs",
    "finish",
    "hookimpl",
    "hookspec",
    "inpaint",
    "inpaint_backends",
    "inpaint_failed",
    "inpaint_sequence",
    "make_mask",
    "plugin_manager",
    "plugin_options",
    "prepare_input",
    "register_commands",
    "register_engines",
    "register_formats",
    "shutdown",
    "specified",
    "warm_up",
]


@hookspec(firstresult=True)
def inpaint(image: Array, mask: Array, options: Mapping[str, Any]) -> Array | None:
    """Fill the hole of an image.

    The plugin that was registered last is asked first, unless one is marked `tryfirst` or `trylast`. The first result that is not None is
    used; later plugins are not asked.

        @hookimpl
        def inpaint(image, mask, options):
            result = image.copy()
            result[mask] = image[~mask].mean(axis=0)
            return result

    :param image: HxW, HxWx1, HxWx3 or HxWx4; uint8, uint16 or float (usually in [0, 1]). Values in the hole may be anything.
    :param mask: HxW, True = missing. `checked_inpaint` turns every mask into bool and grows it first; a host that calls the hook itself
        may pass HxW or HxWx1, integer or float, non-zero = missing.
    :param options: the options of the call; those of the plugin NAME are `options["NAME"]`, with defaults and settings filled in.
    :return: a new array of the image's shape and dtype with bit-identical known pixels. None: the plugin declines.
    """


@hookspec
def inpaint_backends() -> list[dict[str, Any]]:  # type: ignore[empty-body]  # a specification is not called
    """List the backends of a plugin and whether they can run on this machine.

    Every plugin is asked.

        @hookimpl
        def inpaint_backends():
            return [{"plugin": "mean", "backend": "numpy", "available": True, "reason": "always there"}]

    :return: one record per backend, with at least `plugin`, `backend`, `available` (bool) and `reason` (str).
    """


@hookspec(firstresult=True)
def make_mask(image: Array, options: Mapping[str, Any]) -> Array | None:
    """Find what is to be filled: a watermark, a date stamp, dust, dead pixels.

    A host asks one plugin by name (`gi-plugin inpaint --mask-from NAME`). If it names none, the first result that is not None is used.

        @hookimpl
        def make_mask(image, options):
            return image.max(axis=2) == 255

    :param image: as for `inpaint`.
    :param options: as for `inpaint`.
    :return: HxW bool, True = missing. None: the plugin declines. A mask without a True pixel means that there is nothing to fill.
    """


@hookspec
def prepare_input(image: Array, mask: Array, options: Mapping[str, Any]) -> tuple[Array, Array] | None:
    """Change image and mask before they are filled, e.g. to a linear colour space.

    The plugins are chained in the order in which they are asked: each gets what the one before returned.

        @hookimpl
        def prepare_input(image, mask, options):
            return np.flip(image, 1), np.flip(mask, 1)

    A plugin that changes known pixels changes them back in `finish`; the host then takes known pixels from the original image.

    :param image: as for `inpaint`; must not be changed in place.
    :param mask: HxW bool; must not be changed in place.
    :param options: as for `inpaint`.
    :return: image and mask of the same rows and columns. None: no change.
    """


@hookspec
def finish(image: Array, mask: Array, filled: Array, options: Mapping[str, Any]) -> Array | None:
    """Change the filled image: colour, grain, blending.

    The plugins are chained in the reverse order of `prepare_input`: each gets what the one before returned.

        @hookimpl
        def finish(image, mask, filled, options):
            noise = np.random.default_rng(0).normal(0, options["grain"]["sigma"], filled.shape)
            return np.where(mask[..., None], filled + noise, filled).clip(0, 255).astype(filled.dtype)

    :param image: the original image, before `prepare_input`; must not be changed in place.
    :param mask: HxW bool, True = filled.
    :param filled: the filled image so far.
    :param options: as for `inpaint`.
    :return: an array of the shape and dtype of `filled`. None: no change.
    """


@hookspec(firstresult=True)
def inpaint_sequence(frames: Iterable[Array], masks: Any, options: Mapping[str, Any]) -> Iterator[Array] | None:
    """Fill the holes of the frames of a sequence, so that the fill stays calm from frame to frame.

    The plugins are asked as for `inpaint`; the first result that is not None is used.

        @hookimpl
        def inpaint_sequence(frames, masks, options):
            return (fill(frame, mask) for frame, mask in zip(frames, masks))

    :param frames: images of one shape and dtype, as for `inpaint`; taken one after the other.
    :param masks: one mask for all frames, or an iterable with one per frame.
    :param options: as for `inpaint`.
    :return: an iterator over the filled frames, which holds a bounded number of frames. None: the plugin declines.
    """


@hookspec
def plugin_options() -> list[Option]:  # type: ignore[empty-body]
    """Name the options of a plugin with their types and defaults.

    Every plugin is asked. A user sets them in plugin.toml under `[plugins.NAME]`, a caller by `options={"NAME": {…}}`; NAME is the name
    under which the plugin is registered, that of its entry point. A host that checks options (`checked_inpaint`) refuses unknown names
    and wrong types, and passes every plugin its own, complete, as `options["NAME"]`.

        @hookimpl
        def plugin_options():
            return [Option("sigma", 2.0, "standard deviation of the grain, in levels")]

    :return: the options, `gi_plugin.hooks.spec.Option`.
    """


@hookspec
def warm_up(shapes: Sequence[tuple[int, ...]], options: Mapping[str, Any]) -> None:
    """Get ready for calls, so that the first one is as fast as the others: load models, open devices.

    Every plugin is called. A plugin that is not ready afterwards raises an error.

        @hookimpl
        def warm_up(shapes, options):
            load_model()

    :param shapes: shapes of the images to come.
    :param options: as for `inpaint`.
    """


@hookspec
def shutdown() -> None:
    """Release memory, devices and threads. A later call opens them again.

    Every plugin is called.

        @hookimpl
        def shutdown():
            unload_model()
    """


@hookspec
def inpaint_failed(plugin: str, error: Exception) -> None:
    """Learn that a plugin failed or broke the contract, e.g. to write a log.

    Every plugin is called, by hosts that use `checked_inpaint`.

        @hookimpl
        def inpaint_failed(plugin, error):
            log.error("%s: %s", plugin, error)

    :param plugin: the name under which the plugin is registered.
    :param error: what it raised, or a `gi_plugin.PluginError` that says what is wrong with its result.
    """


def plugin_manager() -> pluggy.PluginManager:
    """Create a plugin manager with these hooks and without plugins."""
    manager = pluggy.PluginManager(PROJECT)
    add_specs(manager)
    return manager


def specified() -> list[str]:
    """The names of all hooks of this specification."""
    names = [name for name, value in vars(sys.modules[__name__]).items() if hasattr(value, f"{PROJECT}_spec")]
    return sorted(names, key=lambda name: name.startswith("register_"))  # otherwise in their order above


def add_specs(manager: pluggy.PluginManager, project: str | None = None) -> None:
    """Add these hooks to the plugin manager of a host, so that every plugin made for `gi_plugin` can serve it.

    Engines and file formats of plugins are registered as soon as the plugins are.

    :param project: the project name of the manager; None takes it from there.
    """
    missing = ModuleType(PROJECT)  # without the hooks that the host has specified itself
    for name in specified():
        if not (hasattr(manager.hook, name) and getattr(manager.hook, name).has_spec()):
            setattr(globals()[name], f"{project or manager.project_name}_spec", getattr(globals()[name], f"{PROJECT}_spec"))
            setattr(missing, name, globals()[name])
    manager.add_hookspecs(missing)
    collect(manager)
