"""Replace scikit-image's inpainting function by ours in the same call: python skimage_dropin.py."""

import numpy as np
from skimage import data, img_as_float
from skimage.metrics import normalized_root_mse
from skimage.restoration import inpaint_biharmonic

from gi_plugin import inpaint

photo = img_as_float(data.astronaut())[:200, 150:350]
mask = np.zeros(photo.shape[:2], bool)
mask[20:180:20, 10:190] = True  # scratches
mask[90:110, 60:80] = True  # and a spot
damaged = np.where(mask[..., None], 0, photo)


def show(name: str, picture: np.ndarray) -> None:
    """Print shape, dtype and error of a result."""
    print(f"{name}: {picture.shape} {picture.dtype}, error {normalized_root_mse(photo, picture):.4f}")


show("damaged", damaged)
for function in (inpaint_biharmonic, inpaint):
    show(function.__name__, function(damaged, mask, channel_axis=-1))
