"""The smallest real host: load plugins, run named steps over an image, report what ran.

A model for your own host; `python -m gi_plugin.hooks.host IMAGE MASK OUT` runs it on files.
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

Step = Callable[[Array, Array], Array]


@dataclass(frozen=True)
class Report:
    """The picture after the last step, and what each step took in seconds."""

    image: Array
    seconds: dict[str, float] = field(default_factory=dict)


def load_plugins(manager: pluggy.PluginManager, group: str = GROUP) -> list[str]:
    """Register every installed plugin of an entry-point group; one that fails to load is reported and left out.

    pluggy's own `load_setuptools_entrypoints` lets the first failing import end the host.

    :return: one line per plugin that could not be loaded.
    """
    failures = []
    for point in entry_points(group=group):
        if manager.has_plugin(point.name) or manager.is_blocked(point.name):
            continue
        try:
            manager.register(point.load(), name=point.name)
        except (Exception, SystemExit) as error:  # noqa: BLE001  # whatever a stranger's module raises must not end the host
            manager.unregister(name=point.name)  # pluggy 1.6 keeps what failed its check, and the hooks added by then
            failures.append(f"{point.name} ({point.value}): {type(error).__name__}: {error}")
            warnings.warn(f"plugin not loaded: {failures[-1]}", RuntimeWarning, stacklevel=2)
    return failures


class Host:
    """A pipeline of named steps; the step "inpaint" is whatever plugin answers the hook first."""

    def __init__(self, manager: pluggy.PluginManager | None = None, options: Mapping[str, Any] | None = None) -> None:
        self.manager = manager or plugin_manager()
        if manager is None:
            load_plugins(self.manager)
            self.manager.check_pending()
        self.options = dict(options or {})
        self.steps: dict[str, Step] = {"inpaint": self._inpaint}

    def run(self, image: Array, mask: Array, steps: Sequence[str] = ("inpaint",)) -> Report:
        """Run steps in order.

        :raises KeyError: if a step is unknown.
        :raises LookupError: if every plugin declines.
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
    """Fill the hole of one picture file."""
    from skimage import io  # noqa: PLC0415  # the host's own choice of how to read files

    if len(arguments) != 3:
        sys.exit("usage: python -m gi_plugin.hooks.host IMAGE MASK OUT")
    image, mask, out = arguments
    report = Host().run(io.imread(image), io.imread(mask))
    io.imsave(out, report.image)
    print({name: f"{seconds:.2f} s" for name, seconds in report.seconds.items()})


if __name__ == "__main__":
    main(sys.argv[1:])
