"""Try a plugin on a small picture."""

from __future__ import annotations

from typing import Any

import numpy as np
import pluggy

from gi_plugin.arrays import Array
from gi_plugin.config import Config

from ..markers import hookimpl
from ..spec import plugin_manager
from .call_options import resolve
from .contract import wrong
from .selecting import is_wrapper


class _Neutral:
    """A plugin that changes nothing, inside the wrapper that is tried."""

    @hookimpl
    def inpaint(self, image: Array) -> Array:
        return image.copy()


def probe(manager: pluggy.PluginManager, plugin: Any) -> str:
    """Let a plugin fill a small picture, or run it around a fill that is right if it is a wrapper.

    :return: what is wrong with it; an empty string if nothing is, or the plugin declines.
    """
    impls = [impl for impl in manager.hook.inpaint.get_hookimpls() if impl.plugin is plugin]
    if not impls:
        return ""
    random = np.random.default_rng(0)
    image, hole = random.integers(0, 256, (48, 64, 3)).astype(np.uint8), np.zeros((48, 64), np.bool_)
    hole[16:28, 20:36] = True
    alone = plugin_manager()
    if is_wrapper(impls[0]):
        alone.register(_Neutral())
    alone.register(plugin)
    try:
        result = alone.hook.inpaint(image=image, mask=hole, options=resolve(manager, {}, Config()))
    except Exception as error:  # noqa: BLE001  # any error of a plugin
        return f"inpaint: {type(error).__name__}: {error}"
    problem = "" if result is None else wrong(image, hole, result, 2)
    return f"inpaint: {problem}" if problem else ""
