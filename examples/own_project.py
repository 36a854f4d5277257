"""A program with a pluggy project of its own, and every inpainting plugin in it: python own_project.py PHOTO MASK OUT."""

import sys

import numpy as np
import pluggy
from imagecodecs import imread, imwrite

from gi_plugin.hooks.host import checked_inpaint, load_plugins
from gi_plugin.hooks.spec import add_specs

hookspec, hookimpl = pluggy.HookspecMarker("darkroom"), pluggy.HookimplMarker("darkroom")


class Darkroom:
    """The hooks of this program."""

    @hookspec
    def develop(self, photo: np.ndarray) -> None:
        """Look at a photo when it is done."""


class Counter:
    """A plugin of this program."""

    @hookimpl
    def develop(self, photo: np.ndarray) -> None:
        """Print the size of a photo."""
        print(f"{photo.shape[1]} x {photo.shape[0]} pixels")


manager = pluggy.PluginManager("darkroom")
manager.add_hookspecs(Darkroom)
manager.register(Counter())
add_specs(manager)  # the hooks of gi_plugin
load_plugins(manager)  # and every plugin that is made for them
photo, mask, out = sys.argv[1:]
result = checked_inpaint(manager, imread(photo), imread(mask), {"contextual-attention": {"dilate": 1}})
manager.hook.develop(photo=result)
imwrite(out, result)
