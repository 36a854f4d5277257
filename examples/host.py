"""A host for inpainting plugins in 12 lines: python host.py PHOTO MASK OUT."""

import sys

from skimage import io

from gi_plugin.hooks.host import load_plugins
from gi_plugin.hooks.spec import plugin_manager

manager = plugin_manager()  # a pluggy.PluginManager that knows the hook
load_plugins(manager)  # every installed plugin; a broken one is reported, not fatal
manager.check_pending()  # a plugin with a misspelt hook is an error
photo, mask, out = sys.argv[1:]
result = manager.hook.inpaint(image=io.imread(photo), mask=io.imread(mask), options={})
if result is None:
    sys.exit("no plugin answered: see `gi-plugin plugins`")
io.imsave(out, result)
