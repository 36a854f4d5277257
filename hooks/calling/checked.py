"""Call the hooks for one image: every step is checked, a plugin that breaks is named, and the others go on."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pluggy

from gi_plugin.arrays import Array, Bools
from gi_plugin.config import Config
from gi_plugin.errors import Cancelled, ConfigError, GiError, PluginError, first_line

from .call_options import CallOptions, resolve
from .contract import channel_axis, check, check_frame, hole_of, kind, known_restored, prepared, spatial, wrong
from .selecting import is_wrapper, named, others_with, raiser

FINAL = (Cancelled, ConfigError)  # errors about the call itself: no other plugin is asked
log = logging.getLogger(__name__)


def checked_inpaint(
    manager: pluggy.PluginManager, image: Array, mask: Array, options: Mapping[str, Any] | None = None, *, config: Config | None = None
) -> Array:
    """Fill the hole of an image by the plugins of a host, and check what they return.

    The plugins of `prepare_input` are called, then `inpaint`, then those of `finish`. A plugin that raises an error, or whose result has
    another shape or dtype or other known pixels, is named in the log and to the hook `inpaint_failed`, and the next one is asked.

    :param image: as for the hook `inpaint`.
    :param mask: HxW or HxWx1, or a colour picture of a mask; bool, integer or float; non-zero (above half of its range) = missing. Plugins
        get it as bool, grown by the option or setting `dilate`.
    :param options: options of the call. `plugin` is the name of the plugin that must answer; wrappers and the other hooks of other
        plugins still run. Options of the plugin NAME are in the mapping `options["NAME"]`; those that stand alone are for every plugin
        that has them.
    :param config: the settings; None reads those of the user.
    :return: a new array of the image's shape and dtype, with bit-identical known pixels.
    :raises ConfigError: if an option is wrong, or no plugin has the name.
    :raises ImageError: if the mask cannot be used.
    :raises PluginError: if plugins failed and no other one answered; our own errors are raised as they are.
    :raises LookupError: if no plugin answered.
    :raises Cancelled: if the call was cancelled.
    """
    from gi_plugin.shared import current_config  # noqa: PLC0415  # heavy

    settings = config or current_config()
    call = resolve(manager, options, settings)
    hole = hole_of(image, mask, call, settings)
    return fill_by_hooks(manager, np.asarray(image), hole, call)


def fill_by_hooks(manager: pluggy.PluginManager, image: Array, hole: Bools, options: CallOptions) -> Array:
    """Fill a hole that is checked and grown, with options that are resolved; for the rest see `checked_inpaint`."""
    name = options.pop("plugin", None)
    call = _Call(manager, options, channel_axis(image, options))
    ready, ready_hole = call.prepare(image, hole)
    filled = call.answer(ready, ready_hole, name)
    unchanged = ready is image and ready_hole is hole
    finished = call.finish(image, hole, filled, compare=unchanged)
    return finished if unchanged else known_restored(image, hole, finished, call.axis)


def make_mask(manager: pluggy.PluginManager, image: Array, name: str | None, options: CallOptions) -> Bools:
    """Ask the plugin of a name, or the first that answers, for the mask of an image.

    :return: bool HxW.
    :raises ConfigError: if no plugin of this name makes masks; the message lists those that do.
    :raises PluginError: if the plugin fails, or its mask is not usable.
    :raises LookupError: if no plugin answered.
    """
    caller = manager.subset_hook_caller("make_mask", [] if name is None else others_with(manager, "make_mask", name))
    try:
        mask = caller(image=image, options=options)
    except FINAL:
        raise
    except Exception as error:
        raise named(raiser(manager, "make_mask", error) or name or "unknown", error) from error
    if mask is None:
        raise LookupError(f"no plugin made a mask: {name or 'those that can'} declined")
    shape = spatial(image, channel_axis(image, options))
    if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_ or mask.shape != shape:
        raise PluginError(name or "make_mask", f"made a mask that is {kind(mask)}: expected bool of shape {shape}")
    return mask


def checked_sequence(manager: pluggy.PluginManager, frames: Iterable[Array], masks: Any, options: CallOptions) -> Iterator[Array]:
    """Fill the frames of a sequence by the plugin of a name in the options, or the first that answers; errors as for `make_mask`.

    The shape and dtype of every frame are checked.
    """
    name = options.pop("plugin", None)
    caller = manager.subset_hook_caller("inpaint_sequence", [] if name is None else others_with(manager, "inpaint_sequence", name))
    given, compared = itertools.tee(frames)
    try:
        filled = caller(frames=given, masks=masks, options=options)
        for result, frame in zip(filled or (), compared, strict=False):
            check_frame(name or "inpaint_sequence", frame, result)
            yield result
    except GiError:
        raise
    except Exception as error:
        raise named(raiser(manager, "inpaint_sequence", error) or name or "unknown", error) from error
    if filled is None:
        raise LookupError("no plugin fills sequences: install one, or see `gi-plugin plugins`")


@dataclass(frozen=True)
class _Call:
    """One call: the hooks of a manager, with the same options."""

    manager: pluggy.PluginManager
    options: CallOptions
    axis: int | None  # of the channels of the image

    def prepare(self, image: Array, hole: Bools) -> tuple[Array, Bools]:
        """Chain `prepare_input`."""
        for name, one in self._each("prepare_input"):
            try:
                result = one(image=image, mask=hole, options=self.options)
                if result:
                    image, hole = prepared(name, result[0], image, hole, self.axis)
            except FINAL:
                raise
            except Exception as error:  # noqa: BLE001  # a broken plugin is left out
                self._left_out(name, error)
        return image, hole

    def answer(self, image: Array, hole: Bools, name: str | None) -> Array:
        """Return the first result of `inpaint` that keeps the contract; errors as for `checked_inpaint`."""
        removed = [] if name is None else others_with(self.manager, "inpaint", name)
        failures: list[Exception] = []
        while True:
            caller = self.manager.subset_hook_caller("inpaint", removed)
            try:
                result = caller(image=image, mask=hole, options=self.options)
                if result is None:
                    break
                if not (problem := wrong(image, hole, result, self.axis)):
                    for failure in failures:
                        log.warning("%s; another plugin answered", first_line(failure))
                    return result  # type: ignore[no-any-return]  # checked
                culprit = self._guilty(image, hole, removed)
                error: Exception = PluginError(culprit, problem)
            except FINAL:
                raise
            except Exception as raised:
                found = raiser(self.manager, "inpaint", raised)
                if found is None or self.manager.get_plugin(found) in removed:
                    raise
                culprit, error = self._blamed(found, raised, image, hole, removed)
            self._failed(culprit, error)
            failures.append(named(culprit, error))
            removed.append(self.manager.get_plugin(culprit))
            if all(is_wrapper(impl) or impl.plugin in removed for impl in self.manager.hook.inpaint.get_hookimpls()):
                break  # wrappers need not see that nobody is left
        raise failures[0] if failures else LookupError("no plugin answered: install one, or see `gi-plugin plugins`")

    def finish(self, image: Array, hole: Bools, filled: Array, *, compare: bool) -> Array:
        """Chain `finish`, in the reverse order of `prepare_input`.

        :param compare: whether the known pixels of `filled` are those of `image`.
        """
        for name, one in reversed(self._each("finish")):
            try:
                result = one(image=image, mask=hole, filled=filled, options=self.options)
                if result:
                    check(name, image if compare else filled, hole if compare else np.ones_like(hole), result[0], self.axis)
                    filled = result[0]
            except FINAL:
                raise
            except Exception as error:  # noqa: BLE001  # a broken plugin is left out
                self._left_out(name, error)
        return filled

    def _left_out(self, name: str, error: Exception) -> None:
        log.warning("%s; it was left out", first_line(named(name, error)))
        self._failed(name, error)

    def _each(self, hook: str) -> list[tuple[str, Any]]:
        """The plugins that implement a hook in the order in which they are asked, each with a function that calls it and all wrappers."""
        names = [impl.plugin_name for impl in reversed(getattr(self.manager.hook, hook).get_hookimpls()) if not is_wrapper(impl)]
        return [(name, self.manager.subset_hook_caller(hook, others_with(self.manager, hook, name))) for name in names]

    def _blamed(self, name: str, error: Exception, image: Array, hole: Bools, removed: list[Any]) -> tuple[str, Exception]:
        """Find who caused an error of a plugin: the plugin itself, or if it is a wrapper, the one whose wrong result it got."""
        if any(is_wrapper(impl) and impl.plugin_name == name for impl in self.manager.hook.inpaint.get_hookimpls()):
            inner, problem = self._inside(image, hole, removed)
            if problem:
                return inner, PluginError(inner, problem)
        return name, error

    def _guilty(self, image: Array, hole: Bools, removed: list[Any]) -> str:
        """Find who broke the contract: the plugin that answers, else the wrapper without which its result is good."""
        inner, problem = self._inside(image, hole, removed)
        wrappers = [impl for impl in self.manager.hook.inpaint.get_hookimpls() if is_wrapper(impl) and impl.plugin not in removed]
        if problem or not wrappers:
            return inner
        for impl in reversed(wrappers):
            others = [other.plugin for other in wrappers if other is not impl]
            result = self.manager.subset_hook_caller("inpaint", [*removed, *others])(image=image, mask=hole, options=self.options)
            if wrong(image, hole, result, self.axis):
                return str(impl.plugin_name)
        return str(wrappers[-1].plugin_name)

    def _inside(self, image: Array, hole: Bools, removed: list[Any]) -> tuple[str, str]:
        """The plugin that answers inside the wrappers, and what is wrong with its result."""
        arguments = {"image": image, "mask": hole, "options": self.options}
        for impl in reversed(self.manager.hook.inpaint.get_hookimpls()):
            if impl.plugin not in removed and not is_wrapper(impl):
                result = impl.function(*(arguments[name] for name in impl.argnames))
                if result is not None:
                    return str(impl.plugin_name), wrong(image, hole, result, self.axis)
        return "", ""

    def _failed(self, name: str, error: Exception) -> None:
        """Name a broken plugin to the hook `inpaint_failed`."""
        for impl in self.manager.hook.inpaint_failed.get_hookimpls() if hasattr(self.manager.hook, "inpaint_failed") else ():
            try:
                arguments = {"plugin": name, "error": error}
                impl.function(*(arguments[argument] for argument in impl.argnames))
            except Exception:
                log.exception("plugin %s: inpaint_failed failed itself", impl.plugin_name)
