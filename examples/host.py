"""A host for inpainting plugins in nine lines: python host.py PHOTO MASK OUT."""

import sys

from imagecodecs import imread, imwrite

from gi_plugin.hooks.host import checked_inpaint, load_plugins
from gi_plugin.hooks.spec import plugin_manager

manager = plugin_manager()  # a pluggy.PluginManager that knows the hooks
load_plugins(manager)  # every installed plugin; a broken one is reported, not fatal
photo, mask, out = sys.argv[1:]
result = checked_inpaint(manager, imread(photo), imread(mask))  # the plugins fill, and what they return is checked
imwrite(out, result)
