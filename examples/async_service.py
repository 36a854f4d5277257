"""An async service that fills pictures, with a time limit for every request: python async_service.py PHOTO MASK OUT.

As a demonstration it answers two requests at the same time: one with too little time, and one with enough.
"""

import asyncio
import sys
import threading
from contextlib import suppress

import numpy as np
from imagecodecs import imread, imwrite

from gi_plugin import Cancelled
from gi_plugin.hooks.host import checked_inpaint, load_plugins
from gi_plugin.hooks.spec import plugin_manager

manager = plugin_manager()
load_plugins(manager)


async def fill(image: np.ndarray, mask: np.ndarray, seconds: float) -> np.ndarray:
    """Fill a picture in another thread. If the time is over, or the request is cancelled, the work ends as well."""
    stop = threading.Event()
    work = asyncio.create_task(asyncio.to_thread(checked_inpaint, manager, image, mask, {"cancel": stop}))
    try:
        return await asyncio.wait_for(asyncio.shield(work), seconds)
    except (TimeoutError, asyncio.CancelledError):
        stop.set()
        with suppress(Cancelled):
            await work  # a thread cannot be ended from outside: it ends itself at its next step
        raise


async def main(photo: str, mask: str, out: str) -> None:
    """Answer two requests."""
    image, hole = imread(photo), imread(mask)
    await asyncio.to_thread(manager.hook.warm_up, shapes=[image.shape], options={})  # the first request is as fast as the others
    late, filled = await asyncio.gather(fill(image, hole, 1e-3), fill(image, hole, 60), return_exceptions=True)
    print(f"first request: {type(late).__name__}")
    imwrite(out, filled)
    manager.hook.shutdown()


asyncio.run(main(*sys.argv[1:]))
