"""Replace scikit-image's inpainting function by ours in the same call, and see where each is the right one: python skimage_dropin.py."""

import time
from collections.abc import Callable

import numpy as np
from skimage import data, draw, img_as_float
from skimage.restoration import inpaint_biharmonic

from gi_plugin import inpaint

SIDE = 200
rows, columns = np.mgrid[:SIDE, :SIDE]
gradient = np.dstack([np.sin(columns / 60), np.cos(rows / 50), (rows + columns) / 400]) * 0.4 + 0.5
portrait = img_as_float(data.astronaut())[:SIDE, 150 : 150 + SIDE]
bricks = img_as_float(data.brick())[:SIDE, :SIDE, None].repeat(3, axis=2)

scratches, spots, object_ = np.zeros((3, SIDE, SIDE), bool)
scratches[20:180:20, 10:190] = True
for centre in ((40, 60), (80, 150), (120, 30), (160, 120)):
    spots[draw.disk(centre, 12)] = True
object_[60:140, 60:140] = True


def measured(function: Callable[..., np.ndarray], picture: np.ndarray, mask: np.ndarray) -> str:
    """Fill a hole; tell the error in it in levels of 255, its contrast between neighbours as a share of the original's, and the time."""
    damaged = np.where(mask[..., None], 0, picture)
    function(damaged, mask, channel_axis=-1)  # opens the engines
    start = time.perf_counter()
    filled = function(damaged, mask, channel_axis=-1)
    seconds = time.perf_counter() - start
    error = 255 * np.sqrt(((filled - picture)[mask] ** 2).mean())
    contrast = [np.abs(np.diff(pixels, axis=1))[mask[:, 1:]].mean() for pixels in (filled, picture)]
    return f"error {error:5.1f}, contrast {contrast[0] / contrast[1]:4.0%}, {1000 * seconds:4.0f} ms"


for title, picture, mask in (
    ("scratches on a gradient", gradient, scratches),
    ("an object on a gradient", gradient, object_),
    ("scratches on a portrait", portrait, scratches),
    ("an object on a portrait", portrait, object_),
    ("spots on bricks", bricks, spots),
    ("an object on bricks", bricks, object_),
):
    for function in (inpaint_biharmonic, inpaint):
        print(f"{title}: {function.__name__}: {measured(function, picture, mask)}")
