"""A small host: load plugins, run named steps on an image, and measure the time of each step.

Use it as a template for your own host. `python -m gi_plugin.hooks.host IMAGE MASK OUT` runs it on files.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pluggy

from gi_plugin.arrays import Array

from .calling.checked import checked_inpaint
from .loading import load_plugins
from .spec import plugin_manager

__all__ = ["Host", "ImageStep", "Report", "checked_inpaint", "load_plugins", "main"]

ImageStep = Callable[[Array, Array], Array]  # takes image and mask, returns the new image


@dataclass(frozen=True)
class Report:
    """The image after the last step, and the duration of each step in seconds."""

    image: Array
    seconds: dict[str, float] = field(default_factory=dict)


class Host:
    """A pipeline of named steps. The step "inpaint" calls the hook.

    :param manager: the plugin manager; None creates one and loads all installed plugins.
    :param options: passed to the hook in every call.
    """

    def __init__(self, manager: pluggy.PluginManager | None = None, options: Mapping[str, Any] | None = None) -> None:
        self.manager = manager or plugin_manager()
        if manager is None:
            load_plugins(self.manager)
        self.options = dict(options or {})
        self.steps: dict[str, ImageStep] = {"inpaint": self._inpaint}

    def run(self, image: Array, mask: Array, steps: Sequence[str] = ("inpaint",)) -> Report:
        """Run steps in the given order; each one gets the image of the step before and the same mask.

        :raises KeyError: if there is no step of a name.
        :raises LookupError: if no plugin answers the hook; other errors as for `checked_inpaint`.
        """
        seconds = {}
        for name in steps:
            start = time.perf_counter()
            image = self.steps[name](image, mask)
            seconds[name] = time.perf_counter() - start
        return Report(image, seconds)

    def _inpaint(self, image: Array, mask: Array) -> Array:
        return checked_inpaint(self.manager, image, mask, self.options)


def main(arguments: Sequence[str]) -> None:
    """Fill the hole of one picture file: arguments IMAGE MASK OUT."""
    from imagecodecs import imread, imwrite  # noqa: PLC0415  # only for files: a host may read them in any way

    if len(arguments) != 3:
        sys.exit("usage: python -m gi_plugin.hooks.host IMAGE MASK OUT")
    image, mask, out = arguments
    report = Host().run(imread(image), imread(mask))
    imwrite(out, report.image)
    print({name: f"{seconds:.2f} s" for name, seconds in report.seconds.items()})


if __name__ == "__main__":
    main(sys.argv[1:])
