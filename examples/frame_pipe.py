"""Remove a mark from a film, frame by frame through pipes: python frame_pipe.py WIDTH HEIGHT MASK.

ffmpeg -i film.mp4 -f rawvideo -pix_fmt rgb24 - | python frame_pipe.py 640 360 mark.png |
ffmpeg -f rawvideo -pix_fmt rgb24 -s 640x360 -r 25 -i - out.mp4
"""

import sys
from collections.abc import Iterator

import numpy as np
from imagecodecs import imread

from gi_plugin import inpaint_sequence

width, height = map(int, sys.argv[1:3])


def frames() -> Iterator[np.ndarray]:
    """Read raw frames from stdin."""
    while len(data := sys.stdin.buffer.read(3 * width * height)) == 3 * width * height:
        yield np.frombuffer(data, np.uint8).reshape(height, width, 3)


for filled in inpaint_sequence(frames(), imread(sys.argv[3])):
    sys.stdout.buffer.write(filled.tobytes())
