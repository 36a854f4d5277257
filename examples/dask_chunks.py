"""Fill a large picture in chunks with dask, with the result of the whole picture: python dask_chunks.py PHOTO MASK OUT.

It needs `pip install "dask[array]"`.
"""

import sys

import dask.array as da
import numpy as np
from imagecodecs import imread, imwrite

from gi_plugin import inpaint
from gi_plugin.planning.overlap import required_overlap

photo, mask, out = sys.argv[1:]
image, hole = imread(photo), imread(mask) > 0
depth = required_overlap(hole)  # pixels
side = max(512, depth)  # of a chunk: a multiple of 32, and no smaller than the overlap
pictures, holes = da.from_array(image, chunks=(side, side, -1)), da.from_array(hole[..., None], chunks=(side, side, -1))


def fill(pixels: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Fill one chunk with its overlap."""
    return inpaint(pixels, missing[..., 0])


overlap = {axis: depth if length > side else 0 for axis, length in enumerate(image.shape)}
filled = da.map_overlap(fill, pictures, holes, depth=overlap, boundary="none", dtype=image.dtype)
imwrite(out, filled.compute(scheduler="synchronous"))
