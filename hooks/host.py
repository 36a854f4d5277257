"""A small host: load plugins, run named steps on an image, and measure the time of each step.

Use it as a template for your own host. `python -m gi_plugin.hooks.host IMAGE MASK OUT` runs it on files.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Any

import pluggy

from gi_plugin.arrays import Array

from .spec import GROUP, plugin_manager

ImageStep = Callable[[Array, Array], Array]  # takes image and mask, returns the new image


@dataclass(frozen=True)
class Report:
    """The image after the last step, and the duration of each step in seconds."""

    image: Array
    seconds: dict[str, float] = field(default_factory=dict)


def load_plugins(manager: pluggy.PluginManager, group: str = GROUP) -> list[str]:
    """Register every installed plugin of an entry-point group. A plugin that fails to load is skipped with a warning.

    pluggy's own `load_setuptools_entrypoints` raises the error of the first plugin whose import fails.

    :return: one line per plugin that failed to load.
    """
    failures = []
    for point in entry_points(group=group):
        if manager.has_plugin(point.name) or manager.is_blocked(point.name):
            continue
        try:
            manager.register(point.load(), name=point.name)
        except (Exception, SystemExit) as error:  # noqa: BLE001  # no error in another plugin's module may end the host
            manager.unregister(name=point.name)  # pluggy 1.6 keeps a plugin that failed its check, and hooks added before the failure
            failures.append(f"{point.name} ({point.value}): {type(error).__name__}: {error}")
            warnings.warn(f"plugin not loaded: {failures[-1]}", RuntimeWarning, stacklevel=2)
    return failures


class Host:
    """A pipeline of named steps. The step "inpaint" calls the hook.

    :param manager: the plugin manager; None creates one and loads all installed plugins.
    :param options: passed to the hook in every call.
    """

    def __init__(self, manager: pluggy.PluginManager | None = None, options: Mapping[str, Any] | None = None) -> None:
        self.manager = manager or plugin_manager()
        if manager is None:
            load_plugins(self.manager)
            self.manager.check_pending()
        self.options = dict(options or {})
        self.steps: dict[str, ImageStep] = {"inpaint": self._inpaint}

    def run(self, image: Array, mask: Array, steps: Sequence[str] = ("inpaint",)) -> Report:
        """Run steps in the given order; each one gets the image of the step before and the same mask.

        :raises KeyError: if there is no step of a name.
        :raises LookupError: if no plugin answers the hook.
        """
        seconds = {}
        for name in steps:
            start = time.perf_counter()
            image = self.steps[name](image, mask)
            seconds[name] = time.perf_counter() - start
        return Report(image, seconds)

    def _inpaint(self, image: Array, mask: Array) -> Array:
        result: Array | None = self.manager.hook.inpaint(image=image, mask=mask, options=self.options)
        if result is None:
            raise LookupError("no plugin answered: install one, or see `gi-plugin plugins`")
        return result


def main(arguments: Sequence[str]) -> None:
    """Fill the hole of one picture file: arguments IMAGE MASK OUT."""
    from skimage import io  # noqa: PLC0415  # only for files: a host may read them in any way

    if len(arguments) != 3:
        sys.exit("usage: python -m gi_plugin.hooks.host IMAGE MASK OUT")
    image, mask, out = arguments
    report = Host().run(io.imread(image), io.imread(mask))
    io.imsave(out, report.image)
    print({name: f"{seconds:.2f} s" for name, seconds in report.seconds.items()})


if __name__ == "__main__":
    main(sys.argv[1:])
